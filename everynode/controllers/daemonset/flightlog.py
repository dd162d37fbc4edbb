"""The flight recorder: the latest decisions about each DaemonSet, in memory.

Noting a decision down costs a few references to views that are there anyway; all else (encoding, digests) is left to whoever
reads. It is bounded by the nodes that were looked at, since each pins a node's and its pods' views as they then were (about
1 KB): `KEPT` for all DaemonSets together, shared out evenly, and of each the latest decision whatever its size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from everynode import __version__
from everynode.controllers.daemonset.decisions import Decision, Recording, digest, recorded
from everynode.controllers.daemonset.ledger import Ledger
from everynode.controllers.daemonset.observe import DaemonSet
from everynode.controllers.daemonset.plan import Plan

# Nodes looked at in all decisions that are kept, and for one DaemonSet at least.
KEPT, KEPT_OF_ONE = 20_000, 500


class _Log:
    """The decisions about one DaemonSet (one uid)."""

    __slots__ = ("decisions", "made", "weight")

    def __init__(self) -> None:
        self.decisions: deque[tuple[DaemonSet, Decision]] = deque()
        self.made = 0
        self.weight = 0


class FlightLog:
    """Takes decisions down as they are made, and hands them out."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}

    def note(self, at: float, ledger: Ledger, plan: Plan) -> Decision:
        """The plan that was made of this ledger at `at` (Unix seconds); the same one again is only counted."""
        ds, rules = ledger.ds, ledger.rules
        assert rules is not None, "a plan comes after the current revision"
        log = self._logs.get(ds.metadata.uid)
        if log is None:
            log = self._logs[ds.metadata.uid] = _Log()
        decision = recorded(
            log.made + 1,
            at,
            ds.metadata.generation,
            rules.hash,
            ledger.strategy,
            ledger.tally,
            plan,
            ledger.facts_of(plan.examined, at),
        )
        if log.decisions:
            _, last = log.decisions[-1]
            if decision.repeats(last):
                last.times, last.until = last.times + 1, at
                return last
        log.made += 1
        log.decisions.append((ds, decision))
        log.weight += _weight(decision)
        allowed = max(KEPT_OF_ONE, KEPT // len(self._logs))
        while log.weight > allowed and len(log.decisions) > 1:
            log.weight -= _weight(log.decisions.popleft()[1])
        return decision

    def forget(self, uid: str) -> None:
        """The DaemonSet is gone."""
        self._logs.pop(uid, None)

    def recording(self, ds: DaemonSet) -> Recording:
        """The decisions that are kept, whole: with their digests."""
        meta = ds.metadata
        kept: Sequence[tuple[DaemonSet, Decision]] = self._logs[meta.uid].decisions if meta.uid in self._logs else ()
        subjects = {decision.generation: subject for subject, decision in kept}
        decisions = [
            msgspec.structs.replace(decision, input=digest(subjects[decision.generation], decision))
            for _, decision in kept
        ]
        return Recording(meta.namespace, meta.name, subjects, decisions, everynode=__version__)


def _weight(decision: Decision) -> int:
    return 1 + len(decision.nodes)
