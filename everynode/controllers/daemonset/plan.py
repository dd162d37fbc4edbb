"""What to do next for one DaemonSet: tally + strategy -> creations and deletions, in order, each with its cause.

    make_plan(tally, strategy) -> Plan

Upkeep comes first and knows no budget: nodes that lack a pod get one, pods that have no business where they are go. Then the
update, with what its budget leaves:

*Without surge* pods are deleted, and upkeep replaces them later. Old pods that are not available go at once, whatever the
budget says: nothing is lost. Old pods that are available go while fewer than maxUnavailable nodes are without an available
pod; to that count belong nodes that have no pod, those whose new pod is not available yet, and those in disorder.

*With surge* pods are created, and the old one goes when the new one on its node is available. Nodes whose old pod is
not available get a new one at once; of those whose old pod is available at most maxSurge have a new one that is not available
yet. On nodes that are not to have a daemon pod any more an available pod stays until enough others are available.

Percentages are of the number of nodes that should run the pod, rounded up. A plan holds at most BURST creations and BURST
deletions; `more` says that it was cut short. Planning touches as many nodes as it acts on (`examined` names them), and goes by
node name, so the same tally gives the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

import msgspec

from everynode.controllers.daemonset.observe import Pod, UpdateStrategy
from everynode.controllers.daemonset.placement import Cause, State, Verdict
from everynode.controllers.daemonset.tally import Tally
from everynode.values.int_or_percent import scaled

# Creations, and deletions, in one plan: Kubernetes' number, so that one DaemonSet does not keep the API to itself.
BURST = 250

# Nodes without an available pod, or not to be relied on: what counts against maxUnavailable.
_UNAVAILABLE = (
    State.BARE,
    State.NEW_UNAVAILABLE,
    State.OLD_UNAVAILABLE,
    State.LEAVING_UNAVAILABLE,
    State.BOTH_WAITING,
    State.BOTH_DONE,
    State.SURPLUS,
    State.UNSETTLED,
)
# Nodes that have their extra pod already: what counts against maxSurge.
_SURGING = (State.BOTH_WAITING, State.SURPLUS, State.UNSETTLED)


class Strategy(msgspec.Struct, frozen=True):
    """How a DaemonSet is to be updated; budgets as written in the spec."""

    rolling: bool
    max_unavailable: int | str = 1
    max_surge: int | str = 0

    @classmethod
    def of(cls, strategy: UpdateStrategy) -> Strategy:
        rolling = strategy.rolling_update
        if strategy.type != "RollingUpdate" or rolling is None:
            return cls(strategy.type == "RollingUpdate")
        unavailable = 0 if rolling.max_unavailable is None else rolling.max_unavailable
        return cls(True, unavailable, 0 if rolling.max_surge is None else rolling.max_surge)

    @property
    def surge(self) -> bool:
        """Whether two pods may share a node; any percentage but none means yes."""
        return self.rolling and scaled(self.max_surge, 1, round_up=True) > 0

    def budgets(self, desired: int) -> tuple[int, int]:
        """(maxUnavailable, maxSurge) as numbers of nodes. Both zero, which the API refuses, means one unavailable."""
        unavailable = scaled(self.max_unavailable, desired, round_up=True)
        surge = scaled(self.max_surge, desired, round_up=True)
        return (1 if desired and not unavailable and not surge else unavailable), surge


class Creation(msgspec.Struct, frozen=True):
    node: str
    cause: Cause


class Deletion(msgspec.Struct, frozen=True):
    node: str
    pod: Pod
    cause: Cause


class Plan(msgspec.Struct, frozen=True):
    """What to do now. `more`: there is more than fits in one plan, so ask again when this is under way. `examined` are the
    nodes that were looked at: their Verdicts and the tally's counters are all that the plan depends on."""

    creations: tuple[Creation, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    more: bool = False
    examined: tuple[str, ...] = ()


def make_plan(tally: Tally, strategy: Strategy) -> Plan:
    """The next actions; nothing is changed."""
    creations = _Actions[Creation](tally)
    deletions = _Actions[Deletion](tally)
    creations.take(Creation(node, Cause.MISSING) for node in tally.lacking)
    deletions.take(_doomed(tally))
    if strategy.rolling:
        unavailable, surge = strategy.budgets(tally.desired)
        if surge:
            deletions.take(_served(tally), settled=True)
            creations.take(_surge(tally, surge), settled=True)
        else:
            deletions.take(_roll(tally, unavailable), settled=True)
    return Plan(
        tuple(creations.taken),
        tuple(deletions.taken),
        creations.more or deletions.more,
        tuple(dict.fromkeys(creations.examined + deletions.examined)),
    )


A = TypeVar("A", Creation, Deletion)


class _Actions(Generic[A]):
    """Actions of one kind, up to BURST of them."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.taken: list[A] = []
        self.more = False
        self.examined: list[str] = []

    def take(self, wanted: Iterator[A], *, settled: bool = False) -> None:
        """Takes what still fits, looking at no more than one action beyond that; if only `settled` nodes are to be acted on,
        those are left alone on which upkeep has its hands already."""
        for action in wanted:
            self.examined.append(action.node)
            if settled and self._in_upkeep(self._tally.verdicts[action.node]):
                continue
            if len(self.taken) == BURST:
                self.more = True
                return
            self.taken.append(action)

    def _in_upkeep(self, verdict: Verdict) -> bool:
        return verdict.lacks_pod or bool(verdict.doomed)


def unavailable_nodes(states: Sequence[int]) -> int:
    """How many nodes count against maxUnavailable, of so many in each state."""
    return sum(states[state] for state in _UNAVAILABLE)


def surging_nodes(states: Sequence[int]) -> int:
    """How many nodes count against maxSurge, of so many in each state."""
    return sum(states[state] for state in _SURGING)


def _doomed(tally: Tally) -> Iterator[Deletion]:
    for node in tally.doomed:
        for doomed in tally.verdicts[node].doomed:
            yield Deletion(node, doomed.pod, doomed.cause)


def _roll(tally: Tally, max_unavailable: int) -> Iterator[Deletion]:
    """An update without surge: delete, and let upkeep create."""
    yield from _old(tally, State.LEAVING_UNAVAILABLE, Cause.OLD_UNAVAILABLE)
    yield from _old(tally, State.OLD_UNAVAILABLE, Cause.OLD_UNAVAILABLE)
    allowed = max(0, max_unavailable - unavailable_nodes(tally.states))
    leaving = tally.states[State.LEAVING_AVAILABLE]
    yield from islice(_old(tally, State.LEAVING_AVAILABLE, Cause.UPDATE), allowed)
    yield from islice(_old(tally, State.OLD_AVAILABLE, Cause.UPDATE), max(0, allowed - leaving))


def _served(tally: Tally) -> Iterator[Deletion]:
    """An update with surge: the old pods that have done their duty."""
    yield from _old(tally, State.BOTH_DONE, Cause.REPLACED)
    yield from _old(tally, State.LEAVING_UNAVAILABLE, Cause.OLD_UNAVAILABLE)
    spare = max(0, tally.covered - tally.desired)
    yield from islice(_old(tally, State.LEAVING_AVAILABLE, Cause.MOVED), spare)


def _surge(tally: Tally, max_surge: int) -> Iterator[Creation]:
    """An update with surge: the new pods that may be created beside old ones."""
    for node in tally.by_state[State.OLD_UNAVAILABLE]:
        yield Creation(node, Cause.OLD_UNAVAILABLE)
    for node in islice(tally.by_state[State.OLD_AVAILABLE], max(0, max_surge - surging_nodes(tally.states))):
        yield Creation(node, Cause.SURGE)


def _old(tally: Tally, state: State, cause: Cause) -> Iterator[Deletion]:
    for node in tally.by_state[state]:
        pod = tally.verdicts[node].old
        if pod is not None:
            yield Deletion(node, pod, cause)
