"""Strategic merge patch: every directive, the order of merged lists, and errors in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.api import schema
from everynode.patch import strategic, trees
from everynode.patch.strategic import StrategicPatchError

DAEMON_SET = schema.for_kind("apps", "v1", "DaemonSet")
POD_SPEC = schema.type_named("PodSpec")
META = schema.type_named("ObjectMeta")


def containers(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names]


def patched_names(live: list[str], patch: dict[str, Any]) -> list[str]:
    result = strategic.apply({"containers": containers(*live, image="i")}, patch, POD_SPEC)
    return [each["name"] for each in result["containers"]]


def test_containers_are_merged_by_name_and_other_fields_stay() -> None:
    live = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:1", "tty": True}, {"name": "b"}]}}}}
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a:2", "tty": None}]}}}}
    result = strategic.apply(live, patch, DAEMON_SET)
    assert result["spec"]["template"]["spec"]["containers"] == [{"name": "a", "image": "a:2"}, {"name": "b"}]


def test_a_rollback_replaces_the_template_as_a_whole() -> None:
    live = {
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}, "minReadySeconds": 3}
    }
    template = {"spec": {"containers": [{"name": "x", "image": "y"}]}}
    result = strategic.apply(live, {"spec": {"template": {**template, "$patch": "replace"}}}, DAEMON_SET)
    assert result == {"spec": {"template": template, "minReadySeconds": 3}}


def test_new_elements_stand_before_and_known_ones_in_the_order_of_the_patch() -> None:
    assert patched_names(["a", "b", "c"], {"containers": containers("new")}) == ["new", "a", "b", "c"]
    assert patched_names(["a", "b", "c"], {"containers": containers("c", "a")}) == ["b", "c", "a"]


def test_set_element_order_rules() -> None:
    order = containers("c", "new", "a")
    patch = {"$setElementOrder/containers": order, "containers": containers("new")}
    assert patched_names(["a", "b", "c"], patch) == ["b", "c", "new", "a"]
    assert patched_names(["a", "b"], {"$setElementOrder/containers": containers("b", "a")}) == ["b", "a"]
    assert patched_names([], patch) == ["new"]


def test_what_is_new_takes_the_room_of_what_was_deleted() -> None:
    deleted = [{"name": name, "$patch": "delete"} for name in ("d", "c")]
    patch = {"$setElementOrder/containers": containers("b", "a"), "containers": [*deleted, *containers("b", "a")]}
    assert patched_names(["d", "e", "c"], patch) == ["e", "b", "a"]


def test_an_order_that_contradicts_the_patch_is_refused() -> None:
    patch = {"$setElementOrder/containers": containers("a", "b"), "containers": containers("b", "a")}
    with pytest.raises(StrategicPatchError) as refused:
        patched_names(["a"], patch)
    assert str(refused.value) == (
        "The order in patch list:\n[map[name:b] map[name:a]]\n"
        " doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n"
    )


def test_elements_are_deleted_and_lists_replaced_by_directive() -> None:
    assert patched_names(["a", "b"], {"containers": [{"name": "a", "$patch": "delete"}]}) == ["b"]
    assert patched_names(["a"], {"containers": [{"name": "gone", "$patch": "delete"}]}) == ["a"]
    assert patched_names(["a", "b"], {"containers": [{"$patch": "replace"}, {"name": "x"}]}) == ["x"]
    patch = {
        "$setElementOrder/containers": containers("b"),
        "containers": [{"name": "b", "image": "2"}, {"name": "a", "$patch": "delete"}],
    }
    assert patched_names(["a", "b"], patch) == ["b"]


def test_maps_are_deleted_and_replaced_by_directive() -> None:
    live = {"labels": {"a": "1"}, "annotations": {"b": "2"}}
    patch = {"labels": {"$patch": "delete"}, "annotations": {"$patch": "replace", "c": "3"}}
    assert strategic.apply(live, patch, META) == {"labels": {}, "annotations": {"c": "3"}}


def test_plain_values_are_united_and_taken_from_lists() -> None:
    live = {"finalizers": ["a", "b", "c"]}
    assert strategic.apply(live, {"finalizers": ["d", "b", "d"]}, META) == {"finalizers": ["d", "a", "b", "c"]}
    patch = {"$deleteFromPrimitiveList/finalizers": ["b", "x"], "$setElementOrder/finalizers": ["c", "d", "a"]}
    assert strategic.apply(live, {**patch, "finalizers": ["d"]}, META) == {"finalizers": ["c", "d", "a"]}


def test_retain_keys_drops_every_other_member() -> None:
    live = {"volumes": [{"name": "v", "emptyDir": {}, "extra": 1}]}
    patch = {"volumes": [{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}]}
    assert strategic.apply(live, patch, POD_SPEC) == {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}


def test_lists_without_a_merge_strategy_are_replaced() -> None:
    live = {"tolerations": [{"key": "a"}], "containers": [{"name": "a", "args": ["1", "2"]}]}
    patch = {"tolerations": [{"key": "b"}], "containers": [{"name": "a", "args": ["3"]}]}
    assert strategic.apply(live, patch, POD_SPEC) == patch


def test_unknown_fields_are_merged_plainly() -> None:
    live = {"unknown": {"list": [1], "map": {"a": 1, "b": 2}}}
    patch = {"unknown": {"list": [2], "map": {"a": None, "c": 3}}}
    assert strategic.apply(live, patch, DAEMON_SET) == {"unknown": {"list": [2], "map": {"b": 2, "c": 3}}}
    assert strategic.apply(live, patch, None) == {"unknown": {"list": [2], "map": {"b": 2, "c": 3}}}


def test_what_is_new_comes_without_nulls_and_directives() -> None:
    patch = {"spec": {"template": {"a": None, "b": {"$patch": "delete"}, "c": [{"d": None}], "$retainKeys": ["c"]}}}
    assert strategic.apply({}, patch, DAEMON_SET) == {"spec": {"template": {"c": [{}]}}}
    assert strategic.apply({}, {"labels": {"$patch": "replace", "a": "b"}}, META) == {"labels": {"a": "b"}}


def test_of_two_ports_with_one_number_the_first_is_meant() -> None:
    container = schema.type_named("Container")
    ports = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    result = strategic.apply({"ports": ports}, {"ports": [{"containerPort": 53, "name": "dns"}]}, container)
    assert result == {"ports": [{**ports[0], "name": "dns"}, ports[1]]}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"$patch": "merge"}, "unknown patch type: merge in map: map[$patch:merge]"),
        (
            {"containers": [{"image": "x"}]},
            "map: map[image:x] does not contain declared merge key: name",
        ),
        ({"containers": [{"$patch": "delete"}]}, "map: map[$patch:delete] does not contain declared merge key: name"),
        ({"containers": [{"name": "a", "$patch": "merge"}]}, "merging lists cannot yet be specified in the patch"),
        ({"containers": [[]]}, "lists of lists are not supported"),
        ({"containers": ["a"]}, "list element types are not identical: [[map[name:a]] [a]]"),
        ({"containers": [{"name": {}}]}, "map: map[name:map[]] does not contain declared merge key: name"),
        ({"$setElementOrder/containers": "a"}, "invalid patch format of setElementOrder list"),
        ({"$setElementOrder/containers": ["a"]}, "expected a map[string]interface {}, but received a string"),
        ({"$deleteFromPrimitiveList/x": "a"}, "invalid patch format of primitive list"),
        ({"$deleteFromPrimitiveList": ["a"]}, "invalid patch format of primitive list"),
        ({"$retainKeys": ["a"], "b": 1}, "invalid patch format of retainKeys"),
        ({"$retainKeys": "a"}, "invalid patch format of retainKeys"),
    ],
)
def test_patches_that_make_no_sense(patch: dict[str, Any], message: str) -> None:
    with pytest.raises(StrategicPatchError) as refused:
        strategic.apply({"containers": [{"name": "a"}]}, patch, POD_SPEC)
    assert str(refused.value) == message


_names = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)
_pod_specs = st.fixed_dictionaries(
    {
        "containers": _names.map(lambda names: containers(*names)),
        "nodeSelector": st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")),
    }
)


@given(live=_pod_specs, patch=_pod_specs)
def test_applying_a_patch_again_changes_nothing(live: dict[str, Any], patch: dict[str, Any]) -> None:
    before = trees.copy(live), trees.copy(patch)
    once = strategic.apply(live, patch, POD_SPEC)
    assert strategic.apply(once, patch, POD_SPEC) == once
    assert (live, patch) == before


@given(live=_names, patch=_names)
def test_a_merged_list_keeps_both_orders(live: list[str], patch: list[str]) -> None:
    names = patched_names(live, {"containers": containers(*patch)})
    assert [name for name in names if name in patch] == patch
    assert [name for name in names if name not in patch] == [name for name in live if name not in patch]
    assert len(names) == len(set(live) | set(patch))
