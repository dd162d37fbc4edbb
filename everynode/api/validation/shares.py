"""Counts that may be written as a share of a whole: how they are formed, and that a share is at most all of it."""

from __future__ import annotations

from everynode.api.fielderror import invalid
from everynode.api.validation.fields import Errors, check_not_negative
from everynode.values.int_or_percent import IntOrString, percent, percent_errors


def check_int_or_percent(value: IntOrString, path: str, errors: Errors) -> None:
    if isinstance(value, int):
        check_not_negative(value, path, errors)
    else:
        errors.extend(invalid(path, value, fault) for fault in percent_errors(value))


def check_at_most_all(value: IntOrString, path: str, errors: Errors) -> None:
    share = percent(value)
    if share is not None and share > 100:
        errors.append(invalid(path, value, "must not be greater than 100%"))
