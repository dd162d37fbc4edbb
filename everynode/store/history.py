"""The last writes: what lets a watch resume and a list go on as of an older revision.

In go Events in revision order; out come the events after a revision, and the entries those events replaced, so that
any range can be answered as it was. The window is bounded by number and by bytes; what leaves it is handed back, so
that a medium can forget the rows that only the history needed.

Revisions are consecutive: the window holds exactly `floor`+1 … newest. `floor` is the oldest revision that can be asked
for: undoing every event leads to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from everynode.store.contract import Compacted, Entry, Event, FutureRevision

# Events. A list of 100,000 objects in pages of 500 takes some seconds of round trips, and a controller that reconnects
# after a dropped connection as many; at 3,000 writes a second this is five seconds of history. A page as of its very
# beginning costs a few milliseconds (`make bench`), which is as long as the loop should be held.
HISTORY_EVENTS = 16_384

# Bytes. Objects of 3 KB stay within it at the number above; larger ones must not turn the window into most of the memory.
HISTORY_BYTES = 64 * 1024 * 1024

# Bytes an event weighs beside the value it keeps alive: the two structs, their integers and the key.
EVENT_BYTES = 320


class History:
    """A bounded window of Events ending with the newest."""

    def __init__(self, floor: int, max_events: int = HISTORY_EVENTS, max_bytes: int = HISTORY_BYTES) -> None:
        self.floor = floor
        self.newest = floor
        self._max_events, self._max_bytes = max_events, max_bytes
        self._events: deque[Event] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += _weight(event)
        self.newest = event.revision

    def trim(self) -> list[Event]:
        """Takes out what the window has no room for, oldest first; it can no longer be asked for."""
        left: list[Event] = []
        while len(self._events) > self._max_events or self._bytes > self._max_bytes:
            event = self._events.popleft()
            self._bytes -= _weight(event)
            self.floor = event.revision
            left.append(event)
        return left

    def since(self, revision: int) -> list[Event]:
        """The events after `revision`, oldest first. Raises Compacted, FutureRevision."""
        events = list(self._back_to(revision))
        events.reverse()
        return events

    def undone(self, revision: int, prefix: str) -> dict[str, Entry | None]:
        """For every key under `prefix` written after `revision`: what stood there as of it.

        Raises Compacted, FutureRevision."""
        return {event.key: event.before for event in self._back_to(revision) if event.key.startswith(prefix)}

    def _back_to(self, revision: int) -> Iterator[Event]:
        """From the newest event back to the first after `revision`: it costs what happened since, not the window."""
        if revision < self.floor:
            raise Compacted(revision, self.floor)
        if revision > self.newest:
            raise FutureRevision(revision, self.newest)
        for event in reversed(self._events):
            if event.revision <= revision:
                return
            yield event


def _weight(event: Event) -> int:
    """Every value that no longer stands is the `before` of just one event, so counting those counts them all, once."""
    return EVENT_BYTES + (len(event.before.stored) if event.before else 0)
