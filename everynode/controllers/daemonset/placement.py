"""One node and the daemon pods on it: what is, what should be, and why. One frozen Verdict.

    judge(rules, node name, node or None, its daemon pods, now) -> Verdict

A Verdict says four things. *Placement*: should a daemon pod run here, may one that runs go on, and if not, why. *Upkeep*:
whether the node lacks a pod and which pods are to go whatever the update strategy says (failed, succeeded, surplus, not wanted
here). *Update*: the state of the node in the eyes of a rolling update. *Status*: how the node counts in the DaemonSet's
status. `until` is the moment at which the same facts give another Verdict (a pod becomes available, a back-off ends).

Only facts about this node come in, so a fleet is judged one node at a time and nothing here depends on its size.

Placement looks at the template's node name, its selector and affinity, and at taints. It does not look at conditions,
cordoning, resources or ports: the pod is made, and the scheduler says what hinders it.

A node whose last write has not been seen yet is `unsettled`: nothing is done about it, and budgets count it as neither having
a pod nor being free to lose one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from math import inf

import msgspec

from everynode.controllers.daemonset.observe import FAILED, SUCCEEDED, Node, Pod
from everynode.fit.affinity import Requirements
from everynode.fit.node import refuse_node_name
from everynode.fit.reasons import Unfit
from everynode.fit.taints import NO_EXECUTE, refuse_taints, untolerated
from everynode.fit.views import Toleration

_EXECUTE_ONLY = frozenset((NO_EXECUTE,))


class Cause(enum.Enum):
    """Why a pod is created or deleted: the closed list, one sentence each."""

    MISSING = "the node has no daemon pod"
    SURGE = "the update may have one more pod running at a time"
    OLD_UNAVAILABLE = "the node's old pod is not available, so nothing is lost by replacing it"
    UPDATE = "the update may have one more pod unavailable at a time"
    REPLACED = "its successor on the node is available"
    OLD_NOT_READY = "it is old and not ready, and its successor is on the node already"
    SURPLUS = "the node has more daemon pods than it should"
    FAILED = "it has failed"
    SUCCEEDED = "it has succeeded, but should run for ever"
    NOT_WANTED = "daemon pods must not run on this node"
    NODE_GONE = "its node does not exist, so it can never run"
    MOVED = "the node is not to have a daemon pod any more, and enough others are available"


class State(enum.IntEnum):
    """A node in the eyes of a rolling update. Only pods that are not terminating are looked at.

    LEAVING_* are like OLD_* on a node that should not have a daemon pod (any more).
    """

    OUTSIDE = 0  # should have no pod and has none
    BARE = 1  # none, or only terminating ones
    NEW_AVAILABLE = 2
    NEW_UNAVAILABLE = 3
    OLD_AVAILABLE = 4
    OLD_UNAVAILABLE = 5
    LEAVING_AVAILABLE = 6
    LEAVING_UNAVAILABLE = 7
    BOTH_WAITING = 8  # one old, one new, and the new one is not available yet
    BOTH_DONE = 9  # one old, one new, and the new one is available
    SURPLUS = 10  # several of a kind: upkeep deletes them first
    UNSETTLED = 11  # a write is not seen yet, or upkeep clears the node


class Rules(msgspec.Struct, frozen=True):
    """What one DaemonSet asks, the same for every node: worked out once for each change of its spec.

    `tolerations` include the implicit ones; `hash` is the current revision's; `surge` tells whether two pods may share a node.
    """

    node_name: str
    requirements: Requirements
    tolerations: tuple[Toleration, ...]
    hash: str
    min_ready_seconds: int
    surge: bool


class Doomed(msgspec.Struct, frozen=True, gc=False):
    """A pod that upkeep deletes."""

    pod: Pod
    cause: Cause


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one node means to one DaemonSet; see the module."""

    node: str
    # Placement
    should_run: bool = False
    should_continue: bool = False
    refusal: Unfit | None = None
    # Upkeep
    lacks_pod: bool = False
    doomed: tuple[Doomed, ...] = ()
    # Update: `old` is the pod an update would delete; `covered`: a pod that serves the node is available.
    state: State = State.OUTSIDE
    old: Pod | None = None
    covered: bool = False
    # Status
    scheduled: bool = False
    ready: bool = False
    available: bool = False
    updated: bool = False
    # When to look again
    until: float = inf


def placement(rules: Rules, node: Node | None, name: str) -> tuple[bool, bool, Unfit | None]:
    """(should run, should continue, why not) for one node; a node that does not exist should have nothing."""
    if node is None:
        return False, False, None
    refusal = refuse_node_name(rules.node_name, node) or rules.requirements.refuse(node)
    if refusal is not None:
        return False, False, refusal
    refusal = refuse_taints(node.spec.taints, rules.tolerations)
    if refusal is not None:
        return False, untolerated(node.spec.taints, rules.tolerations, _EXECUTE_ONLY) is None, refusal
    return True, True, None


def judge(
    rules: Rules,
    name: str,
    node: Node | None,
    pods: Sequence[Pod],
    now: float,
    *,
    ready_since: Mapping[str, float],
    failed_until: float = 0.0,
    unsettled: bool = False,
) -> Verdict:
    """The Verdict on one node.

    `pods` are the DaemonSet's pods whose target is this node, in any order. `ready_since` tells, by uid, since when a ready pod
    has been ready (needed only with minReadySeconds); `failed_until` is when the next failed pod of this node may be deleted.
    """
    should_run, should_continue, refusal = placement(rules, node, name)
    # What has ended and is being deleted is waiting for a finalizer only: it occupies nothing.
    present = sorted((pod for pod in pods if not (pod.terminating and pod.terminal)), key=precedence)
    moments = [_available_at(rules, pod, ready_since) for pod in present]
    available = {pod.metadata.uid for pod, moment in zip(present, moments, strict=True) if moment <= now}
    until = min((moment for moment in moments if now < moment), default=inf)

    lacks_pod = False
    doomed: tuple[Doomed, ...] = ()
    state, old, covered = State.UNSETTLED, None, False
    if not unsettled:
        lacks_pod, doomed, retry = _upkeep(
            rules, node, should_run, should_continue, present, available, now, failed_until
        )
        until = min(until, retry)
        if should_continue or not doomed:
            state, old, covered = _state(rules, should_run, present, available)
    first = present[0] if present else None
    return Verdict(
        node=name,
        should_run=should_run,
        should_continue=should_continue,
        refusal=refusal,
        lacks_pod=lacks_pod,
        doomed=doomed,
        state=state,
        old=old,
        covered=covered,
        scheduled=first is not None and node is not None,
        ready=first is not None and first.ready,
        available=first is not None and first.metadata.uid in available,
        updated=first is not None and is_updated(rules, first),
        until=until,
    )


def precedence(pod: Pod) -> tuple[bool, str, str]:
    """The order in which the pods of one node stand: bound before unbound, then the older, then by name."""
    return not pod.bound, pod.metadata.creation_timestamp or "", pod.metadata.name


def is_updated(rules: Rules, pod: Pod) -> bool:
    """Whether the pod is of the current revision."""
    return bool(rules.hash) and pod.hash == rules.hash


def _available_at(rules: Rules, pod: Pod, ready_since: Mapping[str, float]) -> float:
    """From when on the pod counts as available, as far as is known: never, while it is not ready."""
    if not pod.ready:
        return inf
    if rules.min_ready_seconds <= 0:
        return -inf
    return ready_since.get(pod.metadata.uid, inf) + rules.min_ready_seconds


def _upkeep(
    rules: Rules,
    node: Node | None,
    should_run: bool,
    should_continue: bool,
    present: Sequence[Pod],
    available: set[str],
    now: float,
    failed_until: float,
) -> tuple[bool, tuple[Doomed, ...], float]:
    """(lacks a pod, pods to delete, when to look again): what keeps one pod on the node, whatever the strategy."""
    if should_run and not present:
        return True, (), inf
    live = [pod for pod in present if not pod.terminating]
    if not should_continue:
        if node is None:
            # Bound pods of a node that is gone are the pod garbage collector's.
            return False, tuple(Doomed(pod, Cause.NODE_GONE) for pod in live if not pod.bound), inf
        return False, tuple(Doomed(pod, Cause.NOT_WANTED) for pod in live), inf

    failed = [pod for pod in live if pod.status.phase == FAILED]
    retry = failed_until if failed and now < failed_until else inf
    # One at a time: with it the next pause begins.
    doomed = [Doomed(pod, Cause.FAILED) for pod in failed[:1]] if retry == inf else []
    doomed += [Doomed(pod, Cause.SUCCEEDED) for pod in live if pod.status.phase == SUCCEEDED]
    running = [pod for pod in live if not pod.terminal]
    if not rules.surge:
        return False, (*doomed, *(Doomed(pod, Cause.SURPLUS) for pod in running[1:])), retry
    return not running and should_run, (*doomed, *_surplus_of_surge(rules, running, available)), retry


def _surplus_of_surge(rules: Rules, running: Sequence[Pod], available: set[str]) -> list[Doomed]:
    """With surge one new and one old pod may share the node, until the new one is available or the old one is not ready."""
    if len(running) <= 1:
        return []
    new: Pod | None = None
    old: Pod | None = None
    doomed = []
    for pod in running:
        if new is None and is_updated(rules, pod):
            new = pod
        elif old is None and not is_updated(rules, pod):
            old = pod
        else:
            doomed.append(Doomed(pod, Cause.SURPLUS))
    if new is not None and old is not None:
        if not old.ready:
            doomed.append(Doomed(old, Cause.OLD_NOT_READY))
        elif new.metadata.uid in available:
            doomed.append(Doomed(old, Cause.REPLACED))
    return doomed


def _state(
    rules: Rules, should_run: bool, present: Sequence[Pod], available: set[str]
) -> tuple[State, Pod | None, bool]:
    """(state, old pod, covered) of a settled node."""
    live = [pod for pod in present if not pod.terminating]
    new = [pod for pod in live if is_updated(rules, pod)]
    old = [pod for pod in live if not is_updated(rules, pod)]
    if len(new) > 1 or len(old) > 1:
        return State.SURPLUS, None, False
    if not live:
        return (State.BARE if should_run or present else State.OUTSIDE), None, False
    if not old:
        if new[0].metadata.uid in available:
            return State.NEW_AVAILABLE, None, True
        return State.NEW_UNAVAILABLE, None, False
    covered = old[0].metadata.uid in available
    if new:
        done = new[0].metadata.uid in available
        return (State.BOTH_DONE if done else State.BOTH_WAITING), old[0], covered
    if should_run:
        return (State.OLD_AVAILABLE if covered else State.OLD_UNAVAILABLE), old[0], covered
    return (State.LEAVING_AVAILABLE if covered else State.LEAVING_UNAVAILABLE), old[0], covered
