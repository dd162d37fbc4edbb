"""What a budget's status is to say. Pure.

In: the budget as it was last seen, the tally of its pods, how many pods each DaemonSet wants, and the time. Out: a Plan: the
status to write (None: it stands already), what is to be told of, and in how many seconds to look again though nothing happens.

    expectedPods        with a count in minAvailable: the pods there are; else how many their controllers want in all
    desiredHealthy      minAvailable, or what maxUnavailable leaves; a share is rounded up to whole pods
    currentHealthy      ready pods that are not going, nor granted to an eviction that has yet to delete them
    disruptionsAllowed  how many more are healthy than must be; none while none are expected

The eviction API notes in `disruptedPods` whom it granted. A pod that is being deleted leaves that map; one that still stands
two minutes later was not deleted after all, and counts again.

Kubernetes cannot say how many pods a DaemonSet wants, and fails to count its pods in shares (kubernetes#106309); here it is
`desiredNumberScheduled`. Pods of any other controller fail the count as they do there, and nothing may then be disrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from everynode.api import scheme
from everynode.api.budgets import DISRUPTION_ALLOWED, SYNC_FAILED, whether_allowed, with_condition
from everynode.api.meta_v1 import Condition, LabelSelector
from everynode.api.policy_v1 import PodDisruptionBudgetStatus
from everynode.controllers.disruption.observe import Budget, OwnerReference, Pod, Spec
from everynode.controllers.disruption.tally import Tally
from everynode.values.int_or_percent import IntOrPercentError, scaled
from everynode.values.timestamps import parse, seconds_text

# Seconds within which a pod that was granted to an eviction is to be seen going.
DELETION_TIMEOUT = 120.0
# Seconds after which a pod that was to be deleted, and is not, is said to be spared.
STALE_CONDITION_TIMEOUT = 120.0


class CannotCount(Exception):
    """How many pods there should be cannot be told; the message is what the condition says."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event to tell, of the budget or of one of its pods."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    status: PodDisruptionBudgetStatus | None
    notices: tuple[Notice, ...] = ()
    look_again_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Granted:
    """What has become of the pods that evictions were granted: still awaited, overdue, and the seconds to the next that is."""

    awaited: dict[str, str]
    overdue: tuple[str, ...]
    next_overdue: float | None


def plan(budget: Budget, tally: Tally, desired: Mapping[str, int], now: float) -> Plan:
    """`desired` is how many pods each DaemonSet wants, by its uid; `now` is in Unix seconds."""
    notices = [] if tally.members else [Notice("Normal", "NoPods", "No matching pods found")]
    told = budget.status
    try:
        expected, wanted = _expected(budget.spec, tally, desired)
    except (CannotCount, IntOrPercentError) as error:
        message = f"Failed to calculate the number of expected pods: {error}"
        notices.append(Notice("Warning", "CalculateExpectedPodCountFailed", message))
        return Plan(_changed(told, _failed(told, str(error), now)), tuple(notices))
    if tally.uncontrolled and _counts_controllers(budget.spec):
        notices.append(Notice("Warning", "UnmanagedPods", _unmanaged(budget.spec.selector)))
    granted = _granted(told, tally, now)
    message = f"Pod was expected by PDB {budget.key} to be deleted but it wasn't"
    notices += [Notice("Warning", "NotDeleted", message, pod) for pod in granted.overdue]
    healthy = tally.healthy - sum(tally.members[pod].healthy for pod in granted.awaited)
    allowed = max(0, healthy - wanted) if expected > 0 else 0
    generation = budget.metadata.generation
    status = PodDisruptionBudgetStatus(
        observed_generation=generation,
        disrupted_pods=granted.awaited,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=wanted,
        expected_pods=expected,
        conditions=with_condition(told.conditions, whether_allowed(allowed, generation), seconds_text(now)),
    )
    return Plan(_changed(told, status), tuple(notices), granted.next_overdue)


def seconds_to_spare(pod: Pod, now: float) -> float | None:
    """In how many seconds a pod's condition DisruptionTarget is stale, since nobody deletes it; None for a pod that goes,
    has ended, or was never to be disrupted."""
    since = pod.status.condemned_since
    if since is None or pod.terminating or pod.terminal:
        return None
    return _left(since, STALE_CONDITION_TIMEOUT, now)


def _left(since: str, timeout: float, now: float) -> float:
    """What is left of a time-out; nothing where it began so far ahead that a clock must have been set back since.

    A time that is not given ("") is the beginning of all time, as in Go."""
    left = (parse(since) if since else 0.0) + timeout - now
    return left if 0 < left <= 2 * timeout else 0.0


def _expected(spec: Spec, tally: Tally, desired: Mapping[str, int]) -> tuple[int, int]:
    """How many pods there should be, and how many of them healthy. Raises CannotCount."""
    if spec.max_unavailable is not None:
        total = _wanted_by_controllers(tally, desired)
        return total, max(0, total - scaled(spec.max_unavailable, total, round_up=True))
    if spec.min_available is None:
        return 0, 0
    if isinstance(spec.min_available, int):
        return len(tally.members), spec.min_available
    total = _wanted_by_controllers(tally, desired)
    return total, scaled(spec.min_available, total, round_up=True)


def _counts_controllers(spec: Spec) -> bool:
    """Whether it matters to the budget how many pods their controllers want."""
    return spec.max_unavailable is not None or isinstance(spec.min_available, str)


def _wanted_by_controllers(tally: Tally, desired: Mapping[str, int]) -> int:
    total = 0
    for uid, reference in tally.controllers.items():
        if uid not in desired:
            raise CannotCount(_why_unknown(reference, tally.a_pod_of(uid)))
        total += desired[uid]
    return total


def _why_unknown(controller: OwnerReference, pod: str) -> str:
    """In Kubernetes' words, for a server that serves the kinds we do."""
    resource = scheme.of_kind(controller.api_version, controller.kind)
    if resource is None:
        return f'no matches for kind "{controller.kind}" in version "{controller.api_version}"'
    if resource is not scheme.DAEMON_SETS:
        return f"{resource.group_resource} does not implement the scale subresource"
    return f'found no controllers for pod "{pod}"'


def _granted(told: PodDisruptionBudgetStatus, tally: Tally, now: float) -> _Granted:
    awaited: dict[str, str] = {}
    overdue: list[str] = []
    seconds: list[float] = []
    for pod, since in sorted(told.disrupted_pods.items()):
        member = tally.members.get(pod)
        if member is None or member.terminating:
            continue
        left = _left(since, DELETION_TIMEOUT, now)
        if left:
            awaited[pod] = since
            seconds.append(left)
        else:
            overdue.append(pod)
    return _Granted(awaited, tuple(overdue), min(seconds, default=None))


def _failed(told: PodDisruptionBudgetStatus, why: str, now: float) -> PodDisruptionBudgetStatus:
    """The status as it stands, but that nothing may be disrupted."""
    condition = Condition(
        type=DISRUPTION_ALLOWED,
        status="False",
        reason=SYNC_FAILED,
        message=why,
        observed_generation=told.observed_generation,
    )
    conditions = with_condition(told.conditions, condition, seconds_text(now))
    return msgspec.structs.replace(told, disruptions_allowed=0, conditions=conditions)


def _changed(old: PodDisruptionBudgetStatus, new: PodDisruptionBudgetStatus) -> PodDisruptionBudgetStatus | None:
    return None if new == old else new


def _unmanaged(selector: LabelSelector | None) -> str:
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {_as_go(selector)}) were found to be unmanaged. As a result, "
        "the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
        'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
    )


def _as_go(selector: LabelSelector | None) -> str:
    """A selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.match_labels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each.key},Operator:{each.operator},Values:[{' '.join(each.values)}],}},"
        for each in selector.match_expressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
