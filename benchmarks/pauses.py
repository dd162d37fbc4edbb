"""For how long the event loop, and Python's garbage collector, keep everybody waiting."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Literal

# Seconds between two looks at the loop: seldom enough to cost nothing.
LOOK = 0.002


class Pauses:
    """Watches while its `run` runs. `longest_turn`, `turns_p99` and `longest_collection` are in milliseconds, since `reset`."""

    def __init__(self) -> None:
        self._turns: list[float] = []
        self._collections: list[float] = []
        self._began = 0.0
        gc.callbacks.append(self._collected)

    async def run(self) -> None:
        """Measures turns of the loop until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0)
            self._turns.append(time.perf_counter() - began)
            await asyncio.sleep(LOOK)

    def reset(self) -> None:
        self._turns.clear()
        self._collections.clear()

    @property
    def longest_turn(self) -> float:
        return 1000 * max(self._turns, default=0.0)

    @property
    def turns_p99(self) -> float:
        return 1000 * sorted(self._turns)[int(len(self._turns) * 0.99)] if self._turns else 0.0

    @property
    def longest_collection(self) -> float:
        return 1000 * max(self._collections, default=0.0)

    def _collected(self, phase: Literal["start", "stop"], _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._collections.append(time.perf_counter() - self._began)
