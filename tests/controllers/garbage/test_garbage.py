"""The garbage collector on the real API server. Config maps own config maps: kinds do not matter, references do."""

from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import CONFIG_MAPS, LEASES, NAMESPACES, NODES, PRIORITY_CLASSES, Resource
from everynode.controllers.garbage.shell import GarbageCollector
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
            assert await left(api) == ["child", "grandchild", "loose", "owner"]
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


def test_owners_that_wait_for_each_other_go_all_the_same() -> None:
    async def main() -> None:
        async with real_api(collector) as api:
            first = await make(api, "first")
            second = await make(api, "second", owned_by(first, block=True))
            change = {"metadata": {"ownerReferences": [owned_by(second, block=True)]}}
            await api.client.patch(CONFIG_MAPS, "first", change, "default")
            await left(api)
            await delete(api, "first", "Foreground")
            assert await left(api) == []

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
