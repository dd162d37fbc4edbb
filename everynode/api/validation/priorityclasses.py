"""PriorityClasses: users' priorities end where the system's begin, and a priority never changes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from everynode.api.fielderror import forbidden
from everynode.api.scheduling_v1 import PriorityClass
from everynode.api.validation.fields import Errors, check_immutable, check_required_word
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.podspec import PREEMPTION_POLICIES

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PREFIX = "system-"
SYSTEM_PRIORITIES: Mapping[str, int] = MappingProxyType(
    {"system-cluster-critical": 2 * HIGHEST_USER_PRIORITY, "system-node-critical": 2 * HIGHEST_USER_PRIORITY + 1000}
)


def check_priority_class(priority_class: PriorityClass, errors: Errors) -> None:
    check_metadata(priority_class.metadata, errors, namespaced=False)
    if priority_class.metadata.name.startswith(SYSTEM_PREFIX):
        if why := _not_the_systems(priority_class):
            message = (
                f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {why}"
            )
            errors.append(forbidden("metadata.name", message))
    elif priority_class.value > HIGHEST_USER_PRIORITY:
        message = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errors.append(forbidden("value", message))
    if priority_class.preemption_policy is not None:
        check_required_word(priority_class.preemption_policy, PREEMPTION_POLICIES, "preemptionPolicy", errors)


def check_priority_class_update(new: PriorityClass, old: PriorityClass, errors: Errors) -> None:
    if new.value != old.value:
        errors.append(forbidden("value", "may not be changed in an update."))
    check_immutable(new.preemption_policy, old.preemption_policy, "preemptionPolicy", errors)


def _not_the_systems(priority_class: PriorityClass) -> str:
    """Why this is not one of the two classes that may bear such a name; empty when it is."""
    name = priority_class.metadata.name
    if name not in SYSTEM_PRIORITIES:
        return f"{name} is not a known system priority class"
    if priority_class.value != SYSTEM_PRIORITIES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_PRIORITIES[name]}"
    if priority_class.global_default:
        return f"globalDefault of {name} PriorityClass must be false"
    return ""
