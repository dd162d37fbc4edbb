"""A medium that fills up and is emptied at a test's word."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from everynode.store.contract import Event, Store, StoreFull
from everynode.store.journal import Journal


class Filling:
    """A `Journal` over another that has no room while `full`; `looks` counts how often it was asked."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.load = journal.load
        self.forget = journal.forget
        self.close = journal.close
        self.full = False
        self.looks = 0

    @property
    def floor(self) -> int:
        return self._journal.floor

    def commit(self, events: Sequence[Event]) -> None:
        if self.full:
            raise StoreFull("the medium: no room")
        self._journal.commit(events)

    def has_room(self) -> bool:
        self.looks += 1
        return not self.full


async def until_writable(store: Store) -> None:
    """Waits, without writing, until the store takes writes again."""
    for _ in range(5000):
        if store.full is None:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(str(store.full))
