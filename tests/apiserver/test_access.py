"""Who may do what; discovery, health and version; what is refused by name."""

from __future__ import annotations

import asyncio

import pytest

from everynode.wire.message import Peer
from tests.apiserver.caller import Caller, manifest, pod


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
async def test_health_needs_nobody(api: Caller, path: str) -> None:
    api.peer = None
    assert (await api.send("GET", path)).status == 200


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1/pods", "/openapi/v3", "/metrics"])
async def test_all_else_needs_somebody(api: Caller, path: str) -> None:
    api.peer = None
    answer = await api.get(path)
    assert (answer.code, answer.body["reason"]) == (401, "Unauthorized")


async def test_whoever_is_no_master_is_refused_by_name(api: Caller, core: str) -> None:
    api.peer = Peer("jane")
    answer = await api.get(f"{core}/pods/a")
    assert answer.code == 403
    assert answer.body["message"] == (
        'pods "a" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "default"'
    )
    assert (await api.get("/apis")).code == 200


@pytest.mark.parametrize(("groups", "allowed"), [(("system:masters",), True), ((), False)])
async def test_reviews_tell_what_is_allowed(api: Caller, groups: tuple[str, ...], allowed: bool) -> None:
    api.peer = Peer("jane", ("system:masters",))
    attributes = {"verb": "delete", "resource": "daemonsets", "group": "apps", "namespace": "default"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    api.peer = Peer("jane", groups)
    answer = await api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (answer.code, answer.body["status"]["allowed"]) == (201, allowed)


@pytest.mark.parametrize(("groups", "verbs"), [(("system:masters",), ["*"]), ((), ["create"])])
async def test_reviews_list_what_is_allowed(api: Caller, groups: tuple[str, ...], verbs: list[str]) -> None:
    api.peer = Peer("jane", groups)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "default"},
    }
    answer = await api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
    assert answer.code == 201
    assert [rule["verbs"] for rule in answer.body["status"]["resourceRules"]] == [verbs]
    assert answer.body["status"]["nonResourceRules"][0]["nonResourceURLs"]


async def test_who_am_i(api: Caller) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await api.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert answer.body["status"]["userInfo"] == {
        "username": "admin",
        "groups": ["system:masters", "system:authenticated"],
    }


async def test_version(api: Caller) -> None:
    version = (await api.get("/version")).body
    assert (version["major"], version["minor"]) == ("1", "37")
    assert version["gitVersion"].startswith("v1.37.0+everynode.")


async def test_discovery_tells_the_same_in_both_forms(api: Caller) -> None:
    groups = [group["name"] for group in (await api.get("/apis")).body["groups"]]
    assert "apps" in groups
    listed = (await api.get("/apis/apps/v1")).body["resources"]
    assert [each["name"] for each in listed] == ["daemonsets", "daemonsets/status", "controllerrevisions"]
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    answer = await api.get("/apis", accept=accept)
    assert "as=APIGroupDiscoveryList" in answer.headers["content-type"]
    assert [item["metadata"]["name"] for item in answer.body["items"]] == groups
    apps = next(item for item in answer.body["items"] if item["metadata"]["name"] == "apps")
    assert [each["resource"] for each in apps["versions"][0]["resources"]] == ["daemonsets", "controllerrevisions"]
    core = (await api.get("/api", accept=accept)).body["items"]
    assert len(core) == 1


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v2", "/apis/nothing", "/apis/apps/v2", "/api/v1/gadgets", "/apis/apps/v1/namespaces/x/gadgets/y", "/x"],
)
async def test_paths_that_nobody_serves(api: Caller, path: str) -> None:
    answer = await api.get(path)
    assert (answer.code, answer.body["reason"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/pods"),
        ("PUT", "/api/v1/namespaces/default/pods"),
        ("PATCH", "/api/v1/nodes"),
        ("GET", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
        ("BREW", "/api/v1/nodes"),
    ],
)
async def test_methods_that_have_no_meaning_there(api: Caller, core: str, method: str, path: str) -> None:
    answer = await api.call(method, path, manifest("v1", "Pod", "a"))
    assert (answer.code, answer.body["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("subresource", ["log", "exec", "attach", "portforward"])
async def test_what_needs_containers_is_refused_by_name(api: Caller, core: str, subresource: str) -> None:
    await api.create(f"{core}/pods", pod("a", nodeName="n1"))
    answer = await api.get(f"{core}/pods/a/{subresource}")
    assert answer.code == 501
    assert 'pod "a": node "n1" is simulated and runs no containers' in answer.body["message"]
    assert (await api.get(f"{core}/pods/nobody/{subresource}")).code == 404


async def test_metrics_tell_what_was_asked_and_what_is_stored(api: Caller, core: str) -> None:
    await api.create(f"{core}/pods", pod("a"))
    assert (await api.get(f"{core}/pods/nobody")).code == 404
    text = (await api.send("GET", "/metrics")).body.decode().splitlines()
    assert 'apiserver_request_total{code="201",resource="pods",verb="create"} 1.0' in text
    assert 'apiserver_request_total{code="404",resource="pods",verb="get"} 1.0' in text
    assert 'apiserver_storage_objects{resource="pods"} 1.0' in text
    assert f"everynode_store_revision {float(api.store.revision)}" in text
    assert 'everynode_store_events_total{resource="pods"} 1.0' in text
    size = len((await api.store.range("core/pods/")).entries[0].value)
    assert f'everynode_store_written_bytes_total{{resource="pods"}} {float(size)}' in text
    api.peer = Peer("jane")
    assert (await api.get("/metrics")).code == 403


async def test_metrics_tell_what_was_sent_to_watches(api: Caller, core: str) -> None:
    """The store hands the second pod to both watches, and one of them leaves it out."""
    since = str(api.store.revision)
    watches = [
        await api.watch(f"{core}/pods", labelSelector=selector, resourceVersion=since)
        for selector in ("app!=y", "app=y")
    ]
    first, second = [asyncio.ensure_future(watch.named()) for watch in watches]
    await asyncio.sleep(0)
    await api.create(f"{core}/pods", pod("a", labels={"app": "x"}))
    assert await first == ("ADDED", "a")
    leaving_out = asyncio.ensure_future(watches[0].named())
    await asyncio.sleep(0)
    await api.create(f"{core}/pods", pod("b", labels={"app": "y"}))
    assert await second == ("ADDED", "b")
    text = (await api.send("GET", "/metrics")).body.decode().splitlines()
    assert 'apiserver_watch_events_total{group="",resource="pods",version="v1"} 2.0' in text
    assert 'everynode_store_delivered_events_total{resource="pods"} 3.0' in text
    leaving_out.cancel()
