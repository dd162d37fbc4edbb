"""watch: beginnings, selections that are entered and left, bookmarks, and revisions that are gone."""

from __future__ import annotations

import asyncio
import json

import pytest

from everynode.store.contract import Event
from everynode.store.hub import HubWatch
from tests.apiserver.caller import MERGE, Caller, config_map, manifest, pod


async def test_from_a_revision_on(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("before"))
    events = await api.watch(f"{core}/configmaps", resourceVersion=str(api.store.revision))
    await api.create(f"{core}/configmaps", config_map("a"))
    made = await events.next()
    assert (made[0], made[1]["metadata"]["name"]) == ("ADDED", "a")
    await api.must("PATCH", f"{core}/configmaps/a", {"data": {"k": "v"}}, kind=MERGE)
    kind, changed = await events.next()
    assert (kind, changed["data"]) == ("MODIFIED", {"k": "v"})
    await api.must("DELETE", f"{core}/configmaps/a")
    kind, gone = await events.next()
    assert (kind, gone["data"]) == ("DELETED", {"k": "v"})
    assert gone["metadata"]["resourceVersion"] == str(api.store.revision)
    await events.close()


async def test_without_a_revision_the_present_comes_first(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    await api.create(f"{core}/configmaps", config_map("b"))
    events = await api.watch(f"{core}/configmaps")
    assert [await events.named(), await events.named()] == [("ADDED", "a"), ("ADDED", "b")]
    await api.create(f"{core}/configmaps", config_map("c"))
    assert await events.named() == ("ADDED", "c")
    await events.close()


async def test_initial_events_end_with_a_marked_bookmark(api: Caller, core: str) -> None:
    await api.create(f"{core}/configmaps", config_map("a"))
    events = await api.watch(
        f"{core}/configmaps",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    assert await events.named() == ("ADDED", "a")
    kind, mark = await events.next()
    assert (kind, mark["kind"]) == ("BOOKMARK", "ConfigMap")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert mark["metadata"]["resourceVersion"] == str(api.store.revision)
    await events.close()


async def test_entering_and_leaving_a_selection(api: Caller, core: str) -> None:
    events = await api.watch(
        f"{core}/pods", labelSelector="app=web,tier!=back", resourceVersion=str(api.store.revision)
    )
    await api.create(f"{core}/pods", pod("a", labels={"app": "db"}))
    await api.must("PATCH", f"{core}/pods/a", {"metadata": {"labels": {"app": "web"}}}, kind=MERGE)
    assert await events.named() == ("ADDED", "a")
    await api.must("PATCH", f"{core}/pods/a", {"metadata": {"labels": {"tier": "back"}}}, kind=MERGE)
    kind, left = await events.next()
    assert kind == "DELETED"
    # What leaves is shown as it was selected, at the revision that took it away.
    assert left["metadata"]["labels"] == {"app": "web"}
    assert left["metadata"]["resourceVersion"] == str(api.store.revision)
    await events.close()


async def test_one_object_by_name(api: Caller, core: str) -> None:
    events = await api.watch(
        f"{core}/configmaps", fieldSelector="metadata.name=b", resourceVersion=str(api.store.revision)
    )
    await api.create(f"{core}/configmaps", config_map("a"))
    await api.create(f"{core}/configmaps", config_map("b"))
    assert await events.named() == ("ADDED", "b")
    await events.close()


async def test_a_change_wakes_only_who_watches_that_object(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kubelet watches its own Node: what one of them reports must not cost the others anything."""
    put: list[str] = []

    class Counted(HubWatch):
        def put(self, event: Event) -> bool:
            put.append(self.prefix)
            return super().put(event)

    monkeypatch.setattr("everynode.store.hub.HubWatch", Counted)
    path, nodes = "/api/v1/nodes", [f"n{number}" for number in range(20)]
    for name in nodes:
        await api.create(path, manifest("v1", "Node", name))
    watches = [await api.watch(path, fieldSelector=f"metadata.name={name}") for name in nodes]
    for name, events in zip(nodes, watches, strict=True):
        assert await events.named() == ("ADDED", name)
    hears = asyncio.ensure_future(watches[3].named())
    others = [asyncio.ensure_future(events.named()) for events in watches if events is not watches[3]]
    await asyncio.sleep(0)
    put.clear()
    await api.must("PATCH", f"{path}/n3", {"metadata": {"labels": {"a": "b"}}}, kind=MERGE)
    assert await hears == ("MODIFIED", "n3")
    assert put == ["core/nodes/n3"]
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def test_pods_of_one_node(api: Caller, core: str) -> None:
    events = await api.watch("/api/v1/pods", fieldSelector="spec.nodeName=n1", resourceVersion=str(api.store.revision))
    await api.create(f"{core}/pods", pod("a"))
    await api.create(f"{core}/pods", pod("b", nodeName="n2"))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a"},
        "target": {"kind": "Node", "name": "n1"},
    }
    await api.must("POST", f"{core}/pods/a/binding", binding)
    kind, bound = await events.next()
    assert (kind, bound["metadata"]["name"], bound["spec"]["nodeName"]) == ("ADDED", "a", "n1")
    await events.close()


async def test_a_revision_that_is_not_kept_is_a_410_in_the_stream(api: Caller, core: str) -> None:
    events = await api.watch(f"{core}/pods", resourceVersion="999999")
    kind, status = await events.next()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")


async def test_a_watch_ends_after_its_time(api: Caller, core: str) -> None:
    response = await api.send(
        "GET", f"{core}/pods", watch="1", resourceVersion=str(api.store.revision), timeoutSeconds="1"
    )
    assert response.stream is not None
    assert [chunk async for chunk in response.stream] == []


async def test_initial_events_need_their_match(api: Caller, core: str) -> None:
    answer = await api.call("GET", f"{core}/pods", watch="1", sendInitialEvents="true")
    assert answer.code == 400
    assert "resourceVersionMatch" in answer.body["message"]


async def test_many_events_leave_in_portions(api: Caller, core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes nothing holds one portion in memory, not all that waits for it."""
    monkeypatch.setattr("everynode.apiserver.media.PORTION_BYTES", 1000)
    for number in range(9):
        await api.create(f"{core}/configmaps", config_map(f"c{number}", k="x" * 400))
    response = await api.send("GET", f"{core}/configmaps", watch="1")
    assert response.stream is not None
    names = []
    while len(names) < 9:
        portion = (await anext(response.stream)).splitlines()
        assert 1 <= len(portion) <= 2
        names += [json.loads(line)["object"]["metadata"]["name"] for line in portion]
    assert names == [f"c{number}" for number in range(9)]
    await response.close()
