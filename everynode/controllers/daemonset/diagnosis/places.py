"""Why one pod has no place: the scheduler's own questions (`fit`), asked again with the numbers that its message leaves out.

What is missing is told in the words of the manifest, and which pods on the node could make room: those that are no daemon's
and of no higher priority, the smallest number of them, biggest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from everynode.controllers.daemonset.diagnosis.causes import Finding, Kind
from everynode.controllers.daemonset.diagnosis.facts import Node, Pod, moment
from everynode.fit.node import Demand, filter_node
from everynode.fit.ports import host_ports_of
from everynode.fit.reasons import Reason, Unfit
from everynode.fit.resources import PODS, Room, requests_of

# Seconds after which a pod that fits and has no node means that nobody schedules.
LONG_WAIT = 30.0
# What the page warns of before a pod is deleted to make room.
WARNINGS = (
    "A pod without a controller is not made again once it is deleted.",
    "Deleting a pod does not ask its PodDisruptionBudget; `kubectl drain` and the Eviction API do.",
)


def place_finding(pod: Pod, node: Node, beside: Sequence[Pod], now: float) -> Finding:
    """Why a pod that is meant for this node is not bound to it; `beside` are the pods that are there or meant to be."""
    room = Room.of(node)
    for other in beside:
        if other.metadata.uid != pod.metadata.uid and other.spec.node_name and not other.is_over:
            room.add(other.spec)
    refusals = filter_node(Demand.of(pod.spec), node, room)
    condition = pod.status.condition("PodScheduled")
    said = condition.message if condition is not None else ""
    since = (condition.since if condition is not None else None) or moment(pod.metadata.creation_timestamp)
    if not refusals:
        what = "the pod has no node yet, though it would fit"
        waits = since is not None and now - since > LONG_WAIT
        return Finding(Kind.NOT_SCHEDULED, what, pod=pod.key, holds=waits, since=since, proof=said or "not bound")
    first = refusals[0]
    kind, what = _worded(first)
    if kind is Kind.INSUFFICIENT_RESOURCES:
        return _short(pod, node, room, refusals, beside, since, said)
    if kind is Kind.HOST_PORT_TAKEN:
        return _port(pod, first, beside, since, said)
    remedy = (
        f"kubectl uncordon {node.metadata.name}"
        if kind is Kind.NODE_CORDONED
        else f"kubectl describe node {node.metadata.name}"
    )
    return Finding(kind, what, pod=pod.key, key=first.detail, since=since, proof=said or str(first), remedy=remedy)


def _worded(refusal: Unfit) -> tuple[Kind, str]:
    match refusal.reason:
        case Reason.UNSCHEDULABLE:
            return Kind.NODE_CORDONED, "the node is cordoned, and the pod does not tolerate it"
        case Reason.UNTOLERATED_TAINT:
            return Kind.TAINT_NOT_TOLERATED, f"the pod does not tolerate the taint {refusal.detail}"
        case Reason.HOST_PORTS:
            return Kind.HOST_PORT_TAKEN, f"host port {refusal.detail} is taken"
        case Reason.INSUFFICIENT | Reason.TOO_MANY_PODS:
            return Kind.INSUFFICIENT_RESOURCES, str(refusal)
        case Reason.AFFINITY | Reason.OTHER_NODE:
            return Kind.AFFINITY_UNMET, "the node does not match the pod's node selector or affinity"


def _short(
    pod: Pod,
    node: Node,
    room: Room,
    refusals: Sequence[Unfit],
    beside: Sequence[Pod],
    since: float | None,
    said: str,
) -> Finding:
    wanted = requests_of(pod.spec)
    short = [one.detail or PODS for one in refusals]
    lacking = "; ".join(_gap(resource, wanted, room) for resource in short)
    could_go = _who_could_go(pod, room, wanted, beside)
    advice: tuple[str, ...] = ()
    remedy = f"kubectl describe node {node.metadata.name}"
    if could_go:
        names = ", ".join(one.key for one in could_go)
        advice = (f"Room would be made on {node.metadata.name} by deleting {names}.", *WARNINGS)
        one = could_go[0].metadata
        remedy = f"kubectl delete pod -n {one.namespace} {one.name}"
    return Finding(
        Kind.INSUFFICIENT_RESOURCES,
        f"not enough {' and '.join(short)} is free",
        pod=pod.key,
        key=" ".join(short),
        since=since,
        proof=f"{node.metadata.name}: {lacking}" + (f" ({said})" if said else ""),
        remedy=remedy,
        advice=advice,
    )


def _gap(resource: str, wanted: Mapping[str, int], room: Room) -> str:
    if resource == PODS:
        return f"{room.pods} pods of {room.allocatable.get(PODS, 0)} are there already"
    free = room.allocatable.get(resource, 0) - room.used.get(resource, 0)
    asked = wanted[resource]
    asks, has, lacks = (_amount(resource, value) for value in (asked, max(0, free), asked - free))
    return f"{asks} of {resource} asked for, {has} free, {lacks} missing"


def _amount(resource: str, value: int) -> str:
    """A whole number of a resource's base unit as a manifest writes it."""
    if resource == "cpu":
        return f"{value}m" if value % 1000 else str(value // 1000)
    if resource == "memory" or resource.endswith("storage") or resource.startswith("hugepages-"):
        for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if value % size == 0 and value:
                return f"{value // size}{unit}"
    return str(value)


def _who_could_go(pod: Pod, room: Room, wanted: Mapping[str, int], beside: Sequence[Pod]) -> list[Pod]:
    """The fewest ordinary pods, biggest first, without which this one would fit; none if that is not enough."""
    ordinary = [
        other
        for other in beside
        if other.spec.node_name
        and not other.is_over
        and other.metadata.deletion_timestamp is None
        and not _is_daemon(other)
        and (other.spec.priority or 0) <= (pod.spec.priority or 0)
    ]
    resources = [resource for resource in wanted if wanted[resource] > 0]
    ordinary.sort(key=lambda other: [-requests_of(other.spec).get(resource, 0) for resource in resources])
    gone: list[Pod] = []
    for other in ordinary:
        gone.append(other)
        if not room.beside((), [one.spec for one in gone]).refuse(wanted):
            return gone
    return []


def _port(pod: Pod, refusal: Unfit, beside: Sequence[Pod], since: float | None, said: str) -> Finding:
    mine = {(port.protocol, port.port) for port in host_ports_of(pod.spec)}
    holders = [
        other
        for other in beside
        if other.metadata.uid != pod.metadata.uid
        and other.spec.node_name
        and not other.is_over
        and mine & {(port.protocol, port.port) for port in host_ports_of(other.spec)}
    ]
    by = ", ".join(other.key for other in holders)
    if holders and all(_are_siblings(pod, other) for other in holders):
        return Finding(
            Kind.SURGE_WITH_HOST_PORT,
            f"the new pod cannot start beside the old one: both claim host port {refusal.detail}",
            pod=pod.key,
            key=refusal.detail,
            since=since,
            proof=f"by {by}",
            advice=("A DaemonSet with a host port is updated with maxSurge 0 and maxUnavailable 1 or more.",),
        )
    return Finding(
        Kind.HOST_PORT_TAKEN,
        f"host port {refusal.detail} is taken",
        pod=pod.key,
        key=refusal.detail,
        since=since,
        proof=f"by {by}" if by else said,
        remedy=f"kubectl get pod -n {holders[0].metadata.namespace} {holders[0].metadata.name}" if holders else "",
    )


def _are_siblings(pod: Pod, other: Pod) -> bool:
    mine, its = pod.metadata.controller, other.metadata.controller
    return mine is not None and its is not None and mine.uid == its.uid


def _is_daemon(pod: Pod) -> bool:
    owner = pod.metadata.controller
    return owner is not None and owner.is_daemon_set
