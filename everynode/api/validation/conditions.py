"""The conditions that newer kinds share (`metav1.Condition`): one of a type, complete, its reason one word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from everynode.api.fielderror import duplicate, invalid, not_supported, required, too_long
from everynode.api.meta_v1 import Condition
from everynode.api.validation.fields import Errors, byte_length, check_label_key
from everynode.values.names import regex_error

STATUSES = ("False", "True", "Unknown")
REASON_MAX_BYTES = 1024
MESSAGE_MAX_BYTES = 32 * 1024

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_MESSAGE = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or "
    "'_,:', and must end with an alphanumeric character or '_'"
)


def check_conditions(conditions: Sequence[Condition], path: str, errors: Errors) -> None:
    known: set[str] = set()
    for index, condition in enumerate(conditions):
        if condition.type in known:
            errors.append(duplicate(f"{path}[{index}]", condition.type))
        known.add(condition.type)
        _check_condition(condition, f"{path}[{index}]", errors)


def _check_condition(condition: Condition, path: str, errors: Errors) -> None:
    if not condition.type:
        errors.append(required(f"{path}.type", "is required"))
    else:
        check_label_key(condition.type, f"{path}.type", errors)
    if not condition.status:
        errors.append(required(f"{path}.status"))
    elif condition.status not in STATUSES:
        errors.append(not_supported(f"{path}.status", condition.status, STATUSES))
    if condition.observed_generation < 0:
        message = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.observedGeneration", condition.observed_generation, message))
    if condition.last_transition_time is None:
        errors.append(required(f"{path}.lastTransitionTime"))
    _check_reason(condition.reason, f"{path}.reason", errors)
    if byte_length(condition.message) > MESSAGE_MAX_BYTES:
        errors.append(too_long(f"{path}.message", MESSAGE_MAX_BYTES))


def _check_reason(reason: str, path: str, errors: Errors) -> None:
    if not reason:
        errors.append(required(path))
        return
    if not _REASON.fullmatch(reason):
        examples = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
        errors.append(invalid(path, reason, regex_error(_REASON_MESSAGE, _REASON.pattern, *examples)))
    if byte_length(reason) > REASON_MAX_BYTES:
        errors.append(too_long(path, REASON_MAX_BYTES))
