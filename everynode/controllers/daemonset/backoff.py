"""How long a node whose daemon pods keep failing waits until the next failed one is deleted.

The first failed pod of a node is deleted at once. From then on each deletion must wait until the pause since the last one is
over; it starts at one second and doubles with each deletion, up to a quarter of an hour. A node that has been quiet for twice
the longest pause starts afresh, and so does every node when a new generation of the DaemonSet has been observed: its pods
may well do better.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 900.0
FORGOTTEN_AFTER = 2 * LONGEST_PAUSE


class _Pause(NamedTuple):
    generation: int
    since: float
    seconds: float


class FailureBackoff:
    """The pauses of one DaemonSet's nodes. Holds only nodes whose pods have failed."""

    def __init__(self) -> None:
        self._pauses: dict[str, _Pause] = {}

    def until(self, node: str, generation: int, now: float) -> float:
        """When the next failed pod of this node may be deleted; a moment that has passed means now."""
        pause = self._current(node, generation, now)
        return pause.since + pause.seconds if pause else 0.0

    def deleted(self, node: str, generation: int, now: float) -> None:
        """A failed pod of this node is being deleted now."""
        pause = self._current(node, generation, now)
        seconds = min(pause.seconds * 2, LONGEST_PAUSE) if pause else FIRST_PAUSE
        self._pauses[node] = _Pause(generation, now, seconds)

    def nodes(self) -> Collection[str]:
        """Those that have a pause, over or not."""
        return self._pauses.keys()

    def forget(self, node: str) -> None:
        self._pauses.pop(node, None)

    def _current(self, node: str, generation: int, now: float) -> _Pause | None:
        pause = self._pauses.get(node)
        if pause is None or pause.generation != generation or now - pause.since > FORGOTTEN_AFTER:
            return None
        return pause
