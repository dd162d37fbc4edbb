"""The fan-out: every event to the watches that want it, and to no other.

In go Events that are durable, in revision order; out they come of each watch whose scope they are in. A watch stands
in one bucket, named by its prefix (or its one key) and its term ("" for none), and an event looks into the buckets of its
key, of the slash-ended prefixes of it, and of the terms it carried before or after. So an event costs the watches that want
it, each gets it once, and 100,000 watches of other nodes, or of other nodes' pods, cost nothing.

Nobody is waited for: a watch whose queue is over its bound is closed with WatcherTooSlow.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from everynode.store.contract import Event, StoreError, WatcherTooSlow, kind_of

# Events a watch may be behind. A healthy reader empties its queue every few turns of the loop; one that is a whole
# history behind would pin as much memory as the history itself, and is better off listing again.
WATCH_QUEUE_EVENTS = 16_384
# And bytes, as much as a history holds: what waits for a reader that never reads stays in memory when the history lets it go.
WATCH_QUEUE_BYTES = 64 * 1024 * 1024


class HubWatch:
    """One watch: its scope and what waits to be taken. Made by `Hub.watch`."""

    __slots__ = ("_bytes", "_closed", "_error", "_hub", "_limit", "_queue", "_seen", "_waiter", "prefix", "term")

    def __init__(self, hub: Hub, prefix: str, term: str, replay: list[Event], limit: int) -> None:
        self.prefix, self.term = prefix, term
        self._hub = hub
        self._queue = replay
        self._limit = limit + len(replay)
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: StoreError | None = None
        self._closed = False
        self._seen = 0

    async def next(self) -> list[Event]:
        while not self._queue and not self._closed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._error is not None:
            raise self._error
        taken, self._queue, self._bytes = self._queue, [], 0
        return taken

    @property
    def seen(self) -> int:
        if self._closed:
            return self._seen
        return self._queue[0].revision - 1 if self._queue else self._hub.revision

    def close(self) -> None:
        self._hub.forget(self)
        self.end(None)

    def put(self, event: Event) -> bool:
        """Queues an event; False if there is no room for it."""
        if len(self._queue) >= self._limit or self._bytes > WATCH_QUEUE_BYTES:
            return False
        self._queue.append(event)
        if event.after is not None:
            self._bytes += len(event.after.stored)
        self._wake()
        return True

    def end(self, error: StoreError | None) -> None:
        """Closes for the reason given; what was queued is dropped."""
        if self._closed:
            return
        self._seen = self.seen
        self._closed, self._error = True, error
        self._queue = []
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Hub:
    """All watches, by prefix and term."""

    def __init__(self, revision: int, queue_limit: int = WATCH_QUEUE_EVENTS) -> None:
        self.revision = revision
        # By kind of key: how many times an event was handed to a watch.
        self.delivered: Counter[str] = Counter()
        self._queue_limit = queue_limit
        self._buckets: dict[str, dict[str, list[HubWatch]]] = {}

    def watch(self, prefix: str, term: str, past: Iterable[Event], name: str = "") -> HubWatch:
        """A watch that begins with those of the `past` events that are in its scope."""
        replay = [event for event in past if event.key.startswith(prefix) and (not term or term in _terms(event))]
        if name:
            # A whole key is a bucket of its own.
            prefix += name
            replay = [event for event in replay if event.key == prefix]
        watch = HubWatch(self, prefix, term, replay, self._queue_limit)
        self._buckets.setdefault(prefix, {}).setdefault(term, []).append(watch)
        return watch

    def forget(self, watch: HubWatch) -> None:
        terms = self._buckets.get(watch.prefix, {})
        bucket = terms.get(watch.term, [])
        if watch not in bucket:
            return
        bucket.remove(watch)
        if not bucket:
            del terms[watch.term]
        if not terms:
            del self._buckets[watch.prefix]

    def publish(self, events: Sequence[Event]) -> None:
        """Hands out events that have just become durable and readable."""
        late: list[HubWatch] = []
        for event in events:
            handed = 0
            for prefix in (*_prefixes(event.key), event.key):
                terms = self._buckets.get(prefix)
                if terms is not None:
                    handed += _deliver(event, terms, late)
            self.delivered[kind_of(event.key)] += handed
        self.revision = events[-1].revision
        for watch in late:
            self.forget(watch)
            watch.end(WatcherTooSlow(f"a watch of {watch.prefix} fell too far behind: more than a history's length"))

    def end(self, error: StoreError | None) -> None:
        """Closes every watch."""
        buckets, self._buckets = self._buckets, {}
        for terms in buckets.values():
            for bucket in terms.values():
                for watch in bucket:
                    watch.end(error)


def _deliver(event: Event, terms: dict[str, list[HubWatch]], late: list[HubWatch]) -> int:
    """Queues the event with the watches of one prefix that want it, and tells how many those are; who had no room is `late`."""
    handed = 0
    wanted = ("", *_terms(event)) if len(terms) > 1 or "" not in terms else ("",)
    for term in wanted:
        bucket = terms.get(term, ())
        handed += len(bucket)
        late += [watch for watch in bucket if not watch.put(event)]
    return handed


def _terms(event: Event) -> Iterable[str]:
    """The terms carried before or after, each once, in a stable order."""
    before = event.before.facets if event.before else ()
    after = event.after.facets if event.after else ()
    return dict.fromkeys(before if before is after else before + after)


def _prefixes(key: str) -> list[str]:
    """Every slash-ended prefix of a key, and the empty one."""
    prefixes = [""]
    at = key.find("/")
    while at >= 0:
        prefixes.append(key[: at + 1])
        at = key.find("/", at + 1)
    return prefixes
