"""Where a simulated cluster's writes are kept: in memory, or in a real SQLite file, which virtual time does not hinder.

A Medium outlives its cluster. `open` is the journal of the next one; `cut_off` is what a power failure at this very moment
would leave of it, whatever the dying cluster may still write.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, Self

from everynode.store.contract import Event
from everynode.store.journal import FIRST_REVISION, Journal, Record
from everynode.store.sqlite import SQLiteJournal

# Where there is one, a file system without a disk: what fsync is good for no test in one process could see anyway.
_FAST = "/dev/shm"


class Medium(Protocol):
    def open(self) -> Journal: ...

    def cut_off(self) -> Self: ...

    def discard(self) -> None: ...


class Memory:
    """The whole past as a list, with nothing ever forgotten. It is its own journal."""

    floor = FIRST_REVISION

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self._records = list(records)

    def open(self) -> Journal:
        return self

    def cut_off(self) -> Memory:
        return Memory(self._records)

    def discard(self) -> None: ...

    def load(self) -> Iterator[Record]:
        return iter(list(self._records))

    def commit(self, events: Sequence[Event]) -> None:
        for event in events:
            after = event.after
            value, created = (None, 0) if after is None else (after.value, after.created)
            self._records.append(Record(event.revision, event.key, value, created))

    def has_room(self) -> bool:
        return True

    def forget(self, left: Sequence[Event]) -> None: ...

    def close(self) -> None: ...


class Disk:
    """A data directory."""

    def __init__(self, home: TemporaryDirectory[str] | None = None, number: int = 0) -> None:
        fast = _FAST if os.path.isdir(_FAST) else None
        self._home = home or TemporaryDirectory(prefix="everynode-simulation-", dir=fast)
        self._number = number

    def open(self) -> Journal:
        return SQLiteJournal(self._directory)

    def cut_off(self) -> Disk:
        left = Disk(self._home, self._number + 1)
        shutil.copytree(self._directory, left._directory)
        return left

    def discard(self) -> None:
        self._home.cleanup()

    @property
    def _directory(self) -> Path:
        return Path(self._home.name) / str(self._number)
