"""A fleet in the course of a rollout, node by node, and the pace at which it changes. Pure.

marks(facts, diagnosis) -> {node: Mark}     every node that the DaemonSet is concerned with, by name
Pace                                        looks at how many are done -> nodes a second, seconds to go
"""

from __future__ import annotations

import enum
from collections import deque

from everynode.controllers.daemonset.diagnosis.facts import Facts
from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis
from everynode.controllers.daemonset.placement import State

# Seconds of the past that make the pace, and the seconds below which there is none yet.
RECENT, ENOUGH = 120.0, 3.0


class Mark(enum.Enum):
    """What a rollout has done to a node, in the words that are shown; in the order in which they are."""

    UPDATED = "updated"
    UNDER_WAY = "under way"
    HELD = "held up"
    WAITING = "waiting"
    LEAVING = "to be cleared"


_MARKS = {
    State.NEW_AVAILABLE: Mark.UPDATED,
    State.OLD_AVAILABLE: Mark.WAITING,
    State.LEAVING_AVAILABLE: Mark.LEAVING,
    State.LEAVING_UNAVAILABLE: Mark.LEAVING,
}


def marks(facts: Facts, diagnosis: Diagnosis) -> dict[str, Mark]:
    """Every node that has, or is to have, a pod of the DaemonSet; by name."""
    verdicts = sorted(facts.tally.verdicts.items())
    return {
        name: Mark.HELD if name in diagnosis.held else _MARKS.get(verdict.state, Mark.UNDER_WAY)
        for name, verdict in verdicts
        if verdict.state is not State.OUTSIDE
    }


class Pace:
    """How fast nodes get done, as far as it was watched."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._template = ""

    def saw(self, at: float, template: str, done: int) -> None:
        """At `at` (seconds) so many nodes had the template with this hash; with another one all begins anew."""
        if template != self._template:
            self._seen.clear()
            self._template = template
        self._seen.append((at, done))
        while at - self._seen[0][0] > RECENT:
            self._seen.popleft()

    @property
    def nodes_a_second(self) -> float:
        """0.0 while nothing can be said."""
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return max(0.0, (last - first) / (now - began)) if now - began >= ENOUGH else 0.0

    def to_go(self, left: int) -> float | None:
        """Seconds until that many more nodes are done, if the pace stays."""
        pace = self.nodes_a_second
        return left / pace if pace else None
