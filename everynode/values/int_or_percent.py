"""A count that may be written as a share of a total: `3`, or `"30%"`.

`scaled` turns it into a count; the other functions say whether it is well formed, in Kubernetes' own sentences.
"""

from __future__ import annotations

import re

from everynode.values.names import regex_error

IntOrString = int | str

_PERCENT = re.compile(r"[0-9]+%")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")  # more digits than any count has; it also bounds the work


class IntOrPercentError(ValueError):
    """A string that is no percentage; the message is Kubernetes' own."""


def scaled(value: IntOrString, total: int, *, round_up: bool) -> int:
    """The count that `value` means out of `total`; an integer means itself. Raises `IntOrPercentError`."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise IntOrPercentError("invalid value for IntOrString: invalid type: string is not a percentage")
    number = value[:-1]
    if not _INTEGER.fullmatch(number):
        raise IntOrPercentError(
            f'invalid value for IntOrString: invalid value "{value}": strconv.Atoi: parsing "{number}": invalid syntax'
        )
    share = int(number) * total
    return -(-share // 100) if round_up else share // 100


def percent(value: IntOrString) -> int | None:
    """The number before the `%`, or None when `value` is no well-formed percentage."""
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return int(value[:-1])
    return None


def percent_errors(value: str) -> list[str]:
    """What is wrong with `value` as a percentage; empty when nothing is."""
    if _PERCENT.fullmatch(value) and len(value) <= 19:
        return []
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(message, _PERCENT.pattern, "1%", "93%")]
