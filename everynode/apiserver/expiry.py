"""Events live an hour from their last change; then the server takes them away, so storage does not grow for ever.

The order in which they end is the order in which they were written, so a queue holds it: a change moves an Event to the end,
and each timer looks at the front only. What was stored before a restart is judged by the time its bytes tell.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import msgspec

from everynode.api import scheme
from everynode.base.clock import Clock
from everynode.store.contract import Conflict, Entry, Store, StoreFailed, StoreFull, Watch, WatcherTooSlow
from everynode.values import timestamps

# Kubernetes' own --event-ttl.
LIFE_SECONDS = 3600.0
# The longest nap between two looks at the front, and the most that one look takes away.
NAP_SECONDS = 30.0
MOST_AT_ONCE = 500


class _Metadata(msgspec.Struct, rename="camel"):
    creation_timestamp: str | None = None


class _Series(msgspec.Struct, rename="camel"):
    last_observed_time: str | None = None


class _Event(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    last_timestamp: str | None = None
    series: _Series | None = None


_event = msgspec.json.Decoder(_Event)


class EventExpiry:
    """Deletes Events whose hour is over."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Key to (the moment it ends, the revision that set that moment), soonest first.
        self._ends: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def run(self) -> None:
        """Follows the Events and takes away what is over, until it is cancelled."""
        while True:
            page = await self._store.range(scheme.EVENTS.prefix)
            told = sorted(((_last_told(entry), entry) for entry in page.entries), key=lambda pair: pair[0])
            self._ends = OrderedDict((entry.key, (when + LIFE_SECONDS, entry.revision)) for when, entry in told)
            watch = self._store.watch(scheme.EVENTS.prefix, since=page.revision)
            try:
                await self._follow(watch)
            except WatcherTooSlow:
                continue
            except StoreFailed:
                return
            finally:
                watch.close()
            return

    async def _follow(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._take_away()
            try:
                async with asyncio.timeout_at(loop.time() + NAP_SECONDS):
                    events = await watch.next()
            except TimeoutError:
                continue
            if not events:
                return
            for event in events:
                self._ends.pop(event.key, None)
                if event.after is not None:
                    self._ends[event.key] = (self._clock.now() + LIFE_SECONDS, event.revision)

    async def _take_away(self) -> None:
        for _ in range(MOST_AT_ONCE):
            key, (end, revision) = next(iter(self._ends.items()), ("", (0.0, 0)))
            if not key or end > self._clock.now():
                return
            del self._ends[key]
            try:
                await self._store.write(key, None, expect=revision)
            except Conflict:
                continue  # changed or gone meanwhile: the watch tells
            except StoreFull:
                self._ends[key] = (end, revision)
                self._ends.move_to_end(key, last=False)
                return


def _last_told(entry: Entry) -> float:
    event = _event.decode(entry.value)
    observed = event.series.last_observed_time if event.series else None
    text = observed or event.last_timestamp or event.metadata.creation_timestamp
    return timestamps.parse(text) if text else 0.0
