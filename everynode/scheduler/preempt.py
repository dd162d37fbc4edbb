"""Who gives way to a pod that fits nowhere, decided. Pure.

In: the pod, why every node refused it (`plan`), the nodes with the room on each, and of those nodes where pods of a lower
priority stand in the way, what the API says of the pods there (`known`). Out: `Preempts` (these pods give way on this node),
`Stands` (nobody does, and why), or `Asks` (the pods of these nodes have to be read before that can be said; where nobody of a
lower priority is, or where all of them together would not make room enough, nothing needs to be read).

Guaranteed: only pods of strictly lower priority give way; without them the pod fits, beside every pod nominated for that node
with the same or a higher priority; and each of them is needed: they are all taken away, then given back one by one while the
pod still fits, those first whose PodDisruptionBudget would be violated, then the most important (priority, then the longest
running). Of several nodes that one is taken where the fewest budgets are violated, then where the most important victim is the
least important, where the sum of priorities and then the number of victims is least, and where the most important victims
started last. Criteria, order and sentences are those of Kubernetes' DefaultPreemption; names break ties.

A budget is a wish here: it decides who is asked first, and where, but never saves the last one that can help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from everynode.fit.node import Demand, filter_node
from everynode.fit.reasons import Unfit
from everynode.scheduler.observe import Budget, NodeRoom, Occupant, PendingPod, Taken
from everynode.scheduler.plan import Unplaced, none_available, room_for
from everynode.values.labels import Selector, SelectorError, from_label_selector
from everynode.values.timestamps import parse

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER_PREEMPTS = "not eligible due to preemptionPolicy=Never."
ALREADY_LEAVING = "not eligible due to a terminating pod on the nominated node."

DISRUPTION_TARGET, BY_SCHEDULER = "DisruptionTarget", "PreemptionByScheduler"

# Nodes that are weighed against each other: all up to the first number, a share of all beyond it (upstream's defaults).
LEAST_CANDIDATES, CANDIDATES_SHARE = 100, 0.1
# Added to each priority before they are summed up, so that more victims never weigh less: priorities may be negative.
_ABOVE_ALL = 2**31

# What the API says of the pods on some nodes: by node, then by uid.
Known = Mapping[str, Mapping[str, Occupant]]


@dataclass(frozen=True, slots=True)
class Preempts:
    """The victims, the most important first, give way on this node."""

    node: str
    victims: tuple[Occupant, ...]

    @property
    def message(self) -> str:
        return f"found a potential placement for pod on node {self.node}, preempting {len(self.victims)} victims"


@dataclass(frozen=True, slots=True)
class Stands:
    """Nobody gives way; whether room that was promised to the pod before stays promised."""

    message: str
    nomination_holds: bool


@dataclass(frozen=True, slots=True)
class Asks:
    """Who is on these nodes must be read first."""

    nodes: frozenset[str]


class _Victim(NamedTuple):
    """A pod that may have to give way, and since when (Unix seconds) it runs."""

    taken: Taken
    pod: Occupant
    since: float

    @property
    def importance(self) -> tuple[int, float, str, str]:
        """Smallest is the most important."""
        meta = self.pod.metadata
        return -self.taken.priority, self.since, meta.namespace, meta.name


class _Candidate(NamedTuple):
    """A node on which these victims, the most important first, could give way, and how many budgets that would violate."""

    node: str
    victims: Sequence[_Victim]
    violations: int

    @property
    def rank(self) -> tuple[int, int, int, int, float, str]:
        """Smallest is best."""
        highest = self.victims[0].taken.priority
        weight = sum(victim.taken.priority + _ABOVE_ALL for victim in self.victims)
        longest = min(victim.since for victim in self.victims if victim.taken.priority == highest)
        return self.violations, highest, weight, len(self.victims), -longest, self.node


def preempt(
    pod: PendingPod,
    refused: Unplaced,
    nodes: Mapping[str, NodeRoom],
    nominated: str,
    known: Known,
    budgets: Sequence[Budget],
    now: float,
) -> Preempts | Stands | Asks:
    """Who gives way to the pod, if anybody; `nominated` is the node on which room is promised to it already, or ""."""
    if not nodes:
        return Stands("", nomination_holds=False)
    if pod.spec.preemption_policy == "Never":
        return Stands(NEVER_PREEMPTS, nomination_holds=True)
    movable = [name for name, refusal in refused.refusals.items() if all(unfit.resolvable for unfit in refusal)]
    if nominated in movable:
        leaving = _leaving(pod, nodes[nominated], known.get(nominated))
        if leaving is None:
            return Asks(frozenset((nominated,)))
        if leaving:
            return Stands(ALREADY_LEAVING, nomination_holds=True)
    demand = Demand.of(pod.spec)
    reasons: list[object] = []
    promising: list[NodeRoom] = []
    enough = max(LEAST_CANDIDATES, int(len(movable) * CANDIDATES_SHARE))
    for name in movable:
        why_not = _hopeless(pod, demand, nodes[name])
        reasons.extend(why_not)
        if not why_not:
            promising.append(nodes[name])
            if len(promising) == enough:
                break
    if not promising:
        of_others = len(nodes) - len(movable)
        return Stands(none_available(len(nodes), reasons, NOT_HELPFUL, of_others), nomination_holds=False)
    unread = frozenset(_name(each) for each in promising if _name(each) not in known)
    if unread:
        return Asks(unread)
    read = [each for each in promising if _lesser(pod, each).keys() <= known[_name(each)].keys()]
    if not read:
        return Asks(frozenset(map(_name, promising)))
    best = min(
        (_select(pod, demand, each, known[_name(each)], budgets, now) for each in read), key=lambda one: one.rank
    )
    return Preempts(best.node, tuple(victim.pod for victim in best.victims))


def _lesser(pod: PendingPod, candidate: NodeRoom) -> dict[str, Taken]:
    """The pods on the node that are less important than this one, by uid."""
    priority = pod.spec.priority
    return {each.uid: each.taken for each in candidate.charges if each.taken.priority < priority}


def _name(candidate: NodeRoom) -> str:
    return candidate.node.metadata.name


def _leaving(pod: PendingPod, candidate: NodeRoom, occupants: Mapping[str, Occupant] | None) -> bool | None:
    """Whether somebody is leaving the node by our doing already; None if that has to be read."""
    below = _lesser(pod, candidate)
    if not below:
        return False
    if occupants is None:
        return None
    return any(
        occupant.metadata.deletion_timestamp is not None
        and any(
            (each.type, each.status, each.reason) == (DISRUPTION_TARGET, "True", BY_SCHEDULER)
            for each in occupant.status.conditions
        )
        for uid, occupant in occupants.items()
        if uid in below
    )


def _hopeless(pod: PendingPod, demand: Demand, candidate: NodeRoom) -> Sequence[str | Unfit]:
    """Why not even without every less important pod there would be room on the node; empty if there would."""
    below = _lesser(pod, candidate)
    if not below:
        return (NO_VICTIMS,)
    return filter_node(demand, candidate.node, room_for(pod, candidate, below.values()))


def _select(
    pod: PendingPod,
    demand: Demand,
    candidate: NodeRoom,
    occupants: Mapping[str, Occupant],
    budgets: Sequence[Budget],
    now: float,
) -> _Candidate:
    """As few victims on this node as will do."""
    below = _lesser(pod, candidate)
    possible = sorted(
        (_Victim(taken, occupants[uid], _started(occupants[uid], now)) for uid, taken in below.items()),
        key=lambda victim: victim.importance,
    )
    room = room_for(pod, candidate, below.values())
    violating = _violating(possible, budgets)
    victims = []
    # Sorting keeps the order among those of whom the same is said.
    for victim in sorted(possible, key=lambda each: each.pod.metadata.uid not in violating):
        room.add(victim.taken)
        if filter_node(demand, candidate.node, room):
            room.remove(victim.taken)
            victims.append(victim)
    victims.sort(key=lambda each: each.importance)
    return _Candidate(_name(candidate), victims, sum(each.pod.metadata.uid in violating for each in victims))


def _started(occupant: Occupant, now: float) -> float:
    """A pod that has not started yet starts now."""
    return parse(occupant.status.start_time) if occupant.status.start_time else now


def _violating(victims: Iterable[_Victim], budgets: Sequence[Budget]) -> set[str]:
    """The uids of those whose budget would be violated if all of them went, one after the other."""
    protecting = [(budget, selector) for budget in budgets if (selector := _selector(budget)) is not None]
    left = {id(budget): budget.status.disruptions_allowed for budget, _ in protecting}
    violating = set()
    for victim in victims:
        meta = victim.pod.metadata
        for budget, selector in protecting:
            if (
                budget.metadata.namespace != meta.namespace
                or meta.name in budget.status.disrupted_pods
                or not meta.labels
                or not selector.matches(meta.labels)
            ):
                continue
            left[id(budget)] -= 1
            if left[id(budget)] < 0:
                violating.add(meta.uid)
                break
    return violating


def _selector(budget: Budget) -> Selector | None:
    """Whom the budget protects; None if nobody, as the scheduler takes a selector that is empty or makes no sense."""
    try:
        selector = from_label_selector(budget.spec.selector)
    except SelectorError:
        return None
    return None if selector.selects_everything else selector
