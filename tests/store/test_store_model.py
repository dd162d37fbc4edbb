"""Both stores against a naive model: a dict, and a list of every write since the beginning.

Whatever is written under whatever condition, by writers alone or many at once; whatever is read as of whatever revision;
whatever is watched since whenever; over restarts of the SQLite store, and with a medium that is full at times: the answers
are the model's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from everynode.store.contract import ABSENT, Compacted, Conflict, Entry, Event, FutureRevision, StoreFull, Watch
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from everynode.store.sqlite import SQLiteJournal
from tests.store.facet_words import terms_in
from tests.store.filling import Filling, until_writable

T = TypeVar("T")

KEYS = [
    f"core/{plural}/{space}/{name}" for plural in ("pods", "leases") for space in ("a", "b") for name in ("x", "y", "z")
]
PREFIXES = ["", "core/", "core/pods/", "core/pods/a/", "core/leases/b/"]
TERMS = ["p", "q", "r"]
HISTORY = 5

keys = st.sampled_from(KEYS)
prefixes = st.sampled_from(PREFIXES)
# Half of them are long and alike, so that they are packed as the history lets go of them.
values = st.builds(
    lambda terms, rest, common: f"{' '.join(sorted(terms))}:{rest}{common}".encode(),
    st.sets(st.sampled_from(TERMS)),
    st.integers(0, 99),
    st.sampled_from(["", " and".join(map(str, range(100)))]),
)
writes = st.tuples(keys, st.one_of(st.none(), values), st.sampled_from(["any", "absent", "right", "wrong"]))


class StoreAgainstModel(RuleBasedStateMachine):
    """Rules are calls of the store; each is checked against `past` and `now`."""

    sqlite = False

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.past: list[Event] = []
        self.now: dict[str, Entry] = {}
        self.watches: list[tuple[Watch, str, str, int]] = []
        self.store = self.opened()

    def opened(self) -> LocalStore:
        journal = SQLiteJournal(Path(self.directory.name)) if self.sqlite else NoJournal()
        self.medium = Filling(journal)
        return LocalStore(self.medium, terms_in, history_events=HISTORY)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        self.directory.cleanup()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    @property
    def newest(self) -> int:
        return 1 + len(self.past)

    @property
    def floor(self) -> int:
        return 1 + max(0, len(self.past) - HISTORY)

    def as_of(self, revision: int) -> dict[str, Entry]:
        """What stood at a revision, played from the beginning."""
        standing: dict[str, Entry] = {}
        for event in self.past[: revision - 1]:
            if event.after is None:
                del standing[event.key]
            else:
                standing[event.key] = event.after
        return standing

    def model_write(self, key: str, value: bytes | None, expect: int | None) -> Event | Entry | None:
        """The Event of a write, or what stands in its way."""
        current = self.now.get(key)
        if (current is None and value is None) or (
            expect is not None and expect != (current.revision if current else 0)
        ):
            return current
        revision = self.newest + 1
        after = None
        if value is not None:
            after = Entry(key, value, revision, current.created if current else revision, terms_in(key, value))
        event = Event(revision, key, current, after)
        self.past.append(event)
        if after is None:
            del self.now[key]
        else:
            self.now[key] = after
        return event

    def check_refusal(self, refusal: Compacted | FutureRevision, asked: int) -> None:
        if isinstance(refusal, Compacted):
            assert asked < self.floor == refusal.oldest
        else:
            assert asked > self.newest == refusal.newest

    def expectation(self, key: str, kind: str) -> int | None:
        current = self.now.get(key)
        standing = current.revision if current else ABSENT
        return {"any": None, "absent": ABSENT, "right": standing, "wrong": standing + 1}[kind]

    @rule(batch=st.lists(writes, min_size=4, max_size=12))
    def write(self, batch: list[tuple[str, bytes | None, str]]) -> None:
        """Writers who all come in one turn of the loop: ordered as they come, each answered as if alone."""
        calls, expected = [], []
        for key, value, kind in batch:
            expect = self.expectation(key, kind)
            calls.append(self.store.write(key, value, expect=expect))
            expected.append(self.model_write(key, value, expect))

        async def all_at_once() -> list[Event | BaseException]:
            return await asyncio.gather(*calls, return_exceptions=True)

        for outcome, wanted in zip(self.run(all_at_once()), expected, strict=True):
            if isinstance(wanted, Event):
                assert outcome == wanted
            else:
                assert isinstance(outcome, Conflict)
                assert outcome.current == wanted

    @rule(batch=st.lists(st.tuples(keys, values), min_size=1, max_size=4))
    def write_without_room(self, batch: list[tuple[str, bytes]]) -> None:
        """None of it happened, and what comes after is as if none had been tried."""

        async def all_at_once() -> list[Event | BaseException]:
            self.medium.full = True
            outcomes = await asyncio.gather(*(self.store.write(*each) for each in batch), return_exceptions=True)
            self.medium.full = False
            await until_writable(self.store)
            return outcomes

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("everynode.store.local.ROOM_SECONDS", 0.0)
            assert {type(outcome) for outcome in self.run(all_at_once())} == {StoreFull}

    @rule(
        prefix=prefixes,
        terms=st.lists(st.sampled_from(TERMS), max_size=2),
        after=st.one_of(st.just(""), keys),
        limit=st.integers(0, 4),
        back=st.integers(-1, HISTORY + 2),
    )
    def range(self, prefix: str, terms: list[str], after: str, limit: int, back: int) -> None:
        revision = max(1, self.newest - back)
        call = self.store.range(prefix, terms=terms, after=after, limit=limit, revision=revision)
        try:
            page = self.run(call)
        except (Compacted, FutureRevision) as refusal:
            self.check_refusal(refusal, revision)
            return
        assert self.floor <= revision <= self.newest
        matching = [
            entry
            for key, entry in sorted(self.as_of(revision).items())
            if key.startswith(prefix) and key > after and set(terms) <= set(entry.facets)
        ]
        shown = matching[:limit] if limit else matching
        remaining = len(matching) - len(shown)
        if len(set(terms)) > 1:
            remaining = min(remaining, 1)
        assert (page.entries, page.remaining, page.revision) == (shown, remaining, revision)

    @rule(
        scope=st.one_of(prefixes, keys),
        term=st.sampled_from(["", *TERMS]),
        back=st.integers(-1, HISTORY + 2),
        from_now=st.booleans(),
    )
    def watch(self, scope: str, term: str, back: int, from_now: bool) -> None:
        """Of a prefix, or of one key (none of which begins another)."""
        since = 0 if from_now else max(1, self.newest - back)
        space, slash, name = scope.rpartition("/")
        try:
            watch = self.store.watch(space + slash, since=since, term=term, name=name)
        except (Compacted, FutureRevision) as refusal:
            self.check_refusal(refusal, since)
            return
        assert since == 0 or self.floor <= since <= self.newest
        self.watches.append((watch, scope, term, since or self.newest))

    @rule(which=st.integers(0, 100))
    def take(self, which: int) -> None:
        """A watch hands out just what the model wrote in its scope since it was last asked."""
        if not self.watches:
            return
        watch, prefix, term, since = self.watches[which % len(self.watches)]
        wanted = [
            event
            for event in self.past[since - 1 :]
            if event.key.startswith(prefix)
            and (not term or any(term in entry.facets for entry in (event.before, event.after) if entry))
        ]
        assert watch.seen == (wanted[0].revision - 1 if wanted else self.newest)
        if wanted:
            assert self.run(watch.next()) == wanted
        self.watches[which % len(self.watches)] = (watch, prefix, term, self.newest)

    @rule(which=st.integers(0, 100))
    def close_watch(self, which: int) -> None:
        if self.watches:
            self.watches.pop(which % len(self.watches))[0].close()

    @precondition(lambda self: self.sqlite)
    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        assert all(self.run(watch.next()) == [] for watch, *_ in self.watches)
        self.watches = []
        self.store = self.opened()

    @invariant()
    def stands(self) -> None:
        assert self.store.revision == self.newest
        assert self.run(self.store.range("")).entries == [entry for _, entry in sorted(self.now.items())]
        for term in TERMS:
            carrying = [entry for _, entry in sorted(self.now.items()) if term in entry.facets]
            assert self.run(self.store.range("", terms=[term])).entries == carrying
        for prefix in PREFIXES:
            assert self.store.count(prefix) == sum(key.startswith(prefix) for key in self.now)


class SQLiteStoreAgainstModel(StoreAgainstModel):
    sqlite = True


TestMemoryStore = StoreAgainstModel.TestCase
TestMemoryStore.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSQLiteStore = SQLiteStoreAgainstModel.TestCase
TestSQLiteStore.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
