"""Server-side apply: ownership, pruning, conflicts, force, and what it never does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.api import schema
from everynode.patch import trees
from everynode.patch.apply import ApplyConflicts, ApplyError, apply
from everynode.patch.managed_fields import after_update

DAEMON_SET = schema.for_kind("apps", "v1", "DaemonSet")
SERVICE = schema.for_kind("", "v1", "Service")
T1, T2 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
Tree = dict[str, Any]


def daemon_set(**spec: Any) -> Tree:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "a", "labels": {"app": "a"}},
        "spec": spec,
    }


def template(*containers: Tree, **spec: Any) -> Tree:
    return {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": list(containers), **spec}}


def applied(live: Tree | None, config: Tree, manager: str = "one", *, force: bool = False, time: str = T1) -> Tree:
    return apply(live, config, DAEMON_SET, manager=manager, api_version="apps/v1", time=time, force=force)


def updated(live: Tree | None, new: Tree, manager: str, time: str = T1) -> Tree:
    return after_update(live, new, DAEMON_SET, manager=manager, api_version="apps/v1", time=time)


def entries(tree: Tree) -> dict[str, Tree]:
    return {entry["manager"]: entry for entry in tree["metadata"].get("managedFields", [])}


def without_entries(tree: Tree) -> Tree:
    return {**tree, "metadata": {key: value for key, value in tree["metadata"].items() if key != "managedFields"}}


CONFIG = daemon_set(
    minReadySeconds=3,
    selector={"matchLabels": {"app": "a"}},
    template=template(
        {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "args": ["a", "b"]}, hostNetwork=True
    ),
)


def test_the_first_apply_creates_and_owns_what_it_says() -> None:
    created = applied(None, CONFIG)
    assert without_entries(created) == CONFIG
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "one",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:minReadySeconds": {},
                    "f:selector": {},
                    "f:template": {
                        "f:metadata": {"f:labels": {"f:app": {}}},
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"web"}': {
                                    ".": {},
                                    "f:args": {},
                                    "f:image": {},
                                    "f:name": {},
                                    "f:ports": {
                                        'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                                    },
                                }
                            },
                            "f:hostNetwork": {},
                        },
                    },
                },
            },
        }
    ]


def test_applying_again_changes_nothing_not_even_the_time() -> None:
    created = applied(None, CONFIG)
    assert applied(created, CONFIG, time=T2) == created


def test_what_is_no_longer_applied_goes_and_what_others_set_stays() -> None:
    live = applied(None, CONFIG)
    live["spec"]["revisionHistoryLimit"] = 10
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    config = daemon_set(
        selector={"matchLabels": {"app": "a"}},
        template=template({"name": "web", "image": "web:2"}, dnsPolicy="Default"),
    )
    result = applied(live, config, time=T2)
    assert result["spec"] == {
        "selector": {"matchLabels": {"app": "a"}},
        "template": template({"name": "web", "image": "web:2", "imagePullPolicy": "Always"}, dnsPolicy="Default"),
        "revisionHistoryLimit": 10,
    }
    assert entries(result)["one"]["time"] == T2


def test_an_element_that_is_no_longer_applied_goes_with_its_defaults() -> None:
    two = template({"name": "web", "image": "w"}, {"name": "log", "image": "l"})
    live = applied(None, daemon_set(template=two))
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always"
    result = applied(live, daemon_set(template=template({"name": "web", "image": "w"})))
    assert result["spec"]["template"]["spec"]["containers"] == [{"name": "web", "image": "w"}]


def test_a_field_that_two_managers_apply_stays_until_both_have_let_go() -> None:
    live = applied(None, daemon_set(minReadySeconds=3))
    live = applied(live, daemon_set(minReadySeconds=3), "two")
    live = applied(live, daemon_set())
    assert live["spec"] == {"minReadySeconds": 3}
    assert entries(live)["one"]["fieldsV1"]["f:spec"] == {}
    assert applied(live, daemon_set(), "two")["spec"] == {}


def test_a_conflict_names_the_manager_and_the_field() -> None:
    live = updated(None, daemon_set(minReadySeconds=3), "kubectl-client-side-apply")
    with pytest.raises(ApplyConflicts) as refused:
        applied(live, daemon_set(minReadySeconds=4))
    assert str(refused.value) == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.minReadySeconds'
    )
    (conflict,) = refused.value.conflicts
    assert conflict.field == ".spec.minReadySeconds"
    assert conflict.message == 'conflict with "kubectl-client-side-apply" using apps/v1'


def test_several_conflicts_are_listed_by_manager() -> None:
    live = applied(None, daemon_set(minReadySeconds=3, template=template({"name": "web", "image": "1"})), "two")
    live = updated(live, {**live, "spec": {**live["spec"], "revisionHistoryLimit": 5}}, "edit")
    with pytest.raises(ApplyConflicts) as refused:
        applied(
            live,
            daemon_set(minReadySeconds=4, revisionHistoryLimit=6, template=template({"name": "web", "image": "2"})),
        )
    assert str(refused.value) == (
        "Apply failed with 3 conflicts: "
        'conflicts with "edit" using apps/v1:\n- .spec.revisionHistoryLimit\n'
        'conflicts with "two":\n- .spec.minReadySeconds\n- .spec.template.spec.containers[name="web"].image'
    )


def test_force_takes_the_field_over() -> None:
    live = applied(None, daemon_set(minReadySeconds=3, revisionHistoryLimit=1), "two")
    result = applied(live, daemon_set(minReadySeconds=4), force=True)
    assert result["spec"] == {"minReadySeconds": 4, "revisionHistoryLimit": 1}
    assert entries(result)["two"]["fieldsV1"]["f:spec"] == {"f:revisionHistoryLimit": {}}
    assert entries(result)["one"]["fieldsV1"]["f:spec"] == {"f:minReadySeconds": {}}


def test_the_same_value_is_shared_without_a_quarrel() -> None:
    live = applied(None, daemon_set(minReadySeconds=3), "two")
    result = applied(live, daemon_set(minReadySeconds=3))
    assert entries(result)["one"]["fieldsV1"] == entries(result)["two"]["fieldsV1"]


def test_an_object_without_any_record_belongs_to_before_first_apply() -> None:
    live = daemon_set(minReadySeconds=3)
    with pytest.raises(ApplyConflicts, match=r'"before-first-apply" using apps/v1: \.spec\.min'):
        applied(live, daemon_set(minReadySeconds=4))
    assert entries(applied(live, daemon_set(minReadySeconds=3))).keys() == {"one", "before-first-apply"}


def test_elements_of_others_keep_their_place() -> None:
    live = applied(None, daemon_set(template=template({"name": "b"}, {"name": "c"})))
    containers = [{"name": "injected"}, *live["spec"]["template"]["spec"]["containers"]]
    live["spec"]["template"]["spec"]["containers"] = containers
    result = applied(live, daemon_set(template=template({"name": "c"}, {"name": "b"}, {"name": "d"})))
    names = [container["name"] for container in result["spec"]["template"]["spec"]["containers"]]
    assert names == ["injected", "c", "b", "d"]


def test_ports_are_told_apart_by_number_and_protocol() -> None:
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]}}
    live = apply(None, service, SERVICE, manager="one", api_version="v1", time=T1)
    only_udp = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 53, "protocol": "UDP"}]}}
    result = apply(live, only_udp, SERVICE, manager="one", api_version="v1", time=T1)
    assert result["spec"]["ports"] == [{"port": 53, "protocol": "UDP"}]


def test_finalizers_are_a_set_of_which_each_owns_its_own() -> None:
    live = applied(None, {"metadata": {"name": "a", "finalizers": ["x/one"]}})
    live = applied(live, {"metadata": {"name": "a", "finalizers": ["x/two"]}}, "two")
    assert live["metadata"]["finalizers"] == ["x/one", "x/two"]
    assert applied(live, {"metadata": {"name": "a"}})["metadata"]["finalizers"] == ["x/two"]


def test_nulls_are_taken_for_absent() -> None:
    live = {**daemon_set(), "metadata": {"name": "a", "creationTimestamp": T1}}
    config = {**daemon_set(minReadySeconds=None), "metadata": {"name": "a", "creationTimestamp": None}}
    result = applied(live, config)
    assert result["metadata"]["creationTimestamp"] == T1
    assert result["spec"] == {}


def test_status_is_nobodys_where_it_is_ignored() -> None:
    config = {**daemon_set(minReadySeconds=1), "status": {"numberReady": 1}}
    result = apply(
        None, config, DAEMON_SET, manager="one", api_version="apps/v1", time=T1, ignored=("status",), subresource="x"
    )
    assert "f:status" not in entries(result)["one"]["fieldsV1"]
    assert entries(result)["one"]["subresource"] == "x"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
        (daemon_set(template=template({"name": "a"}, {"name": "a"})), 'duplicate entries for key k:{"name":"a"}'),
        (daemon_set(template=template({"image": "a"})), 'element that omits key field "name"'),
    ],
)
def test_configurations_that_make_no_sense(config: Tree, message: str) -> None:
    with pytest.raises(ApplyError, match=message):
        applied(None, config)


def test_a_list_that_cannot_be_told_apart_is_replaced_as_a_whole() -> None:
    live = daemon_set(
        template=template({"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]})
    )
    config = daemon_set(template=template({"name": "a", "env": [{"name": "X", "value": "3"}]}))
    result = applied(live, config, force=True)
    assert result["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "X", "value": "3"}]


_names = st.lists(st.sampled_from("abc"), unique=True, max_size=3)


@st.composite
def _configs(draw: st.DrawFn, prefix: str = "") -> Tree:
    containers = [
        {"name": prefix + name, **draw(st.dictionaries(st.sampled_from(["image", "command"]), st.sampled_from("12")))}
        for name in draw(_names)
    ]
    labels = {prefix + name: draw(st.sampled_from("12")) for name in draw(_names)}
    return {"metadata": {"name": "x", "labels": labels}, "spec": {"template": {"spec": {"containers": containers}}}}


@given(first=_configs(), second=_configs())
def test_applying_is_idempotent_and_changes_none_of_its_inputs(first: Tree, second: Tree) -> None:
    live = applied(None, first)
    before = trees.copy(live), trees.copy(second)
    once = applied(live, second)
    assert (live, second) == before
    assert applied(once, second, time=T2) == once
    assert once["metadata"].get("labels", {}) == second["metadata"]["labels"]


@given(mine=_configs("m"), first=_configs("t"), second=_configs("t"))
def test_managers_of_different_things_do_not_get_in_each_others_way(mine: Tree, first: Tree, second: Tree) -> None:
    live = applied(applied(None, mine), first, "two")
    live = applied(live, second, "two")
    alone = {"metadata": {"name": "x", "labels": {}}, "spec": {"template": {"spec": {"containers": []}}}}
    rest = applied(live, alone, "two")
    assert rest["metadata"].get("labels", {}) == mine["metadata"]["labels"]
    containers = rest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
    assert containers == mine["spec"]["template"]["spec"]["containers"]
