"""The seam under `LocalStore`: what makes a batch of writes survive.

Memory has nothing to do here, SQLite commits a transaction. A journal knows no facets, no watches and no conditions: it
is given Events that are already ordered, and gives back, at start, what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from everynode.store.contract import Event

# The revision of an empty store. The first write is 2, so that resourceVersion "0" and "1" never name an object.
FIRST_REVISION = 1


class Record(NamedTuple):
    """One write as it was recorded; `value` None is a deletion. `created` is the revision that created the key."""

    revision: int
    key: str
    value: bytes | None
    created: int


class Journal(Protocol):
    """Durable order. Its calls block: they are made on the loop, between two turns (docs/decisions/0001)."""

    @property
    def floor(self) -> int:
        """The newest revision that has left the history; every later one is recorded, without a gap."""
        ...

    def load(self) -> Iterator[Record]:
        """What was recorded, in revision order: all after `floor`, and from before it at least what still stands."""
        ...

    def commit(self, events: Sequence[Event]) -> None:
        """Makes the events durable, all or none.

        Raises StoreFull: none of them was recorded, their revisions are free, and the next commit may well work. Raises
        StoreFailed: nothing more is promised of the medium. What was recorded before stays as it was."""
        ...

    def has_room(self) -> bool:
        """Whether a medium that was full has room again, by trying it. Raises StoreFailed."""
        ...

    def forget(self, left: Sequence[Event]) -> None:
        """Says that these events, the oldest, have left the history. Their rows may go, with a later commit."""
        ...

    def close(self) -> None:
        """Lets go of the medium."""
        ...


class NoJournal:
    """The memory store's: nothing survives the process."""

    floor = FIRST_REVISION

    def load(self) -> Iterator[Record]:
        return iter(())

    def commit(self, events: Sequence[Event]) -> None: ...

    def has_room(self) -> bool:
        return True

    def forget(self, left: Sequence[Event]) -> None: ...

    def close(self) -> None: ...
