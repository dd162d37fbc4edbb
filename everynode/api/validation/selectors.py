"""Label selectors as they stand in specs."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.fielderror import forbidden, invalid, required
from everynode.api.meta_v1 import LabelSelector, LabelSelectorRequirement
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    check_label_key,
    check_labels,
    label_value_faults,
)

MEMBERSHIP = ("In", "NotIn")
EXISTENCE = ("Exists", "DoesNotExist")


def check_label_selector(selector: LabelSelector | None, path: str, errors: Errors) -> None:
    if selector is None:
        return
    check_labels(selector.match_labels, f"{path}.matchLabels", errors)
    for index, requirement in enumerate(selector.match_expressions):
        _check_requirement(requirement, f"{path}.matchExpressions[{index}]", errors)


def check_operator(operator: str, values: Sequence[str], path: str, errors: Errors) -> None:
    """The rule of all selectors: which operators want values. Anything else is no operator."""
    if operator in MEMBERSHIP:
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in EXISTENCE:
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", message))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))


def check_values(values: Sequence[str], path: str, errors: Errors) -> None:
    for index, value in enumerate(values):
        if faults := label_value_faults(value):
            add_faults(faults, value, f"{path}.values[{index}]", errors)


def _check_requirement(requirement: LabelSelectorRequirement, path: str, errors: Errors) -> None:
    check_operator(requirement.operator, requirement.values, path, errors)
    check_label_key(requirement.key, f"{path}.key", errors)
    check_values(requirement.values, path, errors)
