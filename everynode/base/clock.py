"""Wall time as an argument.

A machine's clock may be set, back or forward by hours, and what is measured with it is then wrong by as much. Whoever only
measures how long something takes, and yet needs a time that can be compared with one somebody wrote down, uses `SteadyClock`.

Whoever needs to know what time it is receives a `Clock`; whoever needs to wait uses the event loop's own timers.
With both replaced (a loop whose time jumps, and a clock that reads it) the same code runs days in seconds.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells wall time."""

    def now(self) -> float:
        """The time in Unix seconds, UTC, with fractions."""
        ...


class SystemClock:
    """The machine's own wall clock."""

    def now(self) -> float:
        return time.time()


class SteadyClock:
    """Another clock's time when it was first asked, and from then on the running loop's: nobody can set it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None

    def now(self) -> float:
        passed = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = self._clock.now() - passed
        return self._began + passed
