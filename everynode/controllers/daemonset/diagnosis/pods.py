"""Why one pod of a DaemonSet does not serve its node: the first of these questions that has an answer.

Is it being deleted? Is its machine there, and heard of? Has it a place? Has it ended? Do its containers run and pass their
probes? Are its readiness gates open? Has it been ready for long enough? Each question makes those after it meaningless, so a
pod has one cause, not a list of consequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from everynode.controllers.daemonset.diagnosis.causes import Finding, Kind
from everynode.controllers.daemonset.diagnosis.containers import container_finding
from everynode.controllers.daemonset.diagnosis.facts import Event, Node, Pod, moment
from everynode.controllers.daemonset.diagnosis.places import place_finding

# Seconds by which a machine's clock may be off before it is worth a word.
SKEW = 10.0
# Seconds beyond its grace after which a pod that is still there is not just slow to go.
LATE = 10.0


class Situation(msgspec.Struct, frozen=True):
    """A pod, the machine it is on or meant for (None: it does not exist), who else is there, and what was told of the pod."""

    pod: Pod
    node: Node | None
    beside: Sequence[Pod]
    events: list[Event]
    min_ready_seconds: int
    now: float


def pod_finding(situation: Situation) -> Finding | None:
    """What keeps this pod from being available, or None."""
    for question in _QUESTIONS:
        finding = question(situation)
        if finding is not None:
            return finding
    return None


def _going(one: Situation) -> Finding | None:
    """A deletion time is the moment at which the grace ends."""
    pod, meta = one.pod, one.pod.metadata
    ends = moment(meta.deletion_timestamp)
    if ends is None:
        return None
    late = one.now > ends + LATE
    if late and _is_silent(one.node):
        return _silent(one)
    if late and meta.finalizers:
        held = ", ".join(meta.finalizers)
        return Finding(
            Kind.FINALIZER,
            f"the pod is deleted, but the finalizer {held} holds it",
            pod=pod.key,
            key=held,
            since=ends,
            proof=f"deletionTimestamp {meta.deletion_timestamp}, finalizers {held}",
            remedy=f"kubectl get pod -n {meta.namespace} {meta.name} -o jsonpath='{{.metadata.finalizers}}'",
            advice=("Whoever set the finalizer is to take it away; by hand only if that will never happen.",),
        )
    return Finding(
        Kind.TERMINATING,
        "the pod is still there after its grace period" if late else "the old pod is being stopped",
        pod=pod.key,
        holds=late,
        key="late" if late else "",
        since=ends,
        until=None if late else ends,
        proof=f"deletionTimestamp {meta.deletion_timestamp}",
        remedy=f"kubectl describe pod -n {meta.namespace} {meta.name}",
    )


def _machine(one: Situation) -> Finding | None:
    if one.node is None:
        what = "the node does not exist any more"
        return Finding(Kind.NODE_GONE, what, pod=one.pod.key, proof=f"spec.nodeName {one.pod.spec.node_name}")
    return _silent(one) if _is_silent(one.node) else None


def _is_silent(node: Node | None) -> bool:
    ready = node.ready if node is not None else None
    return ready is not None and ready.status != "True"


def _silent(one: Situation) -> Finding:
    assert one.node is not None
    assert one.node.ready is not None
    ready = one.node.ready
    unknown = ready.status == "Unknown"
    return Finding(
        Kind.NODE_NOT_READY,
        "the node is not heard of any more" if unknown else "the node says that it is not ready",
        pod=one.pod.key,
        key=ready.status,
        since=ready.since,
        proof=f"{ready.reason}: {ready.message}" if ready.message else ready.reason,
        remedy=f"kubectl describe node {one.node.metadata.name}",
        advice=("A node that will not come back stops counting once it is deleted: kubectl delete node NAME.",)
        if unknown
        else (),
    )


def _place(one: Situation) -> Finding | None:
    if one.pod.spec.node_name or one.node is None:
        return None
    return place_finding(one.pod, one.node, one.beside, one.now)


def _ended(one: Situation) -> Finding | None:
    status = one.pod.status
    if status.phase not in ("Failed", "Succeeded"):
        return None
    # The controller replaces it, sooner or later: what is wrong is told, but there is something under way.
    return Finding(
        Kind.POD_FAILED,
        f"the pod has {status.phase.lower()}{f' ({status.reason})' if status.reason else ''} and is replaced",
        pod=one.pod.key,
        holds=False,
        key=status.reason,
        since=moment(one.pod.metadata.creation_timestamp),
        proof=status.message or f"phase {status.phase}",
        remedy=f"kubectl describe pod -n {one.pod.metadata.namespace} {one.pod.metadata.name}",
    )


def _containers(one: Situation) -> Finding | None:
    return container_finding(one.pod, one.events, one.now)


def _gates(one: Situation) -> Finding | None:
    for gate in one.pod.spec.readiness_gates:
        condition = one.pod.status.condition(gate.condition_type)
        if condition is None or condition.status != "True":
            return Finding(
                Kind.READINESS_GATE,
                f"the readiness gate {gate.condition_type} is closed",
                pod=one.pod.key,
                key=gate.condition_type,
                since=condition.since if condition is not None else moment(one.pod.metadata.creation_timestamp),
                proof=(condition.message or condition.reason) if condition is not None else "the condition is not set",
            )
    return None


def _long_enough(one: Situation) -> Finding | None:
    ready = one.pod.status.condition("Ready")
    if ready is None or ready.status != "True":
        return None
    since = ready.since
    if since is not None and since > one.now + SKEW:
        return Finding(
            Kind.CLOCK_SKEW,
            "the node's clock is ahead",
            pod=one.pod.key,
            key=one.node.metadata.name if one.node is not None else "",
            since=since,
            proof=f"ready since {ready.last_transition_time}, which is {since - one.now:.0f} s from now",
            remedy="set the node's clock (chronyc tracking, timedatectl)",
        )
    until = since + one.min_ready_seconds if since is not None else None
    if not one.min_ready_seconds:
        return None
    what = f"the pod is ready, and becomes available after minReadySeconds ({one.min_ready_seconds} s)"
    proof = f"ready since {ready.last_transition_time}"
    return Finding(Kind.MIN_READY, what, pod=one.pod.key, holds=False, since=since, until=until, proof=proof)


_QUESTIONS: tuple[Callable[[Situation], Finding | None], ...] = (
    _going,
    _machine,
    _place,
    _ended,
    _containers,
    _gates,
    _long_enough,
)
