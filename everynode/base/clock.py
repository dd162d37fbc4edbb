"""Wall time as an argument.

Whoever needs to know what time it is receives a `Clock`; whoever needs to wait uses the event loop's own timers.
With both replaced (a loop whose time jumps, and a clock that reads it) the same code runs days in seconds.
"""

from __future__ import annotations

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
