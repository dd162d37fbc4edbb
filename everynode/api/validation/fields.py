"""The checks that fields of every kind share: names, labels, numbers, closed lists of words.

Each takes the value, the path of its field and the list of errors, and appends what is wrong. Well-formed values cost a
look-up: what a name's grammar has to say is remembered, since the same names come again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from everynode.api.fielderror import FieldError, forbidden, invalid, not_supported, required, too_long
from everynode.values import names

ERRORS_MAX = 1000  # of one object; nobody reads on, and whoever sends a million mistakes must not cost the memory


class EnoughError(Exception):
    """So much is wrong that going on would help nobody."""


class Errors(list[FieldError]):
    """What is wrong with an object so far. The one beyond `ERRORS_MAX` ends the validation: `EnoughError`."""

    def append(self, error: FieldError) -> None:
        if len(self) >= ERRORS_MAX:
            raise EnoughError
        super().append(error)

    def extend(self, errors: Iterable[FieldError]) -> None:
        for error in errors:
            self.append(error)


NameFaults = Callable[[str], Sequence[str]]  # what is wrong with a name, in sentences

NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
ANNOTATIONS_MAX_BYTES = 256 * 1024  # keys and values of one object together, as upstream counts them
ID_MAX = 2**31 - 1  # of a Unix user or group

_REMEMBERED = 8192  # names of each rule; some hundred bytes each
_MEMORABLE_LENGTH = 320  # characters: no well-formed name is longer, and a longer one is not worth the memory


def _remembering(rule: Callable[[str], list[str]]) -> Callable[[str], tuple[str, ...]]:
    """The same rule, with what it said of the latest names at hand."""

    @lru_cache(_REMEMBERED)
    def known(value: str) -> tuple[str, ...]:
        return tuple(rule(value))

    def faults(value: str) -> tuple[str, ...]:
        return known(value) if len(value) <= _MEMORABLE_LENGTH else tuple(rule(value))

    return faults


label_key_faults = _remembering(names.label_key_errors)
label_value_faults = _remembering(names.label_value_errors)
dns_subdomain_faults = _remembering(names.dns_subdomain_errors)
dns_label_faults = _remembering(names.dns_label_errors)
port_name_faults = _remembering(names.port_name_errors)
environment_name_faults = _remembering(names.environment_name_errors)
config_key_faults = _remembering(names.config_key_errors)


def add_faults(faults: Iterable[str], value: Any, path: str, errors: Errors) -> None:
    """Each fault as an `Invalid value` of this field."""
    for fault in faults:
        errors.append(invalid(path, value, fault))


def check_label_key(value: str, path: str, errors: Errors) -> None:
    if faults := label_key_faults(value):
        add_faults(faults, value, path, errors)


def check_dns_label(value: str, path: str, errors: Errors) -> None:
    if faults := dns_label_faults(value):
        add_faults(faults, value, path, errors)


def check_dns_subdomain(value: str, path: str, errors: Errors) -> None:
    if faults := dns_subdomain_faults(value):
        add_faults(faults, value, path, errors)


def check_labels(labels: Mapping[str, str], path: str, errors: Errors) -> None:
    for key, value in labels.items():
        if faults := label_key_faults(key):
            add_faults(faults, key, path, errors)
        if faults := label_value_faults(value):
            add_faults(faults, value, path, errors)


def check_annotations(annotations: Mapping[str, str], path: str, errors: Errors) -> None:
    """Keys are label keys, but their case does not matter; all of it together has a limit."""
    size = 0
    for key, value in annotations.items():
        if faults := label_key_faults(key.lower()):
            add_faults(faults, key, path, errors)
        size += byte_length(key) + byte_length(value)
    if size > ANNOTATIONS_MAX_BYTES:
        errors.append(too_long(path, ANNOTATIONS_MAX_BYTES))


def check_not_negative(value: int, path: str, errors: Errors) -> None:
    if value < 0:
        errors.append(invalid(path, value, NOT_NEGATIVE))


def check_positive(value: int, path: str, errors: Errors) -> None:
    if value <= 0:
        errors.append(invalid(path, value, "must be greater than zero"))


def check_range(value: int, low: int, high: int, path: str, errors: Errors) -> None:
    if not low <= value <= high:
        errors.append(invalid(path, value, names.inclusive_range_error(low, high)))


def check_port_number(value: int, path: str, errors: Errors) -> None:
    check_range(value, 1, 65535, path, errors)


def check_port(value: int | str, path: str, errors: Errors) -> None:
    """A port by number or by name."""
    if isinstance(value, str):
        add_faults(port_name_faults(value), value, path, errors)
    else:
        check_port_number(value, path, errors)


def check_id(value: int | None, path: str, errors: Errors) -> None:
    """A Unix user's or group's number, if there is one."""
    if value is not None:
        check_range(value, 0, ID_MAX, path, errors)


def check_one_of(value: str, supported: Sequence[str], path: str, errors: Errors) -> None:
    """One of the words, which the message lists in the order given."""
    if value not in supported:
        errors.append(not_supported(path, value, supported))


def check_required_word(value: str, supported: Sequence[str], path: str, errors: Errors) -> None:
    """One of the words, and not nothing."""
    if not value:
        errors.append(required(path))
    elif value not in supported:
        errors.append(not_supported(path, value, supported))


def check_immutable(new: Any, old: Any, path: str, errors: Errors) -> None:
    if new != old:
        errors.append(invalid(path, new, IMMUTABLE))


def check_frozen(new: Any, old: Any, path: str, errors: Errors) -> None:
    """For fields that are locked by `immutable: true`."""
    if new != old:
        errors.append(forbidden(path, "field is immutable when `immutable` is set"))


def byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
