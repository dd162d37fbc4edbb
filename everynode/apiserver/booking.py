"""The store as those see it who write for the API: every write that became durable goes into the quotas' books.

Whoever writes need not know of quotas, so none can forget to tell. A write is booked in the same step in which its writer
learns that it is durable, so nobody finds it counted twice, or not at all. A client that hangs up does not take its write
back; its request then ends when the write has ended.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from everynode.apiserver.admission.quota import Quotas
from everynode.store.contract import ANY_REVISION, Event, Store, StoreError, StoreFull, Written


class BookedStore:
    """A `contract.Store` over another."""

    def __init__(self, store: Store, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas
        self.get = store.get
        self.range = store.range
        self.watch = store.watch
        self.count = store.count
        self.failed = store.failed
        self.close = store.close

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def full(self) -> StoreFull | None:
        return self._store.full

    @property
    def written(self) -> Written:
        return self._store.written

    async def write(self, key: str, value: bytes | None, *, expect: int | None = ANY_REVISION) -> Event:
        if not self._quotas.keeps(key):
            event = await self._store.write(key, value, expect=expect)
            # A book may have been opened since.
            self._quotas.book(event)
            return event
        writing = asyncio.ensure_future(self._store.write(key, value, expect=expect))
        try:
            event = await asyncio.shield(writing)
        except asyncio.CancelledError:
            with suppress(StoreError):
                self._quotas.book(await writing)
            raise
        self._quotas.book(event)
        return event
