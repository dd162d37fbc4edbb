"""The order in which waiting pods are looked at: the highest priority first, and of equals the one that came first.

Stands in a `reconcile.queue.Queue` as its line. A key's priority is asked for once, as it joins.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class ByPriority:
    """Keys that are ready, each with the priority it had when it joined."""

    def __init__(self, priority_of: Callable[[str], int]) -> None:
        self._priority_of = priority_of
        self._heap: list[tuple[int, int, str]] = []
        self._tickets = count()

    def append(self, key: str) -> None:
        heappush(self._heap, (-self._priority_of(key), next(self._tickets), key))

    def popleft(self) -> str:
        return heappop(self._heap)[2]

    def __len__(self) -> int:
        return len(self._heap)
