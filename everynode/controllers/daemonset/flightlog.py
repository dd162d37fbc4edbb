"""The flight recorder: the latest decisions about each DaemonSet, in memory.

Noting a decision down costs a few references to views that are there anyway; all else (encoding, digests) is left to whoever
reads. It is bounded by the nodes that were looked at, since each pins a node's and its pods' views as they then were (about
1 KB): `KEPT` for all DaemonSets together, shared out evenly, and of each the latest decision whatever its size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

import msgspec

from everynode import __version__
from everynode.controllers.daemonset.decisions import Decision, NodeFacts, Recording, digest, recorded
from everynode.controllers.daemonset.observe import DaemonSet
from everynode.controllers.daemonset.placement import Rules
from everynode.controllers.daemonset.plan import Plan, Strategy
from everynode.controllers.daemonset.tally import Tally

# Nodes looked at in all decisions that are kept, and for one DaemonSet at least.
KEPT, KEPT_OF_ONE = 20_000, 500


class Grounds(Protocol):
    """What a plan was made from: a Ledger."""

    ds: DaemonSet
    rules: Rules | None
    strategy: Strategy
    tally: Tally

    def facts_of(self, nodes: Iterable[str], now: float) -> Iterable[NodeFacts]: ...


class _Log:
    """The decisions about one DaemonSet (one uid), and what it was in each of their generations."""

    __slots__ = ("decisions", "made", "subjects", "weight")

    def __init__(self) -> None:
        self.decisions: deque[Decision] = deque()
        self.subjects: dict[int, DaemonSet] = {}
        self.made = 0
        self.weight = 0

    def shrink(self, allowed: int) -> None:
        """Lets the oldest go, but never the latest."""
        while self.weight > allowed and len(self.decisions) > 1:
            oldest = self.decisions.popleft()
            self.weight -= 1 + len(oldest.nodes)
            if self.decisions[0].generation != oldest.generation:
                del self.subjects[oldest.generation]


class FlightLog:
    """Takes decisions down as they are made, and hands them out."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._allowed = KEPT  # of one log

    def note(self, at: float, grounds: Grounds, plan: Plan) -> Decision:
        """The plan that was made at `at` (Unix seconds); the same one again is only counted."""
        ds, rules, tally = grounds.ds, grounds.rules, grounds.tally
        assert rules is not None, "a plan comes after the current revision"
        log = self._logs.get(ds.metadata.uid)
        if log is None:
            log = self._logs[ds.metadata.uid] = _Log()
            self._allowed = max(KEPT_OF_ONE, KEPT // len(self._logs))
        generation, strategy = ds.metadata.generation, grounds.strategy
        nodes = tuple(grounds.facts_of(plan.examined, at)) if plan.examined else ()
        decision = recorded(log.made + 1, at, generation, rules.hash, strategy, tally, plan, nodes)
        if log.decisions and decision.repeats(last := log.decisions[-1]):
            last.times, last.until = last.times + 1, at
            return last
        log.made += 1
        log.subjects[generation] = ds
        log.decisions.append(decision)
        log.weight += 1 + len(nodes)
        if log.weight > self._allowed:
            log.shrink(self._allowed * 9 // 10)
        return decision

    def forget(self, uid: str) -> None:
        """The DaemonSet is gone."""
        self._logs.pop(uid, None)
        self._allowed = max(KEPT_OF_ONE, KEPT // max(1, len(self._logs)))

    def recording(self, ds: DaemonSet) -> Recording:
        """The decisions that are kept, whole: with their digests."""
        meta = ds.metadata
        log = self._logs.get(meta.uid) or _Log()
        decisions = [
            msgspec.structs.replace(one, input=digest(log.subjects[one.generation], one)) for one in log.decisions
        ]
        return Recording(meta.namespace, meta.name, log.subjects, decisions, everynode=__version__)
