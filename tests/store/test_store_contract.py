"""What `everynode/store/contract.py` promises, asked of every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from everynode.store.contract import (
    ABSENT,
    Compacted,
    Conflict,
    Event,
    FutureRevision,
    Page,
    StoreClosed,
    StoreFull,
    WatcherTooSlow,
)
from everynode.store.local import LocalStore
from tests.store.filling import Filling, until_writable

A, B, C = "core/pods/ns/a", "core/pods/ns/b", "core/pods/other/c"


def keys(page: Page) -> list[str]:
    return [entry.key for entry in page.entries]


def told(events: list[Event]) -> list[tuple[int, str, str]]:
    """Revision, name and what happened, as a short line."""
    kinds = {(True, False): "created", (False, False): "replaced", (False, True): "deleted"}
    return [(e.revision, e.key.rpartition("/")[2], kinds[e.before is None, e.after is None]) for e in events]


async def test_revisions_begin_at_2_and_count_every_write(store: LocalStore) -> None:
    assert store.revision == 1
    created = await store.write(A, b"one:1")
    replaced = await store.write(A, b"one:2")
    deleted = await store.write(A, None)
    assert [created.revision, replaced.revision, deleted.revision, store.revision] == [2, 3, 4, 4]
    assert created.before is None
    assert created.after == replaced.before
    assert (replaced.after.created, replaced.after.revision) == (2, 3)
    assert deleted.before == replaced.after
    assert deleted.after is None
    again = await store.write(A, b"")
    assert (again.before, again.after.created) == (None, 5)


async def test_conditions(store: LocalStore) -> None:
    with pytest.raises(Conflict) as nothing:
        await store.write(A, b"", expect=7)
    assert nothing.value.current is None
    first = await store.write(A, b"1", expect=ABSENT)
    with pytest.raises(Conflict) as taken:
        await store.write(A, b"2", expect=ABSENT)
    assert taken.value.current == first.after
    second = await store.write(A, b"2", expect=first.revision)
    with pytest.raises(Conflict) as moved:
        await store.write(A, None, expect=first.revision)
    assert moved.value.current == second.after
    await store.write(A, None, expect=second.revision)
    with pytest.raises(Conflict) as gone:
        await store.write(A, None)
    assert gone.value.current is None
    assert store.revision == 4


async def test_a_condition_is_judged_against_writes_that_are_still_in_line(store: LocalStore) -> None:
    readable_at_refusal: list[int] = []

    async def attempt(value: bytes, expect: int) -> str:
        try:
            await store.write(A, value, expect=expect)
        except Conflict:
            readable_at_refusal.append(store.revision)
            return "refused"
        return "written"

    outcomes = await asyncio.gather(attempt(b"1", ABSENT), attempt(b"2", ABSENT), attempt(b"3", 2))
    assert outcomes == ["written", "refused", "written"]
    assert readable_at_refusal[0] >= 2, "what a refusal rests on is readable before anybody hears of it"
    assert (await store.get(A)).value == b"3"


async def test_of_many_writers_one_wins_each_round(store: LocalStore) -> None:
    async def increment() -> None:
        while True:
            entry = await store.get(A)
            value = str(int(entry.value) + 1 if entry else 1).encode()
            try:
                await store.write(A, value, expect=entry.revision if entry else ABSENT)
            except Conflict:
                continue
            return

    await asyncio.gather(*(increment() for _ in range(40)))
    entry = await store.get(A)
    assert entry.value == b"40"
    assert store.revision == 41


async def test_nothing_is_readable_before_it_is_durable(store: LocalStore) -> None:
    watch = store.watch("core/pods/")
    writer = asyncio.ensure_future(store.write(A, b"1"))
    await asyncio.sleep(0)
    if not writer.done():
        assert await store.get(A) is None
        assert keys(await store.range("core/pods/")) == []
        assert store.count("core/pods/") == 0
        assert (store.revision, watch.seen) == (1, 1)
    await writer
    assert (await store.get(A)).value == b"1"
    assert told(await watch.next()) == [(2, "a", "created")]


async def test_a_cancelled_writer_does_not_take_its_write_back(store: LocalStore) -> None:
    writer = asyncio.ensure_future(store.write(A, b"1"))
    await asyncio.sleep(0)
    writer.cancel()
    await store.write(B, b"2")
    assert (await store.get(A)).value == b"1"


async def test_range_pages_in_key_order(store: LocalStore) -> None:
    for name in ("d", "b", "a", "c"):
        await store.write(f"core/pods/ns/{name}", b"x:")
    await store.write("core/pods/ns2/z", b"x:")
    await store.write("core/podtemplates/ns/z", b"x:")
    first = await store.range("core/pods/ns/", limit=3)
    assert ([k[-1] for k in keys(first)], first.remaining, first.revision) == (["a", "b", "c"], 1, 7)
    rest = await store.range("core/pods/ns/", limit=3, after=first.entries[-1].key)
    assert ([k[-1] for k in keys(rest)], rest.remaining) == (["d"], 0)
    assert len((await store.range("core/pods/")).entries) == 5
    assert len((await store.range("")).entries) == 6
    assert store.count("core/pods/") == 5
    assert store.count("core/nodes/") == 0


async def test_range_by_terms(store: LocalStore) -> None:
    await store.write(A, b"app=x node=1:")
    await store.write(B, b"app=x node=2:")
    await store.write(C, b"app=y node=1:")
    assert keys(await store.range("core/pods/", terms=["app=x"])) == [A, B]
    assert keys(await store.range("core/pods/", terms=["node=1", "app=y"])) == [C]
    assert keys(await store.range("core/pods/ns/", terms=["node=1"])) == [A]
    assert keys(await store.range("core/pods/", terms=["app=z"])) == []
    page = await store.range("core/pods/", terms=["app=x"], limit=1)
    assert (keys(page), page.remaining) == ([A], 1)
    await store.write(A, b"app=y:")
    await store.write(B, None)
    assert keys(await store.range("core/pods/", terms=["app=x"])) == []
    assert keys(await store.range("core/pods/", terms=["app=y"])) == [A, C]


async def test_a_term_carried_by_many_keys_and_dropped_again(store: LocalStore) -> None:
    names = [f"core/pods/ns/{n:03d}" for n in range(100)]
    await asyncio.gather(*(store.write(name, b"app=x:") for name in reversed(names)))
    assert keys(await store.range("core/pods/", terms=["app=x"])) == names
    page = await store.range("core/pods/", terms=["app=x"], after=names[49], limit=10)
    assert (keys(page), page.remaining) == (names[50:60], 40)
    await asyncio.gather(*(store.write(name, None) for name in names[1:]))
    assert keys(await store.range("core/pods/", terms=["app=x"])) == names[:1]


async def test_a_range_goes_on_as_of_its_first_page(store: LocalStore) -> None:
    for name in "abcd":
        await store.write(f"core/pods/ns/{name}", b"app=x:old")
    page = await store.range("core/pods/", limit=2)
    await store.write("core/pods/ns/a", None)
    await store.write("core/pods/ns/c", b"app=y:new")
    await store.write("core/pods/ns/d", None)
    await store.write("core/pods/ns/e", b"app=x:new")
    more = await store.range("core/pods/", limit=1, after=page.entries[-1].key, revision=page.revision)
    assert (keys(more), more.remaining, more.revision) == (["core/pods/ns/c"], 1, page.revision)
    assert more.entries[0].value == b"app=x:old"
    by_term = await store.range("core/pods/", terms=["app=x"], limit=3, revision=page.revision)
    assert ([k[-1] for k in keys(by_term)], by_term.remaining) == (["a", "b", "c"], 1)
    assert keys(await store.range("core/pods/", revision=1)) == []


async def test_what_has_left_the_history_is_compacted_and_what_is_not_written_is_the_future(
    open_local: Callable[..., LocalStore],
) -> None:
    store = open_local(history_events=3)
    for n in range(6):
        await store.write(A, str(n).encode())
    assert store.revision == 7
    with pytest.raises(Compacted) as compacted:
        store.watch("core/pods/", since=3)
    assert (compacted.value.revision, compacted.value.oldest) == (3, 4)
    with pytest.raises(Compacted):
        await store.range("core/pods/", revision=3)
    assert (await store.range("core/pods/", revision=4)).entries[0].value == b"2"
    assert [e.revision for e in await store.watch("core/pods/", since=4).next()] == [5, 6, 7]
    with pytest.raises(FutureRevision):
        store.watch("core/pods/", since=8)
    with pytest.raises(FutureRevision):
        await store.range("core/pods/", revision=8)


async def test_the_history_is_bounded_by_bytes_too(open_local: Callable[..., LocalStore]) -> None:
    store = open_local(history_bytes=10_000)
    for _ in range(20):
        await store.write(A, b":" + b"x" * 1000)
    with pytest.raises(Compacted) as compacted:
        store.watch("core/pods/", since=2)
    assert 10 < compacted.value.oldest < 20


async def test_a_watch_gets_its_scope_once_and_in_order(store: LocalStore) -> None:
    everything, one_space = store.watch(""), store.watch("core/pods/ns/")
    by_term, elsewhere = store.watch("core/pods/", term="app=x"), store.watch("core/nodes/")
    await store.write(A, b"app=x node=1:")
    await store.write(A, b"app=x node=1:again")
    await store.write(C, b"app=y:")
    await store.write(A, b"app=y:leaves")
    await store.write(A, b"app=y:outside")
    await store.write(C, None)
    assert [e.revision for e in await everything.next()] == [2, 3, 4, 5, 6, 7]
    assert [e.revision for e in await one_space.next()] == [2, 3, 5, 6]
    events = await by_term.next()
    assert told(events) == [(2, "a", "created"), (3, "a", "replaced"), (5, "a", "replaced")]
    assert events[-1].before.facets == ("app=x", "node=1")
    assert events[-1].after.facets == ("app=y",)
    assert elsewhere.seen == 7


async def test_a_watch_of_one_key_hears_of_that_key_alone(store: LocalStore) -> None:
    await store.write("core/pods/ns/a", b"before")
    resumed, one, marked = (
        store.watch("core/pods/ns/", since=1, name="a"),
        store.watch("core/pods/ns/", name="a"),
        store.watch("core/pods/ns/", name="a", term="app=x"),
    )
    await store.write("core/pods/ns/aa", b"app=x:")
    await store.write("core/pods/ns/a", b"")
    await store.write("core/pods/ns/a", b"app=x:")
    assert [e.revision for e in await resumed.next()] == [2, 4, 5]
    assert [e.revision for e in await one.next()] == [4, 5]
    assert [e.revision for e in await marked.next()] == [5]
    one.close()
    await store.write("core/pods/ns/a", None)
    assert await one.next() == []


async def test_a_watch_resumes_with_what_it_missed(store: LocalStore) -> None:
    for n in range(4):
        await store.write(A, f"n={n}:".encode())
    assert [e.revision for e in await store.watch("core/pods/", since=3).next()] == [4, 5]
    assert [e.revision for e in await store.watch("core/pods/", since=1, term="n=1").next()] == [3, 4]
    resumed = store.watch("core/pods/", since=5)
    await store.write(A, b"more:")
    assert [e.revision for e in await resumed.next()] == [6]


async def test_seen_tells_how_far_a_watch_has_got(store: LocalStore) -> None:
    watch = store.watch("core/pods/")
    assert watch.seen == 1
    await store.write("core/nodes/n", b"")
    assert watch.seen == 2
    await store.write(A, b"")
    await store.write("core/nodes/n", b"1")
    assert watch.seen == 2
    await watch.next()
    assert watch.seen == 4


async def test_a_watch_that_waits_is_woken_and_one_cancelled_loses_nothing(store: LocalStore) -> None:
    watch = store.watch("core/pods/")
    waiting = asyncio.ensure_future(watch.next())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await store.write(A, b"")
    assert told(await watch.next()) == [(2, "a", "created")]
    waiting = asyncio.ensure_future(watch.next())
    await asyncio.sleep(0)
    await store.write(B, b"")
    assert told(await waiting) == [(3, "b", "created")]


async def test_a_slow_watch_is_closed_and_the_others_go_on(open_local: Callable[..., LocalStore]) -> None:
    store = open_local(watch_queue_events=3)
    slow, quick = store.watch("core/pods/"), store.watch("core/pods/")
    for n in range(4):
        await store.write(A, str(n).encode())
        assert len(await quick.next()) == 1
    with pytest.raises(WatcherTooSlow):
        await slow.next()
    with pytest.raises(WatcherTooSlow):
        await slow.next()
    await store.write(A, b"")
    assert len(await quick.next()) == 1


async def test_what_waits_for_a_reader_that_never_reads_is_bounded_in_bytes_too(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everynode.store.hub.WATCH_QUEUE_BYTES", 25)
    slow, quick = store.watch("core/pods/"), store.watch("core/pods/")
    for _ in range(4):
        await store.write(A, b"ten bytes!")
        assert len(await quick.next()) == 1
    with pytest.raises(WatcherTooSlow):
        await slow.next()


async def test_a_resumed_watch_has_room_for_what_it_missed(open_local: Callable[..., LocalStore]) -> None:
    store = open_local(watch_queue_events=2)
    for n in range(5):
        await store.write(A, str(n).encode())
    watch = store.watch("core/pods/", since=1)
    await store.write(A, b"")
    assert len(await watch.next()) == 6


async def test_a_closed_watch_gets_nothing_more(store: LocalStore) -> None:
    watch = store.watch("core/pods/")
    waiting = asyncio.ensure_future(watch.next())
    await asyncio.sleep(0)
    watch.close()
    assert await waiting == []
    await store.write(A, b"")
    assert await watch.next() == []
    watch.close()


async def test_closing_the_store_keeps_what_is_in_line_and_ends_watches(store: LocalStore) -> None:
    watch = store.watch("core/pods/")
    waiting = asyncio.ensure_future(watch.next())
    writer = asyncio.ensure_future(store.write(A, b"1"))
    await asyncio.sleep(0)
    await store.close()
    assert (await writer).revision == 2
    await waiting
    assert await watch.next() == []
    with pytest.raises(StoreClosed):
        await store.write(A, b"2")
    with pytest.raises(StoreClosed):
        await store.get(A)


async def test_a_prefix_must_end_in_a_slash(store: LocalStore) -> None:
    with pytest.raises(ValueError, match="ends in a slash"):
        store.watch("core/pods")
    with pytest.raises(ValueError, match="ends in a slash"):
        await store.range("core/pods/ns/a")


async def test_a_value_whose_facets_cannot_be_told_is_not_written(store: LocalStore) -> None:
    with pytest.raises(UnicodeDecodeError):
        await store.write(A, b"\xff")
    assert store.revision == 1
    assert (await store.write(A, b"ok")).revision == 2


async def test_a_full_medium_refuses_writes_and_only_writes(store: LocalStore, media: list[Filling]) -> None:
    kept = await store.write(A, b"x:kept")
    watch = store.watch("")
    media[0].full = True
    in_line = (
        store.write(A, b"", expect=2),
        store.write(A, b"", expect=3),
        store.write(A, b"", expect=2),
        store.write(B, b""),
    )
    outcomes = await asyncio.gather(*in_line, return_exceptions=True)
    # The third was refused for the sake of the first, which did not happen either.
    assert [type(outcome) for outcome in outcomes] == [StoreFull] * 4
    for _ in range(2):
        with pytest.raises(StoreFull, match="no room"):
            await store.write(B, b"")
    with pytest.raises(Conflict):
        await store.write(A, b"", expect=ABSENT)
    assert "no room" in str(store.full)
    assert (store.revision, watch.seen, store.count("")) == (2, 2, 1)
    assert (await store.range("", terms=["x"])).entries == [await store.get(A)] == [kept.after]
    assert await store.watch("", since=1).next() == [kept]


async def test_when_there_is_room_again_writes_go_on_where_they_were(
    store: LocalStore, media: list[Filling], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("everynode.store.local.ROOM_SECONDS", 0.002)
    watch = store.watch("")
    waiting = asyncio.ensure_future(watch.next())
    for episode in range(2):
        media[0].full = True
        with pytest.raises(StoreFull):
            await store.write(B, b"never")
        await asyncio.sleep(0.01)
        assert media[0].looks
        assert store.full is not None
        media[0].full = False
        # Nobody writes: the store finds out by itself.
        await until_writable(store)
        assert (await store.write(A, b"%d:" % episode)).revision == 2 + episode
    assert told(await waiting + await watch.next()) == [(2, "a", "created"), (3, "a", "replaced")]
    looks = media[0].looks
    await asyncio.sleep(0.01)
    assert media[0].looks == looks, "a store with room is not asked"


async def test_a_full_store_can_be_closed(store: LocalStore, media: list[Filling]) -> None:
    media[0].full = True
    writer = asyncio.ensure_future(store.write(A, b""))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreFull):
        await writer
    with pytest.raises(StoreClosed):
        await store.write(A, b"")
