from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from everynode.api.scheme import CONFIG_MAPS
from everynode.api.status import forbidden
from everynode.client.client import Client, ClientUnreachable
from everynode.reconcile import informer as module
from everynode.reconcile.informer import Informer, InformerSet
from tests.reconcile.shelf import Shelf
from tests.virtual_time import virtually


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Map(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)
    data: dict[str, str] = {}


class Watched:
    """A shelf, an informer of it, and every change it told of, as `old>new` in data and uid."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.informer = Informer(Client(self.shelf), CONFIG_MAPS, Map, dice=random.Random(1))
        self.told: list[str] = []
        self.informer.on_change(self._note)

    def _note(self, old: Map | None, new: Map | None) -> None:
        name = (new or old).metadata.name  # type: ignore[union-attr]
        self.told.append(f"{name}: {shown(old)} > {shown(new)}")

    async def settle(self) -> list[str]:
        """What was told since last time, once the informer has seen all there is."""
        for _ in range(1000):
            if self.informer.seen_revision >= self.shelf.revision:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"seen {self.informer.seen_revision} of {self.shelf.revision}")
        told, self.told = self.told, []
        return told


def shown(view: Map | None) -> str:
    return "-" if view is None else f"{view.data.get('v', '')}{view.metadata.uid}"


@asynccontextmanager
async def watched(*names: str) -> AsyncIterator[Watched]:
    here = Watched()
    for name in names:
        await here.shelf.put(name, v="1")
    running = asyncio.create_task(here.informer.run())
    await here.informer.synced.wait()
    yield here
    running.cancel()


def test_tells_of_the_list_and_then_of_every_change_in_order() -> None:
    async def main() -> None:
        async with watched("a", "b") as here:
            assert await here.settle() == ["a: - > 1u", "b: - > 1u"]
            await here.shelf.put("a", v="2")
            await here.shelf.put("c", v="1")
            await here.shelf.remove("b")
            assert await here.settle() == ["a: 1u > 2u", "c: - > 1u", "b: 1u > -"]
            assert sorted(here.informer.objects) == ["ns/a", "ns/c"]
            assert here.informer.get("ns", "a").data == {"v": "2"}  # type: ignore[union-attr]
            assert here.shelf.log == ["list start", "watch 3"]

    virtually(main())


def test_a_watch_that_ends_is_resumed_from_the_newest_revision_even_if_only_a_bookmark_told_it() -> None:
    async def main() -> None:
        async with watched("a") as here:
            await here.shelf.bookmark(40)
            await here.settle()
            await here.shelf.cut()
            await here.shelf.put("a", v="2")
            assert await here.settle() == ["a: 1u > 2u"]
            assert here.shelf.log == ["list start", "watch 2", "watch 40"]

    virtually(main())


def test_a_revision_that_is_gone_leads_to_a_list_which_shows_what_was_missed() -> None:
    async def main() -> None:
        async with watched("kept", "gone", "changed", "anew") as here:
            await here.settle()
            here.shelf.generation += 1
            await here.shelf.remove("gone")
            await here.shelf.put("changed", v="2")
            await here.shelf.remove("anew")
            await here.shelf.put("anew", uid="w", v="1")
            await here.shelf.put("new", v="1")
            await here.shelf.cut(forget=True)
            assert await here.settle() == [
                "gone: 1u > -",
                "anew: 1u > -",
                "anew: - > 1w",
                "changed: 1u > 2u",
                "new: - > 1u",
            ]

    virtually(main())


def test_others_have_their_turns_while_very_many_are_found_gone() -> None:
    async def main() -> None:
        async with watched("kept", *(f"gone-{number}" for number in range(5 * module.TURN))) as here:
            await here.settle()
            told_in_turn: list[int] = []

            def count(old: Map | None, new: Map | None) -> None:
                if not told_in_turn[-1]:
                    asyncio.get_running_loop().call_soon(told_in_turn.append, 0)
                told_in_turn[-1] += 1

            told_in_turn.append(0)
            here.informer._handlers.append(count)
            here.shelf.generation += 1
            for number in range(5 * module.TURN):
                await here.shelf.remove(f"gone-{number}")
            await here.shelf.cut(forget=True)
            assert len(await here.settle()) == 5 * module.TURN
            assert max(told_in_turn) <= module.TURN

    virtually(main())


def test_failures_are_pauses_that_grow_and_the_informer_gets_there_in_the_end() -> None:
    async def main() -> None:
        here = Watched()
        here.shelf.failures = [ClientUnreachable("down") for _ in range(3)] + [forbidden(CONFIG_MAPS, "", "no")]
        moments = []
        running = asyncio.create_task(here.informer.run())
        while not here.informer.synced.is_set():
            if len(here.shelf.log) > len(moments):
                moments.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.01)
        running.cancel()
        pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
        for number, pause in enumerate(pauses):
            least = module.FIRST_PAUSE * 2**number
            assert least <= pause + 0.02
            assert pause <= 2 * least + 0.02

    virtually(main())


def test_a_list_is_taken_in_pages_and_begun_again_when_its_moment_is_gone() -> None:
    async def main() -> None:
        shelf = Shelf()
        client = Client(shelf)
        for number in range(7):
            await shelf.put(f"m{number}")
        listing = await client.list(CONFIG_MAPS, view=Map, limit=3)
        assert [item.metadata.name for item in listing.items] == [f"m{number}" for number in range(7)]
        assert listing.resource_version == "8"
        assert shelf.log == ["list start", "list m2", "list m5"]

    virtually(main())


def test_an_index_follows_its_objects_and_forgets_empty_terms() -> None:
    async def main() -> None:
        async with watched("a") as here:
            index = here.informer
            index.add_index("v", lambda view: [view.data.get("v", "")])
            assert names(index, "1") == ["a"]
            await here.shelf.put("b", v="1")
            await here.shelf.put("a", v="2")
            await here.settle()
            assert (names(index, "1"), names(index, "2")) == (["b"], ["a"])
            await here.shelf.remove("b")
            await here.settle()
            assert names(index, "1") == []

    virtually(main())


def names(informer: Informer[Map], term: str) -> list[str]:
    return [view.metadata.name for view in informer.by_index("v", term)]


def test_a_handler_that_fails_does_not_keep_the_others_from_hearing() -> None:
    async def main() -> None:
        here = Watched()

        def broken(old: Map | None, new: Map | None) -> None:
            raise RuntimeError("a fault")

        here.informer.on_change(broken)
        late: list[str] = []
        here.informer.on_change(lambda old, new: late.append(shown(new)))
        running = asyncio.create_task(here.informer.run())
        await here.informer.synced.wait()
        await here.shelf.put("a", v="1")
        assert await here.settle() == ["a: - > 1u"]
        assert late == ["1u"]
        running.cancel()

    virtually(main())


def test_a_set_shares_informers_and_starts_those_that_are_asked_for_late() -> None:
    async def main() -> None:
        shelf = Shelf()
        await shelf.put("a", v="1")
        informers = InformerSet(Client(shelf))
        first = informers.informer(CONFIG_MAPS, Map)
        running = asyncio.create_task(informers.run())
        await informers.synced()
        assert informers.informer(CONFIG_MAPS, Map) is first
        other = informers.informer(CONFIG_MAPS, Map, namespace="ns")
        assert other is not first
        await informers.synced()
        assert list(other.objects) == ["ns/a"]
        running.cancel()

    virtually(main())
