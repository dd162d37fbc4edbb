"""Keys waiting to be worked on: each at most once in the queue, and never with two workers at a time.

In: keys, at once (`add`), later (`add_after`) or later the more often they failed (`add_rate_limited`). Out: `get`, which
waits; whoever took a key says `done` when finished. A key added while it is being worked on waits until then, so a
worker always sees what it was added for, and ten changes that come while it works cost one more round, not ten.

Delays are timers of the running loop. Of two delays of one key the earlier counts.

Ready keys are served in the order in which they came, unless the queue is given another `line` to stand them in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import Protocol

# Seconds before the first retry of a key and the longest wait between retries (client-go's controllers).
FIRST_DELAY, LONGEST_DELAY = 0.005, 1000.0


class Line(Protocol):
    """Where ready keys stand: who is served next is its own affair. A deque is one."""

    def append(self, key: str, /) -> None: ...

    def popleft(self) -> str: ...

    def __len__(self) -> int: ...


class Queue:
    """A work queue with client-go's rules; used from one event loop."""

    def __init__(
        self, *, first_delay: float = FIRST_DELAY, longest_delay: float = LONGEST_DELAY, line: Line | None = None
    ) -> None:
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._ready: Line = deque() if line is None else line
        self._dirty: set[str] = set()
        self._working: set[str] = set()
        self._delayed: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._takers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """Keys ready to be taken."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing ready and nothing being worked on; keys may still be waiting for their time."""
        return not self._ready and not self._working

    def add(self, key: str) -> None:
        """The key is to be worked on, soon."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """The key is to be worked on when `seconds` have passed; at once if that is not positive."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        waiting = self._delayed.get(key)
        if waiting is not None:
            if waiting.when() <= when:
                return
            waiting.cancel()
        self._delayed[key] = loop.call_at(when, self._due, key)

    def add_rate_limited(self, key: str, at_most: float = inf) -> None:
        """The key failed: it comes again after a delay that doubles with each failure, until `forget`, up to `at_most`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # Past 60 doublings the power itself would be absurd; the longest delay has long been reached.
        self.add_after(key, min(self._first_delay * 2 ** min(failures, 60), self._longest_delay, at_most))

    def forget(self, key: str) -> None:
        """The key succeeded, or is not to be tried again: its failures no longer count."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """How often the key has failed since it was last forgotten."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """Waits for a key and takes it; the taker calls `done` with it."""
        while not self._ready:
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                # Woken and cancelled in the same turn: the key is another taker's.
                if taker.done() and not taker.cancelled():
                    self._wake()
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: str) -> None:
        """The key may be taken again; it is ready at once if it was added meanwhile."""
        self._working.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def close(self) -> None:
        """Drops every timer; nothing delayed will come any more."""
        for timer in self._delayed.values():
            timer.cancel()
        self._delayed.clear()

    def _due(self, key: str) -> None:
        del self._delayed[key]
        self.add(key)

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return
