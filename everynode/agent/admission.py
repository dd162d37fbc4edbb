"""Whether a node takes a pod that was bound to it: an agent's last word, after the scheduler's.

Pure. The questions are `fit`'s, the order, reasons and sentences a kubelet's: first what the node has too little of, then
labels, ports and NoExecute taints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from everynode.agent.pod import Pod, PodSpec, Rejection, Template
from everynode.fit.affinity import Requirements
from everynode.fit.ports import HostPorts
from everynode.fit.reasons import Reason
from everynode.fit.resources import PODS, Room
from everynode.fit.taints import NO_EXECUTE, untolerated
from everynode.fit.views import AnyNode, Taint


def refuse(
    spec: PodSpec,
    template: Template,
    node: AnyNode,
    taints: Sequence[Taint],
    allocatable: Mapping[str, int],
    others: Iterable[Pod],
) -> Rejection | None:
    """Why this node does not take the pod beside the `others` that are on it, or None if it does."""
    living = [other.template for other in others if not other.ended]
    shortage = _shortage(template, living, allocatable)
    if shortage is not None:
        return shortage
    if Requirements.of(spec).refuse(node) is not None:
        return _failed("NodeAffinity", Reason.AFFINITY.value)
    taken = HostPorts()
    for other in living:
        taken.take(other.ports)
    if template.ports and taken.collision(template.ports) is not None:
        return _failed("NodePorts", Reason.HOST_PORTS.value)
    if taints and untolerated(taints, spec.tolerations, frozenset((NO_EXECUTE,))) is not None:
        return _failed("TaintToleration", Reason.UNTOLERATED_TAINT.value)
    return None


def _shortage(template: Template, living: Sequence[Template], allocatable: Mapping[str, int]) -> Rejection | None:
    room = Room(allocatable)
    for other in living:
        room.add_requests(other.requests)
    # A resource that no node offers is not this node's to refuse; the scheduler judged it.
    requests = {resource: wanted for resource, wanted in template.requests.items() if resource in allocatable}
    refusals = room.refuse(requests)
    if not refusals:
        return None
    first = refusals[0]
    if first.reason is Reason.TOO_MANY_PODS:
        resource, wanted, used = PODS, 1, room.pods
    else:
        resource, wanted, used = first.detail, requests[first.detail], room.used.get(first.detail, 0)
    return Rejection(
        f"OutOf{resource}",
        f"Node didn't have enough resource: {resource}, requested: {wanted}, used: {used},"
        f" capacity: {allocatable.get(resource, 0)}",
    )


def _failed(predicate: str, sentence: str) -> Rejection:
    return Rejection(predicate, f"Predicate {predicate} failed: {sentence}")
