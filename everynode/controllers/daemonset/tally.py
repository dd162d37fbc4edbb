"""All Verdicts of one DaemonSet, kept as counters and ordered sets: what planning and status need, and no more.

`apply(old, new)` is the only way in. It touches the sets of one node, so an event costs the same in a fleet of ten and of
a hundred thousand; and it keeps nothing that could not be had by applying all current Verdicts to an empty tally (a property
test holds the two equal). Sets are ordered by node name: the same tally gives the same plan.

Only nodes that something may have to be done about are in a set; a node that is as it should be is but a number.
"""

from __future__ import annotations

from itertools import chain, islice

from sortedcontainers import SortedSet

from everynode.controllers.daemonset.placement import State, Verdict

# States whose nodes are listed: those that an update acts on, and those in which a node may be stuck. Of the others only the
# number matters.
LISTED = (
    State.OLD_AVAILABLE,
    State.OLD_UNAVAILABLE,
    State.LEAVING_AVAILABLE,
    State.LEAVING_UNAVAILABLE,
    State.BOTH_DONE,
    State.BARE,
    State.NEW_UNAVAILABLE,
    State.BOTH_WAITING,
)
# States in which a node's next step depends on its pod, not on the planner.
_UP_TO_THE_POD = (State.NEW_UNAVAILABLE, State.BARE, State.BOTH_WAITING)


class Tally:
    """Counters and ordered sets over the Verdicts of one DaemonSet."""

    __slots__ = (
        "available",
        "by_state",
        "covered",
        "current",
        "desired",
        "doomed",
        "lacking",
        "misscheduled",
        "ready",
        "states",
        "updated",
        "verdicts",
    )

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        # Status
        self.desired = 0
        self.current = 0
        self.misscheduled = 0
        self.ready = 0
        self.available = 0
        self.updated = 0
        # Update
        self.states: list[int] = [0] * len(State)
        self.covered = 0
        # Nodes by what may have to be done about them
        self.lacking: SortedSet[str] = SortedSet()
        self.doomed: SortedSet[str] = SortedSet()
        self.by_state: dict[State, SortedSet[str]] = {state: SortedSet() for state in LISTED}

    def replace(self, verdict: Verdict) -> bool:
        """Puts this Verdict in the place of its node's last; tells whether anything changed."""
        last = self.verdicts.get(verdict.node)
        if last == verdict:
            return False
        self.apply(last, verdict)
        return True

    def forget(self, node: str) -> None:
        """Drops a node that neither exists nor has pods."""
        self.apply(self.verdicts.get(node), None)

    def apply(self, old: Verdict | None, new: Verdict | None) -> None:
        """One node's Verdict was `old` (None: unknown) and is `new` (None: the node is of no more concern)."""
        if old is not None:
            self._count(old, -1)
        if new is not None:
            self._count(new, +1)
            self.verdicts[new.node] = new
            _move(self.lacking, new.node, old is not None and old.lacks_pod, new.lacks_pod)
            _move(self.doomed, new.node, old is not None and bool(old.doomed), bool(new.doomed))
        elif old is not None:
            del self.verdicts[old.node]
            _move(self.lacking, old.node, old.lacks_pod, False)
            _move(self.doomed, old.node, bool(old.doomed), False)
        was, now = (verdict.state if verdict is not None else State.OUTSIDE for verdict in (old, new))
        if was is not now:
            node = (new or old).node  # type: ignore[union-attr]  # states differ, so one of them is there
            if was in self.by_state:
                self.by_state[was].remove(node)
            if now in self.by_state:
                self.by_state[now].add(node)

    def up_to_their_pods(self, most: int) -> list[str]:
        """Up to `most` nodes whose next step depends on their pod: it starts, or ends, or is stuck. By state, then by name."""
        nodes = chain.from_iterable(self.by_state[state] for state in _UP_TO_THE_POD)
        return list(islice(nodes, most))

    def _count(self, verdict: Verdict, one: int) -> None:
        self.states[verdict.state] += one
        self.covered += one * verdict.covered
        if not verdict.should_run:
            self.misscheduled += one * verdict.scheduled
            return
        self.desired += one
        if verdict.scheduled:
            self.current += one
            self.ready += one * verdict.ready
            self.available += one * verdict.available
            self.updated += one * verdict.updated

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


def _move(nodes: SortedSet[str], node: str, was: bool, now: bool) -> None:
    if was != now:
        (nodes.add if now else nodes.remove)(node)
