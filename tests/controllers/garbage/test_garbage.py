"""The garbage collector on the real API server. Config maps own config maps: kinds do not matter, references do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from everynode.api.scheme import CONFIG_MAPS, EVENTS, LEASES, NAMESPACES, NODES, PRIORITY_CLASSES, SECRETS, Resource
from everynode.client.client import Client
from everynode.controllers.garbage.shell import GarbageCollector
from everynode.reconcile.informer import InformerSet
from everynode.wire.message import Peer, Request, Response
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually


def collector(api: RealApi) -> GarbageCollector:
    return GarbageCollector(api.controller, api.informers, api.recorder)


def owned_by(owner: dict[str, Any], *, block: bool = False) -> dict[str, Any]:
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**reference, "blockOwnerDeletion": True} if block else reference


async def make(api: RealApi, name: str, *owners: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await api.put(CONFIG_MAPS, name, "default", ownerReferences=list(owners), **more)


async def left(api: RealApi) -> list[str]:
    await asyncio.sleep(A_MOMENT)
    return await api.names(CONFIG_MAPS, "default")


async def owners(api: RealApi, name: str) -> list[str]:
    found: Any = await api.get(CONFIG_MAPS, name, "default")
    return [each["name"] for each in found["metadata"].get("ownerReferences", [])]


async def delete(api: RealApi, name: str, policy: str = "Background", resource: Resource = CONFIG_MAPS) -> None:
    namespace = "default" if resource.namespaced else ""
    await api.client.delete(resource, name, namespace, propagation_policy=policy)


def test_in_the_background_dependents_follow_their_owner_down_the_whole_line() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            child = await make(api, "child", owned_by(owner))
            await make(api, "grandchild", owned_by(child))
            await make(api, "stranger")
            assert len(await left(api)) == 4
            await delete(api, "owner")
            assert await left(api) == ["stranger"]

    virtually(main())


def test_what_has_another_living_owner_stays_and_forgets_the_dead_one() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            first, second = await make(api, "first"), await make(api, "second")
            await make(api, "child", owned_by(first), owned_by(second))
            await left(api)
            await delete(api, "first")
            assert await left(api) == ["child", "second"]
            assert await owners(api, "child") == ["second"]

    virtually(main())


def test_in_the_foreground_the_owner_goes_last_and_waits_for_what_blocks_it() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            child = await make(api, "child", owned_by(owner, block=True))
            await make(api, "grandchild", owned_by(child, block=True), finalizers=["example.com/hold"])
            await make(api, "loose", owned_by(owner))
            await left(api)
            await delete(api, "owner", "Foreground")
            # What does not block its owner goes at once all the same.
            assert await left(api) == ["child", "grandchild", "owner"]
            await api.client.patch(CONFIG_MAPS, "grandchild", {"metadata": {"finalizers": None}}, "default")
            assert await left(api) == []

    virtually(main())


def test_orphans_stay_without_their_owner() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            for number in range(3):
                await make(api, f"child{number}", owned_by(owner))
            await left(api)
            await delete(api, "owner", "Orphan")
            assert await left(api) == ["child0", "child1", "child2"]
            assert await owners(api, "child0") == []

    virtually(main())


@pytest.mark.parametrize("policy", ["Foreground", "Background"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_owners_in_a_circle_go_all_the_same(length: int, policy: str) -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            await circle(api, length)
            await delete(api, "member0", policy)
            assert await left(api) == []
            # Each is deleted, one is freed, and each is let go; nothing goes round and round.
            assert len(api.calls) <= 2 * length + 1

    virtually(main())


@pytest.mark.parametrize("length", [2, 3])
def test_a_circle_of_which_all_are_deleted_at_once_goes_too(length: int) -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            await circle(api, length)
            await asyncio.gather(*(delete(api, f"member{n}", "Foreground") for n in range(length)))
            assert await left(api) == []
            assert len(api.calls) <= 2 * length

    virtually(main())


def test_a_circle_that_closes_while_its_members_wait_is_opened() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            first = await make(api, "first", finalizers=["example.com/hold"])
            second = await make(api, "second", owned_by(first, block=True), finalizers=["example.com/hold"])
            await left(api)
            await delete(api, "first", "Foreground")
            await left(api)
            await delete(api, "second", "Foreground")
            await left(api)
            change = {"metadata": {"ownerReferences": [owned_by(second, block=True)]}}
            await api.client.patch(CONFIG_MAPS, "first", change, "default")
            await left(api)
            for name in ("first", "second"):
                await api.client.patch(CONFIG_MAPS, name, {"metadata": {"finalizers": None}}, "default")
            assert await left(api) == []

    virtually(main())


async def circle(api: RealApi, length: int) -> None:
    """Config maps `member0` upwards, each owned by the one before, and the first by the last."""
    first = before = await make(api, "member0")
    for number in range(1, length):
        before = await make(api, f"member{number}", owned_by(before, block=True))
    change = {"metadata": {"ownerReferences": [owned_by(before, block=True)]}}
    await api.client.patch(CONFIG_MAPS, first["metadata"]["name"], change, "default")
    assert len(await left(api)) == length


def test_an_owner_is_who_its_reference_says_and_not_just_its_uid() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            await make(api, "child", owned_by(owner))
            await make(api, "misnamed", {**owned_by(owner), "name": "other"})
            await make(api, "mistaken", {**owned_by(owner), "kind": "Secret"})
            assert await left(api) == ["child", "owner"]

    virtually(main())


def test_an_owner_in_another_namespace_is_told_of_and_counts_for_nothing() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await api.put(CONFIG_MAPS, "owner", "kube-system")
            await left(api)
            child = await make(api, "child", owned_by(owner))
            assert await left(api) == []
            uid = owner["metadata"]["uid"]
            told = (
                f"Warning OwnerRefInvalidNamespace ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {uid}] "
                'does not exist in namespace "default"'
            )
            assert told in await api.events()
            assert child["metadata"]["uid"] != uid

    virtually(main())


def test_an_owner_that_cannot_be_judged_keeps_an_object_as_it_is() -> None:
    """Neither deleted nor freed of the owner that is gone: nothing is known of it as a whole."""

    async def main() -> None:
        async with real_api(collector) as api:
            unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
            owner = await make(api, "owner")
            await make(api, "child", owned_by(owner), unknown)
            await left(api)
            await delete(api, "owner")
            assert await left(api) == ["child"]
            assert await owners(api, "child") == ["owner", "x"]
            api.calls.clear()
            await asyncio.sleep(600)
            assert api.calls == []

    virtually(main())


def test_a_dependent_with_a_living_owner_lets_go_of_one_that_waits_for_it() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            waiting, living = await make(api, "waiting"), await make(api, "living")
            await make(api, "child", owned_by(waiting, block=True), owned_by(living))
            await left(api)
            await delete(api, "waiting", "Foreground")
            assert await left(api) == ["child", "living"]
            assert await owners(api, "child") == ["living"]

    virtually(main())


def test_an_event_is_nobodys_to_wait_for() -> None:
    """Events are not collected, so a foreground deletion of one must not wait for the collector."""

    async def main() -> None:
        async with real_api(collector) as api:
            regarding = {"kind": "ConfigMap", "namespace": "default", "name": "x"}
            await api.put(EVENTS, "told", "default", involvedObject=regarding, reason="R", message="m", type="Normal")
            await api.client.delete(EVENTS, "told", "default", propagation_policy="Foreground")
            assert await api.names(EVENTS) == []

    virtually(main())


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_what_a_dependent_costs_does_not_depend_on_how_many_there_are(policy: str) -> None:
    """Requests and looks at objects for each dependent, in two sizes."""

    async def cost(count: int) -> tuple[float, float]:
        async with real_api() as api:
            owner = await make(api, "owner")
            for number in range(count):
                await make(api, f"child{number:04}", owned_by(owner, block=True))
            garbage = collector(api)
            looks = Counter(garbage)
            api.start(garbage.run())
            await left(api)
            api.calls.clear()
            looks.clear()
            await delete(api, "owner", policy)
            assert len(await left(api)) == (count if policy == "Orphan" else 0)
            return len(api.calls) / count, looks.total / count

    small, large = virtually(cost(50)), virtually(cost(400))
    assert large[0] <= small[0]
    assert large[0] < 1.05
    assert large[1] <= small[1]


class Counter:
    """How many objects of the graph a collector has looked at since `clear`."""

    def __init__(self, garbage: GarbageCollector) -> None:
        self.total = 0
        graph = garbage._graph
        graph.get = self._counted(graph.get)  # type: ignore[method-assign]
        dependents = graph.dependents

        def all_counted(uid: str) -> Any:
            found = dependents(uid)
            self.total += len(found)
            return found

        graph.dependents = all_counted  # type: ignore[method-assign]

    def _counted(self, function: Any) -> Any:
        def counted(uid: str) -> Any:
            self.total += 1
            return function(uid)

        return counted

    def clear(self) -> None:
        self.total = 0


def test_an_owner_that_no_informer_shows_is_asked_for_and_asked_for_again() -> None:
    async def main() -> None:
        async with real_api() as api:

            async def blind_to_secrets(request: Request) -> Response:
                if "watch" in request.query and request.path == "/api/v1/secrets":
                    await asyncio.Event().wait()
                return await api.server(request)

            blind = Client(blind_to_secrets, peer=Peer("system:controller", ("system:masters",)))
            informers = InformerSet(blind)
            api.start(informers.run(), GarbageCollector(blind, informers, api.recorder).run())
            await informers.synced()
            owner = await api.put(SECRETS, "owner", "default")
            await make(api, "child", owned_by(owner))
            await asyncio.sleep(120)
            assert await left(api) == ["child"]
            await delete(api, "owner", resource=SECRETS)
            # No event tells of it.
            assert await left(api) == ["child"]
            await asyncio.sleep(60)
            assert await left(api) == []

    virtually(main())


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_a_restart_in_the_middle_goes_on(policy: str) -> None:
    async def main() -> None:
        async with real_api() as api:
            owner = await make(api, "owner")
            for number in range(60):
                await make(api, f"child{number:02}", owned_by(owner, block=True))
            written = 0

            async def hangs_after_twenty(request: Request) -> Response:
                nonlocal written
                written += request.method != "GET"
                if written > 20:
                    await asyncio.Event().wait()
                return await api.server(request)

            hanging = Client(hangs_after_twenty, peer=Peer("system:controller", ("system:masters",)))
            first = asyncio.create_task(GarbageCollector(hanging, api.informers, api.recorder).run())
            await left(api)
            await delete(api, "owner", policy)
            there = await left(api)
            assert len(there) == {"Background": 40, "Foreground": 41, "Orphan": 61}[policy]
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            api.start(collector(api).run())
            assert len(await left(api)) == (60 if policy == "Orphan" else 0)
            assert [name for name in await left(api) if await owners(api, name)] == []

    virtually(main())


def test_an_owner_is_known_by_its_uid_and_not_by_its_name() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            reference = owned_by(owner)
            await make(api, "child", {**reference, "uid": "00000000-0000-4000-8000-000000000000"})
            assert await left(api) == ["owner"]

    virtually(main())


def test_what_was_left_ownerless_while_nobody_watched_is_found_at_the_start() -> None:
    async def main() -> None:
        async with real_api() as api:
            owner = await make(api, "owner")
            await make(api, "child", owned_by(owner))
            await delete(api, "owner")
            assert await left(api) == ["child"]
            api.start(collector(api).run())
            assert await left(api) == []

    virtually(main())


def test_nothing_goes_whose_owner_cannot_be_known() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
            await make(api, "child", unknown)
            owner = await make(api, "owner")
            await api.put(PRIORITY_CLASSES, "wide", value=1, ownerReferences=[owned_by(owner)])
            await left(api)
            await delete(api, "owner")
            assert await left(api) == ["child"]
            assert "wide" in await api.names(PRIORITY_CLASSES)

    virtually(main())


def test_a_cluster_scoped_owner_takes_its_namespaced_dependents_with_it() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            await api.put(NAMESPACES, "kube-node-lease")
            node = await api.put(NODES, "n")
            await api.put(LEASES, "n", "kube-node-lease", spec={}, ownerReferences=[owned_by(node)])
            await asyncio.sleep(A_MOMENT)
            await delete(api, "n", resource=NODES)
            await asyncio.sleep(A_MOMENT)
            assert await api.names(LEASES) == []

    virtually(main())


def test_an_owner_that_was_seen_to_go_is_asked_for_by_nobody() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            owner = await make(api, "owner")
            for number in range(20):
                await make(api, f"child{number:02}", owned_by(owner))
            await left(api)
            asked = api.server.answered["get", "configmaps", 404]
            await delete(api, "owner")
            assert await left(api) == []
            assert api.server.answered["get", "configmaps", 404] == asked
            assert len(api.calls) == 20

    virtually(main())
