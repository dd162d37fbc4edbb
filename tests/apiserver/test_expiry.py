"""Events live an hour from their last change, also over a restart of the server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from everynode.apiserver.expiry import LIFE_SECONDS, NAP_SECONDS
from everynode.apiserver.facets import facets
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from everynode.store.open import open_store
from tests.apiserver.caller import MERGE, Caller, manifest
from tests.store.filling import Filling
from tests.virtual_time import LoopClock, virtually

HOUR = LIFE_SECONDS


def event(name: str, **rest: object) -> dict:
    return manifest("v1", "Event", name, involvedObject={"kind": "Pod", "namespace": "default", "name": "a"}, **rest)


@asynccontextmanager
async def serving(folder: Path, kind: str):
    """An API server that does its background work, over a store of this kind; a namespace `default` is there."""
    store = open_store(kind, folder, facets)
    api = Caller(store, clock=LoopClock())
    work = asyncio.create_task(api.api.run())
    if store.revision == 1:
        await api.namespace()
    try:
        yield api
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await store.close()


async def names(api: Caller) -> list[str]:
    return [item["metadata"]["name"] for item in (await api.get("/api/v1/events")).body["items"]]


def test_an_event_goes_after_its_hour_and_a_change_gives_it_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, "memory") as api:
            path = "/api/v1/namespaces/default/events"
            await api.create(path, event("old"))
            await api.create(path, event("again"))
            await asyncio.sleep(HOUR / 2)
            await api.must("PATCH", f"{path}/again", {"count": 2}, kind=MERGE)
            await api.create(path, event("young"))
            await asyncio.sleep(HOUR / 2 - 1)
            assert await names(api) == ["again", "old", "young"]
            await asyncio.sleep(1 + NAP_SECONDS)
            assert await names(api) == ["again", "young"]
            await asyncio.sleep(HOUR / 2)
            assert await names(api) == []

    virtually(scenario())


@pytest.mark.parametrize(("told", "left"), [("2027-01-15T07:00:00Z", []), ("2027-01-15T07:59:00Z", ["e"])])
def test_after_a_restart_the_time_it_tells_counts(tmp_path: Path, told: str, left: list[str]) -> None:
    async def before() -> None:
        async with serving(tmp_path, "sqlite") as api:
            await api.create("/api/v1/namespaces/default/events", event("e", lastTimestamp=told))

    async def after() -> None:
        # A new loop begins at the same moment as the first: 2027-01-15T08:00:00Z.
        async with serving(tmp_path, "sqlite") as api:
            await asyncio.sleep(NAP_SECONDS)
            assert await names(api) == left

    virtually(before())
    virtually(after())


def test_an_event_whose_hour_is_over_waits_for_room_on_the_disk() -> None:
    async def scenario() -> None:
        medium = Filling(NoJournal())
        store = LocalStore(medium, facets)
        api = Caller(store, clock=LoopClock())
        await api.namespace()
        for name in ("a", "b"):
            await api.create("/api/v1/namespaces/default/events", event(name))
        async with asyncio.TaskGroup() as group:
            work = group.create_task(api.api.run())
            medium.full = True
            await asyncio.sleep(HOUR + 5 * NAP_SECONDS)
            assert await names(api) == ["a", "b"]
            medium.full = False
            await asyncio.sleep(2 * NAP_SECONDS)
            assert await names(api) == []
            assert not work.done()
            work.cancel()
        await store.close()

    virtually(scenario())
