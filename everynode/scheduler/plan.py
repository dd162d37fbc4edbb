"""Where one pod goes, decided: a node, or the sentence that says why no node will do. Pure.

A pod whose required affinity names its nodes (a daemon pod names one) costs as many looks as it names, whatever the size
of the fleet. Any other pod looks at every node and takes, of those that fit, the one with no unwelcome PreferNoSchedule taint,
the most weight of its preferred affinity and the smallest share in use, in this order; names break ties.

Room that is promised to a waiting pod (nominated, see `preempt`) is not for those of the same or a lower priority; and a pod
that is nominated itself goes to that node if it fits there, whatever the others would offer.

The sentence is the Kubernetes scheduler's (framework.FitError): how many of all nodes refused for which reason, reasons
sorted as text. What preemption has to say follows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from everynode.fit.affinity import NAME_FIELD, Requirements
from everynode.fit.node import Demand, filter_node
from everynode.fit.reasons import Unfit
from everynode.fit.resources import Room
from everynode.fit.taints import untolerated
from everynode.fit.views import NodeSelectorTerm
from everynode.scheduler.observe import NodeRoom, PendingPod, PendingSpec, Taken

NO_NODES = "no nodes available to schedule pods"
CONFLICTING_TERMS = "pod affinity terms conflict"
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"

_PREFER_NO_SCHEDULE = frozenset(("PreferNoSchedule",))


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod goes to this node."""

    node: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No node will do: why, which nodes could come to do so (None: any), and why each node that was asked refused."""

    message: str
    waits_for: frozenset[str] | None
    refusals: Mapping[str, tuple[Unfit, ...]]


def ours(pod: PendingPod) -> bool:
    """Whether the pod asks for this scheduler."""
    return pod.spec.scheduler_name == "default-scheduler"


def wanted(pod: PendingPod) -> bool:
    """Whether this scheduler is to find a node for the pod now."""
    return (
        ours(pod)
        and not pod.spec.node_name
        and pod.metadata.deletion_timestamp is None
        and not pod.spec.scheduling_gates
    )


def plan(pod: PendingPod, nodes: Mapping[str, NodeRoom], nominated: str = "") -> Placed | Unplaced:
    """Where the pod goes, given every node and the room on it, and the node it is nominated for, if any."""
    demand = Demand.of(pod.spec)
    named = named_nodes(demand.requirements.terms or ())
    if not nodes:
        return Unplaced(NO_NODES, named, {})
    if named is not None and not named:
        return Unplaced(f"0/{len(nodes)} nodes are available: {CONFLICTING_TERMS}.", named, {})
    if nominated in nodes and not refuse(pod, demand, nodes[nominated]):
        return Placed(nominated)
    asked = nodes.values() if named is None else [nodes[name] for name in sorted(named) if name in nodes]
    refusals: dict[str, tuple[Unfit, ...]] = {}
    fitting: list[NodeRoom] = []
    for candidate in asked:
        refusal = refuse(pod, demand, candidate)
        if refusal:
            refusals[candidate.node.metadata.name] = refusal
        else:
            fitting.append(candidate)
    if not fitting:
        reasons = (unfit for refusal in refusals.values() for unfit in refusal)
        return Unplaced(none_available(len(nodes), reasons, NOT_NAMED, len(nodes) - len(refusals)), named, refusals)
    if len(fitting) == 1:
        return Placed(fitting[0].node.metadata.name)
    preferences = _preferences(pod.spec)
    best = min(fitting, key=lambda candidate: _rank(candidate, demand, preferences))
    return Placed(best.node.metadata.name)


def refuse(pod: PendingPod, demand: Demand, candidate: NodeRoom) -> tuple[Unfit, ...]:
    """Why this node does not take the pod now; empty when it does."""
    return filter_node(demand, candidate.node, room_for(pod, candidate))


def room_for(pod: PendingPod, candidate: NodeRoom, without: Iterable[Taken] = ()) -> Room:
    """What the pod finds on the node, were some of those on it gone: a copy if that differs from what there is."""
    if not candidate.nominated and not without:
        return candidate.room
    uid, priority = pod.metadata.uid, pod.spec.priority
    promised = [
        other.spec
        for other in candidate.nominated.values()
        if other.metadata.uid != uid and other.spec.priority >= priority
    ]
    return candidate.room.beside(promised, without)


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
    node, room = candidate.node, candidate.room
    unwelcome = untolerated(node.spec.taints, demand.tolerations, _PREFER_NO_SCHEDULE) is not None
    weight = sum(weight for weight, requirements in preferences if requirements.refuse(node) is None)
    share = _share(room.pods + 1, room.allocatable.get("pods", 0))
    for resource in ("cpu", "memory"):
        in_use = room.used.get(resource, 0) + demand.requests.get(resource, 0)
        share += _share(in_use, room.allocatable.get(resource, 0))
    return unwelcome, -weight, share, node.metadata.name


def _share(in_use: int, allocatable: int) -> float:
    return in_use / allocatable if allocatable else 1.0


def none_available(total: int, reasons: Iterable[object], of_others: str, others: int) -> str:
    """That none of so many nodes will do: how often each reason was given; `of_others` is said of those not asked."""
    counts = Counter(str(reason) for reason in reasons)
    if others:
        counts[of_others] += others
    counted = sorted(f"{count} {reason}" for reason, count in counts.items())
    return f"0/{total} nodes are available: {', '.join(counted)}."
