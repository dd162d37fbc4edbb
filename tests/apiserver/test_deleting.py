"""delete: at once, after a grace, held by finalizers, under preconditions, in collections."""

from __future__ import annotations

import pytest

from everynode.store.history import HISTORY_EVENTS
from tests.apiserver.caller import MERGE, Caller, config_map, pod


async def test_at_once(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a"))
    answer = await api.must("DELETE", f"{core}/configmaps/a")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await api.call("DELETE", f"{core}/configmaps/a")).code == 404


async def test_a_pod_that_is_gone_at_once_is_shown_once_more(api: Caller, core: str) -> None:
    made = await api.create(f"{core}/pods", pod("a"))
    shown = await api.must("DELETE", f"{core}/pods/a")
    assert (shown["kind"], shown["metadata"]["uid"]) == ("Pod", made["metadata"]["uid"])
    assert (await api.get(f"{core}/pods/a")).code == 404


async def test_a_pod_on_a_node_is_given_its_grace(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("a", nodeName="n1", terminationGracePeriodSeconds=40))
    marked = await api.must("DELETE", f"{core}/pods/a")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 40
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:14:00Z"
    shorter = await api.must("DELETE", f"{core}/pods/a", gracePeriodSeconds="10")
    assert shorter["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:30Z"
    longer = await api.must("DELETE", f"{core}/pods/a", gracePeriodSeconds="100")
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 10
    await api.must("DELETE", f"{core}/pods/a", gracePeriodSeconds="0")
    assert (await api.get(f"{core}/pods/a")).code == 404


async def test_a_deletion_that_hastens_nothing_changes_nothing(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("a", nodeName="n1", terminationGracePeriodSeconds=40))
    marked = await api.must("DELETE", f"{core}/pods/a")
    for options in ({}, {"gracePeriodSeconds": 40}, {"propagationPolicy": "Foreground"}):
        assert await api.must("DELETE", f"{core}/pods/a", options) == marked
    assert (await api.get(f"{core}/pods/a")).body == marked


async def test_a_pod_that_has_ended_while_it_was_given_time_keeps_it(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("a", nodeName="n1", terminationGracePeriodSeconds=40))
    await api.must("DELETE", f"{core}/pods/a")
    await api.must("PATCH", f"{core}/pods/a/status", {"status": {"phase": "Failed"}}, kind=MERGE)
    shorter = await api.must("DELETE", f"{core}/pods/a", {"gracePeriodSeconds": 10})
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 10
    assert (await api.get(f"{core}/pods/a")).code == 200


async def test_a_second_deletion_may_change_what_becomes_of_dependents(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    await api.must("DELETE", f"{core}/configmaps/a", {"propagationPolicy": "Foreground"})
    held = await api.must("DELETE", f"{core}/configmaps/a", {"propagationPolicy": "Orphan"})
    assert held["metadata"]["finalizers"] == ["orphan"]
    await api.must("DELETE", f"{core}/configmaps/a", {"propagationPolicy": "Background"})
    assert (await api.get(f"{core}/configmaps/a")).code == 404


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"preconditions": {"uid": "other"}},
            'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in '
            "record ({uid}). The object might have been deleted and then recreated",
        ),
        (
            {"preconditions": {"resourceVersion": "1"}},
            'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition (1) does not match the '
            "ResourceVersion in record ({resourceVersion}). The object might have been modified",
        ),
        (
            {"propagationPolicy": "Sideways"},
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: '
            '"Foreground", "Background", "Orphan", "nil"',
        ),
        (
            {"propagationPolicy": "Orphan", "orphanDependents": True},
            'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and '
            "deletionPropagation cannot be both set",
        ),
    ],
)
async def test_why_a_deletion_is_refused(api: Caller, core: str, options: dict, message: str) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a"))
    answer = await api.call("DELETE", f"{core}/configmaps/a", options)
    assert answer.body["message"] == message.format(**made["metadata"])


async def test_a_pod_on_no_node_or_ended_goes_at_once(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("a"))
    await api.must("DELETE", f"{core}/pods/a")
    assert (await api.get(f"{core}/pods/a")).code == 404
    await api.create(f"{core}/pods", pod("b", nodeName="n1"))
    await api.must("PATCH", f"{core}/pods/b/status", {"status": {"phase": "Succeeded"}}, kind=MERGE)
    await api.must("DELETE", f"{core}/pods/b")
    assert (await api.get(f"{core}/pods/b")).code == 404


async def test_a_finalizer_holds_until_it_is_taken_away(api: Caller, core: str) -> None:
    given = config_map("a")
    given["metadata"]["finalizers"] = ["example.com/hold"]
    await api.create(f"{core}/configmaps", given)
    held = await api.must("DELETE", f"{core}/configmaps/a")
    assert held["metadata"]["deletionTimestamp"]
    assert (await api.get(f"{core}/configmaps/a")).code == 200
    await api.must("PATCH", f"{core}/configmaps/a", {"metadata": {"finalizers": None}}, kind=MERGE)
    assert (await api.get(f"{core}/configmaps/a")).code == 404


@pytest.mark.parametrize(("policy", "finalizers"), [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"])])
async def test_propagation_policies_leave_their_finalizer(
    api: Caller, core: str, policy: str, finalizers: list[str]
) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    held = await api.must("DELETE", f"{core}/configmaps/a", {"propagationPolicy": policy})
    assert held["metadata"]["finalizers"] == finalizers


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"preconditions": {"uid": "other"}}, 409),
        ({"preconditions": {"resourceVersion": "1"}}, 409),
        ({"propagationPolicy": "Sideways"}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422),
        ({"kind": "Pod"}, 400),
        ({"gracePeriodSeconds": "x"}, 400),
    ],
)
async def test_a_deletion_that_is_refused_changes_nothing(api: Caller, core: str, options: dict, code: int) -> None:
    made = await api.create(f"{core}/configmaps", config_map("a"))
    assert (await api.call("DELETE", f"{core}/configmaps/a", options)).code == code
    assert (await api.get(f"{core}/configmaps/a")).body == made


async def test_a_collection_by_selector(api: Caller, core: str) -> None:
    for name, app in (("a", "web"), ("b", "db"), ("c", "web")):
        await api.create(f"{core}/pods", pod(name, labels={"app": app}))
    gone = await api.must("DELETE", f"{core}/pods", labelSelector="app=web")
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    left = (await api.get(f"{core}/pods")).body["items"]
    assert [item["metadata"]["name"] for item in left] == ["b"]


async def test_namespaces_are_deleted_one_at_a_time(api: Caller) -> None:
    assert (await api.call("DELETE", "/api/v1/namespaces")).code == 405


async def test_a_namespace_ends_when_its_finalizer_goes(api: Caller, core: str) -> None:
    await api.namespace("team")
    ending = await api.must("DELETE", "/api/v1/namespaces/team")
    assert ending["status"]["phase"] == "Terminating"
    ending["spec"]["finalizers"] = []
    await api.must("PUT", "/api/v1/namespaces/team/finalize", ending)
    assert (await api.get("/api/v1/namespaces/team")).code == 404
    answer = await api.call("DELETE", "/api/v1/namespaces/default")
    assert answer.body["message"] == 'namespaces "default" is forbidden: this namespace may not be deleted'


async def test_a_collection_is_deleted_as_many_at_a_time_as_is_asked_for(api: Caller, core: str) -> None:
    for number in range(5):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    first = await api.must("DELETE", f"{core}/configmaps", limit="2")
    assert [each["metadata"]["name"] for each in first["items"]] == ["c0", "c1"]
    await api.create(f"{core}/configmaps", config_map("c3-late"))
    then = await api.must("DELETE", f"{core}/configmaps", limit="2", **{"continue": first["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in then["items"]] == ["c2", "c3"]
    last = await api.must("DELETE", f"{core}/configmaps", limit="2", **{"continue": then["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in last["items"]] == ["c4"]
    assert "continue" not in last["metadata"]
    left = (await api.get(f"{core}/configmaps")).body["items"]
    assert [each["metadata"]["name"] for each in left] == ["c3-late"]


async def test_the_rest_of_a_collection_is_deleted_however_much_happened_meanwhile(api: Caller, core: str) -> None:
    for number in range(3):
        await api.create(f"{core}/configmaps", config_map(f"c{number}"))
    first = await api.must("DELETE", f"{core}/configmaps", limit="1")
    for number in range(HISTORY_EVENTS + 1):
        await api.store.write("core/configmaps/other/one", b'{"metadata":{"name":"%d"}}' % number)
    then = await api.must("DELETE", f"{core}/configmaps", **{"continue": first["metadata"]["continue"]})
    assert [each["metadata"]["name"] for each in then["items"]] == ["c1", "c2"]
    assert (await api.get(f"{core}/configmaps")).body["items"] == []
