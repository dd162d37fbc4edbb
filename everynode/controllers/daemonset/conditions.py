"""The conditions of a DaemonSet, and what is news: pure functions of a diagnosis and of what was told before.

Kubernetes has the field and no type of condition for it. Ours are named, and mean, what they do in a Deployment:

    Available     no more nodes are without an available pod than maxUnavailable allows
    Progressing   the newest template is on its way or everywhere (RolloutProgressing, RolloutComplete); False, with the cause
                  as its reason, when the rollout is blocked
    Degraded      something blocks the rollout

A message tells no counts, so that a rollout which just goes on writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from everynode.api.apps_v1 import DaemonSetCondition
from everynode.controllers.daemonset.diagnosis.causes import Cause, Kind
from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis, Phase
from everynode.values.timestamps import human_duration, seconds_text

# Of several causes the first few are told; `everynode why` tells all.
MOST_TOLD = 3


class Report(msgspec.Struct, frozen=True):
    """What was told of a DaemonSet last: of which revision, since when it is on its way (Unix seconds), and what held it:
    sentences by identity."""

    hash: str
    since: float
    phase: Phase
    causes: Mapping[str, str]


class News(msgspec.Struct, frozen=True):
    """One event to record."""

    type: str
    reason: str
    message: str


def conditions_of(
    diagnosis: Diagnosis, is_available: bool, before: Sequence[DaemonSetCondition], now: float
) -> list[DaemonSetCondition] | None:
    """Our conditions of now, or None if nothing is new beside `before`; a transition is a change of the status alone."""
    blocking = [cause for cause in diagnosis.causes if cause.blocks]
    known = {one.type: one for one in before}
    # Whoever chose OnDelete waits because they want to.
    faults = [cause for cause in blocking if cause.kind is not Kind.ON_DELETE]
    wanted = [_available(is_available), _progressing(diagnosis.phase, blocking), _degraded(faults)]
    stamp = seconds_text(now)
    for one in wanted:
        old = known.get(one.type)
        unchanged = old is not None and old.status == one.status
        one.last_transition_time = old.last_transition_time if old is not None and unchanged else stamp
    return None if all(known.get(one.type) == one for one in wanted) else wanted


def _available(is_available: bool) -> DaemonSetCondition:
    if is_available:
        return _condition(
            "Available",
            True,
            "MinimumPodsAvailable",
            "As many nodes as the update strategy asks for have an available pod.",
        )
    what = "More nodes are without an available pod than maxUnavailable allows."
    return _condition("Available", False, "MinimumPodsUnavailable", what)


def _progressing(phase: Phase, blocking: Sequence[Cause]) -> DaemonSetCondition:
    match phase:
        case Phase.DONE:
            return _condition(
                "Progressing", True, "RolloutComplete", "Every node has an available pod of the newest template."
            )
        case Phase.PROGRESSING:
            return _condition(
                "Progressing", True, "RolloutProgressing", "The newest template is on its way to every node."
            )
        case Phase.BLOCKED:
            return _condition("Progressing", False, *_reason_of(blocking))


def _degraded(blocking: Sequence[Cause]) -> DaemonSetCondition:
    if blocking:
        return _condition("Degraded", True, *_reason_of(blocking))
    return _condition("Degraded", False, "AsExpected", "Nothing blocks the rollout.")


def _reason_of(blocking: Sequence[Cause]) -> tuple[str, str]:
    """(reason, message). That the budget is used up follows from something else, which is the reason."""
    if not blocking:
        return "RolloutBlocked", "The rollout does not go on."
    behind = [cause for cause in blocking if cause.kind is not Kind.BUDGET_USED_UP] or blocking
    return behind[0].kind.value, "; ".join(cause.sentence for cause in blocking[:MOST_TOLD]) + "."


def _condition(type: str, status: bool, reason: str, message: str) -> DaemonSetCondition:
    return DaemonSetCondition(type=type, status=str(status), reason=reason, message=message)


def report_of(diagnosis: Diagnosis, hash: str, before: Report | None, now: float) -> Report:
    """What is told now."""
    since = before.since if before is not None and before.hash == hash else now
    causes = {cause.identity: cause.sentence for cause in diagnosis.causes if cause.blocks}
    return Report(hash, since, diagnosis.phase, causes)


def news(before: Report | None, after: Report, diagnosis: Diagnosis, now: float) -> Iterator[News]:
    """What to tell in events. Without a `before` (the controller has just started) only what is under way is news."""
    if before is None or before.hash != after.hash:
        if before is not None and before.phase is not Phase.DONE:
            yield News("Normal", "RolloutSuperseded", f"Revision {before.hash} is superseded by {after.hash}")
        if after.phase is not Phase.DONE:
            yield News("Normal", "RolloutStarted", f"Revision {after.hash} is on its way")
    told = before.causes if before is not None and before.hash == after.hash else {}
    for cause in diagnosis.causes:
        if cause.blocks and cause.identity not in told:
            yield News(
                "Warning", cause.kind.value, f"{cause.sentence}: {cause.proof}" if cause.proof else cause.sentence
            )
    for identity, sentence in told.items():
        if identity not in after.causes:
            yield News("Normal", "CauseGone", f"No longer: {sentence}")
    if (
        after.phase is Phase.DONE
        and before is not None
        and (before.phase is not Phase.DONE or before.hash != after.hash)
    ):
        took = human_duration(now - after.since)
        yield News("Normal", "RolloutCompleted", f"Revision {after.hash} serves every node after {took}")
