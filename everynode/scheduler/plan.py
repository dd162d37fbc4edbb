"""Where one pod goes, decided: a node, or the sentence that says why no node will do. Pure.

A pod whose required affinity names its nodes (a daemon pod names one) costs as many looks as it names, whatever the size
of the fleet. Any other pod looks at every node and takes, of those that fit, the one with no unwelcome PreferNoSchedule taint,
the most weight of its preferred affinity and the smallest share in use, in this order; names break ties.

The sentence is the Kubernetes scheduler's (framework.FitError): how many of all nodes refused for which reason, reasons
sorted as text, then what preemption would have to say. Nobody is preempted yet, so it says that it found no victims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from everynode.fit.affinity import NAME_FIELD, Requirements
from everynode.fit.node import Demand, filter_node
from everynode.fit.reasons import Unfit
from everynode.fit.taints import untolerated
from everynode.fit.views import NodeSelectorTerm
from everynode.scheduler.observe import NodeRoom, PendingPod, PendingSpec

NO_NODES = "no nodes available to schedule pods"
CONFLICTING_TERMS = "pod affinity terms conflict"
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER_PREEMPTS = "not eligible due to preemptionPolicy=Never."

_PREFER_NO_SCHEDULE = frozenset(("PreferNoSchedule",))


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod goes to this node."""

    node: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No node will do: why, and which nodes could come to do so (None: any)."""

    message: str
    waits_for: frozenset[str] | None


def wanted(pod: PendingPod) -> bool:
    """Whether this scheduler is to find a node for the pod now."""
    return (
        pod.spec.scheduler_name == "default-scheduler"
        and not pod.spec.node_name
        and pod.metadata.deletion_timestamp is None
        and not pod.spec.scheduling_gates
    )


def plan(pod: PendingPod, nodes: Mapping[str, NodeRoom]) -> Placed | Unplaced:
    """Where the pod goes, given every node and the room on it."""
    demand = Demand.of(pod.spec)
    named = named_nodes(demand.requirements.terms or ())
    if not nodes:
        return Unplaced(NO_NODES, named)
    if named is not None and not named:
        return Unplaced(_message(pod, len(nodes), CONFLICTING_TERMS, [], ""), named)
    asked = nodes.values() if named is None else [nodes[name] for name in sorted(named) if name in nodes]
    refusals: list[tuple[Unfit, ...]] = []
    fitting: list[NodeRoom] = []
    for candidate in asked:
        refusal = filter_node(demand, candidate.node, candidate.room)
        if refusal:
            refusals.append(refusal)
        else:
            fitting.append(candidate)
    if not fitting:
        return Unplaced(_message(pod, len(nodes), "", refusals, NOT_NAMED), named)
    if len(fitting) == 1:
        return Placed(fitting[0].node.metadata.name)
    preferences = _preferences(pod.spec)
    best = min(fitting, key=lambda candidate: _rank(candidate, demand, preferences))
    return Placed(best.node.metadata.name)


def named_nodes(terms: Iterable[NodeSelectorTerm]) -> frozenset[str] | None:
    """The only nodes that required affinity terms allow by name; None if any term leaves the name open."""
    names: set[str] | None = None
    for term in terms:
        lists = [
            set(requirement.values)
            for requirement in term.match_fields
            if requirement.key == NAME_FIELD and requirement.operator == "In"
        ]
        if not lists:
            return None
        names = (names or set()) | set.intersection(*lists)
    return None if names is None else frozenset(names)


Preferences = Sequence[tuple[int, Requirements]]


def _preferences(spec: PendingSpec) -> Preferences:
    affinity = spec.affinity.node_affinity if spec.affinity else None
    preferred = affinity.preferred_during_scheduling_ignored_during_execution if affinity else []
    return [(term.weight, Requirements({}, (term.preference,))) for term in preferred]


def _rank(candidate: NodeRoom, demand: Demand, preferences: Preferences) -> tuple[bool, int, float, str]:
    """Smallest is best."""
    node, room = candidate
    unwelcome = untolerated(node.spec.taints, demand.tolerations, _PREFER_NO_SCHEDULE) is not None
    weight = sum(weight for weight, requirements in preferences if requirements.refuse(node) is None)
    share = _share(room.pods + 1, room.allocatable.get("pods", 0))
    for resource in ("cpu", "memory"):
        in_use = room.used.get(resource, 0) + demand.requests.get(resource, 0)
        share += _share(in_use, room.allocatable.get(resource, 0))
    return unwelcome, -weight, share, node.metadata.name


def _share(in_use: int, allocatable: int) -> float:
    return in_use / allocatable if allocatable else 1.0


def _message(pod: PendingPod, total: int, of_all: str, refusals: Sequence[tuple[Unfit, ...]], of_others: str) -> str:
    """`of_all` is said of every node at once; else `refusals` are those asked and `of_others` is said of the rest."""
    if of_all:
        reasons = f" {of_all}."
    else:
        reasons = _histogram(
            [str(unfit) for refusal in refusals for unfit in refusal], of_others, total - len(refusals)
        )
    return f"0/{total} nodes are available:{reasons} preemption: {_preemption(pod, total, refusals)}"


def _preemption(pod: PendingPod, total: int, refusals: Sequence[tuple[Unfit, ...]]) -> str:
    if pod.spec.preemption_policy == "Never":
        return NEVER_PREEMPTS
    # Where other pods are all that stands in the way, one of them would have to be less important.
    movable = sum(1 for refusal in refusals if all(unfit.resolvable for unfit in refusal))
    return f"0/{total} nodes are available:{_histogram([NO_VICTIMS] * movable, NOT_HELPFUL, total - movable)}"


def _histogram(reasons: Iterable[str], of_others: str, others: int) -> str:
    counts = Counter(reasons)
    if others:
        counts[of_others] += others
    counted = sorted(f"{count} {reason}" for reason, count in counts.items())
    return f" {', '.join(counted)}."
