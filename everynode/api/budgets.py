"""The words in which a PodDisruptionBudget's status says whether pods may be disrupted.

Two write that status, the eviction subresource and the disruption controller, and both say it through here. Pure: the time of
a transition comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everynode.api.meta_v1 import Condition

DISRUPTION_ALLOWED = "DisruptionAllowed"
SUFFICIENT_PODS = "SufficientPods"
INSUFFICIENT_PODS = "InsufficientPods"
SYNC_FAILED = "SyncFailed"

# What a Status cause names when a budget stands in an eviction's way.
CAUSE = "DisruptionBudget"


def whether_allowed(disruptions_allowed: int, observed_generation: int) -> Condition:
    """The condition that goes with so many allowed disruptions."""
    allowed = disruptions_allowed > 0
    return Condition(
        type=DISRUPTION_ALLOWED,
        status="True" if allowed else "False",
        reason=SUFFICIENT_PODS if allowed else INSUFFICIENT_PODS,
        observed_generation=observed_generation,
    )


def condition_of(conditions: Sequence[Condition]) -> Condition | None:
    """What a status says of disruptions, if it says anything yet."""
    return next((each for each in conditions if each.type == DISRUPTION_ALLOWED), None)


def with_condition(conditions: Sequence[Condition], wanted: Condition, now: str) -> list[Condition]:
    """The conditions with this one in the place of its like; its transition is `now` unless its status stays the same."""
    result = list(conditions)
    for place, each in enumerate(result):
        if each.type == wanted.type:
            since = each.last_transition_time if each.status == wanted.status else now
            result[place] = msgspec.structs.replace(wanted, last_transition_time=since)
            return result
    return [*result, msgspec.structs.replace(wanted, last_transition_time=now)]
