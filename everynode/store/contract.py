"""What every store promises: keys, bytes, revisions, facets and watch. It knows no Kubernetes.

Every write is one key: create, replace or delete, under a condition on the revision the key is at. Writes are ordered;
each takes the next revision of one counter shared by all keys. A write is acknowledged, readable and sent to watchers
only after it is durable, in that order, and a condition is judged against the ordered state, so an answer that rests
on a write not yet durable waits for it. A writer that is cancelled while it waits does not take its write back.

A medium that has no room left (`full`) takes no writes: each raises `StoreFull`, whoever waited in line included, and did
not happen. Reads and watches go on, and so do writes, by themselves, once there is room again (docs/decisions/0005). A
medium that can no longer be trusted raises `StoreFailed` from then on, and `failed()` wakes whoever is to stop the server.

Facets are opaque terms that the owner of the store derives from a value with a pure function. The store indexes them: a
range or a watch that names terms costs what matches, not what exists. An event carries the facets of before and after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from everynode.store.packing import Pattern

Facets = tuple[str, ...]
FacetsOf = Callable[[str, bytes], Facets]

ANY_REVISION: None = None
ABSENT = 0


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One version of one key: its bytes, the revision that wrote it and the one that created the key.

    `stored` is the value, or, if there is a `pattern`, the value packed against it; entries are equal if they say the same.
    """

    key: str
    stored: bytes
    revision: int
    created: int
    facets: Facets
    pattern: Pattern | None = None

    @property
    def value(self) -> bytes:
        return self.stored if self.pattern is None else self.pattern.unpack(self.stored)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and _said(self) == _said(other)

    __hash__ = None  # type: ignore[assignment]


def _said(entry: Entry) -> tuple[object, ...]:
    return (entry.key, entry.value, entry.revision, entry.created, entry.facets)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One write: `before` is None for a creation, `after` is None for a deletion; never both."""

    revision: int
    key: str
    before: Entry | None
    after: Entry | None


class Page(msgspec.Struct, frozen=True):
    """Part of a range in key order, as of `revision`. `remaining` counts what matches after the last entry (0 at the end; of
    what matches several terms, 1 stands for any number, which would have to be counted)."""

    entries: list[Entry]
    revision: int
    remaining: int


class StoreError(Exception):
    """Whatever a store refuses or suffers."""


class Conflict(StoreError):
    """The condition did not hold. `current` is what stands under the key (None: nothing)."""

    def __init__(self, key: str, current: Entry | None) -> None:
        super().__init__(f"{key}: at revision {current.revision if current else 'none'}")
        self.current = current


class Compacted(StoreError):
    """The revision asked for is older than the history that is kept; `oldest` is the first that can still be asked for."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"revision {revision} has been compacted, the oldest kept is {oldest}")
        self.revision, self.oldest = revision, oldest


class FutureRevision(StoreError):
    """The revision asked for has not been written yet."""

    def __init__(self, revision: int, newest: int) -> None:
        super().__init__(f"revision {revision} is in the future, the newest is {newest}")
        self.revision, self.newest = revision, newest


class WatcherTooSlow(StoreError):
    """The watcher fell behind by more than its queue holds and was closed."""


class StoreFull(StoreError):
    """The medium has no room (a full disk): the write did not happen, and nobody heard of it. It may be tried again."""


class StoreFailed(StoreError):
    """The medium failed (an I/O error); nothing that was not acknowledged is promised. The cause is kept."""


class StoreClosed(StoreError):
    """The store was closed by its owner and takes no more calls."""


class StoreUnavailable(StoreError):
    """The store cannot be opened: its directory is in use, unreadable, or its medium cannot be reached."""


def kind_of(key: str) -> str:
    """The first two parts of a key: `core/pods/default/a` is one of `core/pods/`."""
    return key[: key.find("/", key.find("/") + 1) + 1]


class Written(msgspec.Struct):
    """What a store has done since it was opened: its commits, and, by kind of key, the writes in them, the bytes of their
    values, and how many times one was handed to a watch. Counting takes 0.5 µs a write."""

    commits: int = 0
    events: Counter[str] = msgspec.field(default_factory=Counter)
    value_bytes: Counter[str] = msgspec.field(default_factory=Counter)
    delivered: Counter[str] = msgspec.field(default_factory=Counter)


class Watch(Protocol):
    """Events of one scope in revision order, without gaps."""

    async def next(self) -> list[Event]:
        """Waits for at least one event and takes all that are there; raises WatcherTooSlow, StoreFailed; [] once closed.

        One caller at a time; a caller cancelled while it waits loses no event."""
        ...

    @property
    def seen(self) -> int:
        """Every event of the scope up to this revision has been handed out: with nothing queued, the store's newest."""
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """The seam that memory, SQLite and (later) etcd stand behind. One contract suite runs against each."""

    @property
    def revision(self) -> int:
        """The newest readable revision; 1 in an empty store."""
        ...

    @property
    def full(self) -> StoreFull | None:
        """Why no write is taken at present; None while writes are taken."""
        ...

    @property
    def written(self) -> Written:
        """Counted for benchmarks, tests and metrics."""
        ...

    async def get(self, key: str) -> Entry | None:
        """The newest durable version of a key."""
        ...

    async def range(
        self, prefix: str, *, terms: Sequence[str] = (), after: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        """Entries whose key starts with `prefix` (ends in a slash, or empty: all), carrying all `terms`, with key > `after`,
        in key order.

        `limit` 0 is no limit. `revision` 0 is the newest; an older one is answered exactly as it was, or raises
        Compacted / FutureRevision.
        """
        ...

    async def write(self, key: str, value: bytes | None, *, expect: int | None = ANY_REVISION) -> Event:
        """Creates, replaces or (value None) deletes. `expect` None: whatever is there; ABSENT: nothing may be there;
        N: the key must stand at revision N. Raises Conflict; deleting what is not there raises Conflict with None.
        Raises StoreFull when it would have happened but for the room."""
        ...

    def watch(self, prefix: str, *, since: int = 0, term: str = "", name: str = "") -> Watch:
        """Events after revision `since` (0: from now on) on keys under `prefix`, of entries that carry `term` before or after
        the write (empty: all); with a `name`, on the one key that it ends. Raises Compacted, FutureRevision."""
        ...

    def count(self, prefix: str) -> int:
        """How many keys stand under a whole-resource prefix (`core/pods/`)."""
        ...

    async def failed(self) -> StoreFailed:
        """Waits until the medium has failed and tells how. It never returns while the store works: the server stops on it."""
        ...

    async def close(self) -> None:
        """Makes everything durable, ends watches and lets go of the medium. Calling it again does nothing."""
        ...
