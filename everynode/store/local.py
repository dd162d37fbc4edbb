"""The store in this process: one ordered state in memory over a Journal that makes it durable.

In go reads, conditional writes and watches (`contract.Store`). The road of a write:

1. `write` judges the condition against the *ordered* state: what is waiting to be committed, laid over what is durable.
   It gives the write its revision and puts it in line.
2. The first in line schedules a flush at the end of this turn of the loop. All who write in the meantime share its
   commit, so that batches form by themselves and nobody waits for a timer.
3. The flush commits to the journal, on the loop (docs/decisions/0001). Only then does the write become part of the
   state and of the history, go to the watches, and wake its writer: one uninterrupted step, so that no reader sees
   half of it.

Guaranteed: nobody hears of a write that a crash could take back. A refusal that rests on a write still in line waits for
that write.

If a commit finds no room, all in line get StoreFull: whoever is behind it was judged, and given a revision, as if it would
happen. Nobody heard of those revisions, so they are given again. From then on every write is refused without trying (the
small would fit where the large do not, and each try would hold the loop), until the journal, asked every second, has room.
If a commit fails in any other way, every writer in line and every later call get StoreFailed, and `failed()` returns.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from itertools import islice

from everynode.store.contract import (
    ABSENT,
    ANY_REVISION,
    Conflict,
    Entry,
    Event,
    Facets,
    FacetsOf,
    Page,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreUnavailable,
    Written,
    kind_of,
)
from everynode.store.history import HISTORY_BYTES, HISTORY_EVENTS, History
from everynode.store.hub import WATCH_QUEUE_EVENTS, Hub, HubWatch
from everynode.store.journal import Journal, Record
from everynode.store.state import State

log = logging.getLogger(__name__)

# Writes. One commit of this many takes some milliseconds, which is as long as the loop should be held; the cost of
# the fsync is by then a small part of it. What is in line beyond it goes with the next flush.
BATCH_WRITES = 256

# Seconds between two looks whether a full medium has room again: soon enough for whoever has just made some, and seldom
# enough that a disk which stays full for a night does not notice.
ROOM_SECONDS = 1.0


class _InLine:
    """A write waiting for its commit, and those who wait for it: the writer, and writers it caused to be refused."""

    __slots__ = ("event", "waiters")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.waiters: list[asyncio.Future[None]] = []

    async def durable(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        await waiter

    def done(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: StoreError) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(error)


class LocalStore:
    """A `contract.Store` over a journal. It belongs to one event loop; opening it reads the journal whole."""

    def __init__(
        self,
        journal: Journal,
        facets_of: FacetsOf,
        *,
        history_events: int = HISTORY_EVENTS,
        history_bytes: int = HISTORY_BYTES,
        watch_queue_events: int = WATCH_QUEUE_EVENTS,
    ) -> None:
        self._journal = journal
        self._facets_of = facets_of
        self._state = State()
        self._history = History(journal.floor, history_events, history_bytes)
        self._load()
        self._hub = Hub(self._history.newest, watch_queue_events)
        self.written = Written(delivered=self._hub.delivered)
        self._next_revision = self._history.newest + 1
        self._line: dict[int, _InLine] = {}
        self._newest_in_line: dict[str, _InLine] = {}
        self._flush_due = False
        self._full: StoreFull | None = None
        self._look: asyncio.TimerHandle | None = None
        self._failure: StoreFailed | None = None
        self._has_failed = asyncio.Event()
        self._closed = False

    @property
    def revision(self) -> int:
        return self._history.newest

    @property
    def full(self) -> StoreFull | None:
        return self._full

    async def get(self, key: str) -> Entry | None:
        self._check_open()
        return self._state.get(key)

    async def range(
        self, prefix: str, *, terms: Sequence[str] = (), after: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        self._check_open()
        _check_prefix(prefix)
        newest = self._history.newest
        undone = self._history.undone(revision, prefix) if revision not in (0, newest) else {}
        return self._state.page(prefix, terms, after, limit, revision or newest, undone)

    def watch(self, prefix: str, *, since: int = 0, term: str = "", name: str = "") -> HubWatch:
        self._check_open()
        _check_prefix(prefix)
        return self._hub.watch(prefix, term, self._history.since(since) if since else [], name)

    def count(self, prefix: str) -> int:
        self._check_open()
        return self._state.count(prefix)

    async def write(self, key: str, value: bytes | None, *, expect: int | None = ANY_REVISION) -> Event:
        self._check_open()
        before_me = self._newest_in_line.get(key)
        current = before_me.event.after if before_me else self._state.get(key)
        if _refused(current, value, expect):
            if before_me is not None:
                await before_me.durable()
            raise Conflict(key, current)
        if self._full is not None:
            raise StoreFull(str(self._full)) from self._full
        mine = _InLine(self._event(key, value, current))
        self._next_revision += 1
        self._line[mine.event.revision] = mine
        self._newest_in_line[mine.event.key] = mine
        self._flush_soon()
        await mine.durable()
        return mine.event

    async def failed(self) -> StoreFailed:
        await self._has_failed.wait()
        assert self._failure is not None
        return self._failure

    async def close(self) -> None:
        if self._closed:
            return
        while self._line:
            self._flush()
        if self._look is not None:
            self._look.cancel()
        self._closed = True
        self._hub.end(None)
        self._journal.close()

    def _event(self, key: str, value: bytes | None, current: Entry | None) -> Event:
        """The next write. Key, `created` and facets are shared with the version before wherever they are the same."""
        revision = self._next_revision
        if current is None:
            assert value is not None
            return Event(revision, key, None, Entry(key, value, revision, revision, self._facets(key, value, None)))
        if value is None:
            return Event(revision, current.key, current, None)
        after = Entry(current.key, value, revision, current.created, self._facets(key, value, current))
        return Event(revision, current.key, current, after)

    def _facets(self, key: str, value: bytes, before: Entry | None) -> Facets:
        """Terms are interned: the same few hundred thousand strings stand in the index and in every entry."""
        facets = self._facets_of(key, value)
        if before is not None and facets == before.facets:
            return before.facets
        return tuple(map(sys.intern, facets))

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Commits what is first in line and makes it known. Runs between two turns of the loop, never inside a write."""
        self._flush_due = False
        batch = list(islice(self._line.values(), BATCH_WRITES))
        if not batch:
            return
        events = [write.event for write in batch]
        try:
            self._journal.commit(events)
            self._publish(events)
        except StoreFull as full:
            self._refuse(full)
            return
        except StoreFailed as failure:
            self._fail(failure)
            return
        except Exception as cause:
            self._fail(_stopped_by(cause, f"revision {events[0].revision}"))
            return
        for write in batch:
            del self._line[write.event.revision]
            if self._newest_in_line.get(write.event.key) is write:
                del self._newest_in_line[write.event.key]
            write.done()
        if self._line:
            self._flush_soon()

    def _publish(self, events: Sequence[Event]) -> None:
        self.written.commits += 1
        for event in events:
            self._state.apply(event)
            self._history.append(event)
            kind = kind_of(event.key)
            self.written.events[kind] += 1
            if event.after is not None:
                self.written.value_bytes[kind] += len(event.after.stored)
        left = self._history.trim()
        if left:
            self._journal.forget(left)
            self._state.settle(left)
        self._hub.publish(events)

    def _refuse(self, full: StoreFull) -> None:
        """There is no room: none of those in line happened, and none comes in until there is."""
        self._full = full
        self._next_revision = self._history.newest + 1
        self._end_line(full)
        log.warning("%s; writes are refused until there is room, reads go on", full)
        self._look_later()

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(ROOM_SECONDS, self._look_for_room)

    def _look_for_room(self) -> None:
        try:
            has_room = self._journal.has_room()
        except StoreFailed as failure:
            self._fail(failure)
        except Exception as cause:
            self._fail(_stopped_by(cause, "its look for room"))
        else:
            if not has_room:
                self._look_later()
                return
            self._full = None
            log.warning("there is room again: writes are taken")

    def _fail(self, failure: StoreFailed) -> None:
        self._failure = failure
        self._end_line(failure)
        self._hub.end(failure)
        self._has_failed.set()

    def _end_line(self, error: StoreError) -> None:
        line, self._line = self._line, {}
        self._newest_in_line.clear()
        for write in line.values():
            write.fail(error)

    def _check_open(self) -> None:
        if self._failure is not None:
            raise StoreFailed(str(self._failure)) from self._failure
        if self._closed:
            raise StoreClosed("the store is closed")

    def _load(self) -> None:
        """Plays the journal: what stands, and those of its writes that are still history."""
        standing: dict[str, Entry] = {}
        floor = self._history.floor
        for record in self._journal.load():
            before = standing.get(record.key)
            after = self._entry(record, before)
            if after is not None and record.revision <= floor:
                # At once, so that a start takes no more memory than what comes of it.
                after = self._state.packed(after)
            if after is not None:
                standing[after.key] = after
            elif before is not None:
                del standing[before.key]
            if record.revision > floor:
                key = after.key if after else record.key
                self._history.append(Event(record.revision, key, before, after))
        left = self._history.trim()
        if left:
            self._journal.forget(left)
        self._state.load(standing.values())

    def _entry(self, record: Record, before: Entry | None) -> Entry | None:
        if record.value is None:
            return None
        try:
            facets = self._facets(record.key, record.value, before)
        except Exception as cause:
            # The journal gave what nobody can have written: whoever made the facets at the time could read it.
            why = f"the stored {record.key} is damaged at revision {record.revision}: {cause}"
            raise StoreUnavailable(why) from cause
        return Entry(before.key if before else record.key, record.value, record.revision, record.created, facets)


def _refused(current: Entry | None, value: bytes | None, expect: int | None) -> bool:
    if value is None and current is None:
        return True
    if expect is None:
        return False
    return (current.revision if current else ABSENT) != expect


def _stopped_by(cause: Exception, where: str) -> StoreFailed:
    """An error nobody foresaw, in the middle of a flush: state and medium may differ, so the store goes no further."""
    failure = StoreFailed(f"the store stopped at {where}: {cause!r}")
    failure.__cause__ = cause
    return failure


def _check_prefix(prefix: str) -> None:
    if prefix and not prefix.endswith("/"):
        raise ValueError(f"a prefix ends in a slash: {prefix!r}")
