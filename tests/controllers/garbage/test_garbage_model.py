"""Random owners, random deletions: nothing hangs, nothing dangles, nobody goes who is nobody's, and then there is rest."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from everynode.api.scheme import CONFIG_MAPS
from everynode.api.status import ApiError
from everynode.controllers.garbage.shell import GarbageCollector
from tests.reconcile.real_api import RealApi, real_api
from tests.virtual_time import virtually

SIZE = 6
NAMES = [f"thing{number}" for number in range(SIZE)]
member = st.integers(0, SIZE - 1)
# (dependent, owner, blockOwnerDeletion)
references = st.lists(st.tuples(member, member, st.booleans()), max_size=10, unique_by=lambda each: each[:2])
# (what, propagation policy, seconds until the next)
deletions = st.lists(
    st.tuples(member, st.sampled_from(["Background", "Foreground", "Orphan"]), st.sampled_from([0.0, 0.001, 1.0])),
    min_size=1,
    max_size=6,
)


async def build(api: RealApi, owned: list[tuple[int, int, bool]]) -> None:
    uids = [(await api.put(CONFIG_MAPS, name, "default"))["metadata"]["uid"] for name in NAMES]
    for dependent in range(SIZE):
        owners = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": NAMES[owner],
                "uid": uids[owner],
                "blockOwnerDeletion": block,
            }
            for who, owner, block in owned
            if who == dependent
        ]
        change = {"metadata": {"ownerReferences": owners or None}}
        await api.client.patch(CONFIG_MAPS, NAMES[dependent], change, "default")


async def objects(api: RealApi) -> dict[str, dict[str, Any]]:
    listing = await api.client.list(CONFIG_MAPS, "default", view=dict[str, Any])
    return {each["metadata"]["name"]: each["metadata"] for each in listing.items}


async def play(owned: list[tuple[int, int, bool]], deleted: list[tuple[int, str, float]]) -> None:
    async with real_api(lambda api: GarbageCollector(api.controller, api.informers, api.recorder)) as api:
        await build(api, owned)
        await asyncio.sleep(1)
        api.calls.clear()
        for what, policy, pause in deleted:
            try:
                await api.client.delete(CONFIG_MAPS, NAMES[what], "default", propagation_policy=policy)
            except ApiError as error:
                if error.code != 404:
                    raise
            await asyncio.sleep(pause)
        await asyncio.sleep(30)
        left = await objects(api)
        assert not [name for name, meta in left.items() if "deletionTimestamp" in meta], "it hangs"
        for meta in left.values():
            assert all(each["name"] in left for each in meta.get("ownerReferences", [])), "it dangles"
        nobodys = set(range(SIZE)) - {dependent for dependent, _, _ in owned} - {what for what, _, _ in deleted}
        assert {NAMES[number] for number in nobodys} <= set(left)
        assert not {NAMES[what] for what, _, _ in deleted} & set(left)
        # At most: freed of each owner, deleted, let go twice.
        assert len(api.calls) <= 4 * SIZE + len(owned)
        api.calls.clear()
        await asyncio.sleep(600)
        assert api.calls == []


@settings(max_examples=150, deadline=None)
@given(references, deletions)
def test_whatever_owns_whatever_all_comes_to_rest(
    owned: list[tuple[int, int, bool]], deleted: list[tuple[int, str, float]]
) -> None:
    virtually(play(owned, deleted))
