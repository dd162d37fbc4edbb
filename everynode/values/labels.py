"""Label selectors: from text or from the API's LabelSelector to something that can be matched and indexed.

`parse` reads the grammar of the `labelSelector` parameter (`a=b,c!=d,e in (x,y),!f,g>1`); `from_label_selector` reads
the structure that stands in specs. Both give a `Selector`: immutable, its requirements sorted by key, its text the one
Kubernetes prints. Errors are Kubernetes' own sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from everynode.values.label_grammar import GrammarError, Parser
from everynode.values.names import label_key_errors, label_value_errors


class SelectorError(ValueError):
    """The selector cannot be used; the message is Kubernetes' own."""


class Operator(Enum):
    """How a label's value is held against the requirement's values; the members' values are the grammar's words."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    GREATER_THAN = "gt"
    LESS_THAN = "lt"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"


_POSITIVE = frozenset({Operator.IN, Operator.EQUALS, Operator.DOUBLE_EQUALS})
_NEGATIVE = frozenset({Operator.NOT_IN, Operator.NOT_EQUALS})
_ORDERED = frozenset({Operator.GREATER_THAN, Operator.LESS_THAN})
_FROM_API = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}
_SYMBOLS = {
    Operator.EQUALS: "=",
    Operator.DOUBLE_EQUALS: "==",
    Operator.NOT_EQUALS: "!=",
    Operator.GREATER_THAN: ">",
    Operator.LESS_THAN: "<",
}


class ApiRequirement(Protocol):
    """`LabelSelectorRequirement`, as any struct with these attributes."""

    key: str
    operator: str
    values: list[str]


class ApiSelector(Protocol):
    """`LabelSelector`, as any struct with these attributes."""

    match_labels: dict[str, str]

    @property
    def match_expressions(self) -> Sequence[Any]: ...  # of ApiRequirement; Any, since lists are invariant


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the labels. `values` is sorted and free of duplicates."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels fulfil it. A missing label fulfils only the negative operators."""
        value = labels.get(self.key)
        if self.operator in _POSITIVE:
            return value in self.values
        if self.operator in _NEGATIVE:
            return value not in self.values
        if self.operator is Operator.EXISTS:
            return value is not None
        if self.operator is Operator.DOES_NOT_EXIST:
            return value is None
        number = None if value is None else _int64(value)
        if number is None:
            return False
        bound = int(self.values[0])
        return number > bound if self.operator is Operator.GREATER_THAN else number < bound

    def __str__(self) -> str:
        joined = ",".join(self.values)
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value} ({joined})"
            case _:
                return f"{self.key}{_SYMBOLS[self.operator]}{joined}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its requirements must hold; without any, everything is selected, unless `selects_nothing`."""

    requirements: tuple[Requirement, ...] = ()
    selects_nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if self.selects_nothing:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    def required_pairs(self) -> tuple[tuple[str, str], ...]:
        """The (key, value) pairs that every selected object carries: what an index can answer."""
        return tuple(
            (requirement.key, requirement.values[0])
            for requirement in self.requirements
            if requirement.operator in _POSITIVE and len(requirement.values) == 1
        )

    @property
    def only_pairs(self) -> bool:
        """Whether `required_pairs` says all there is to say, so that an index alone decides."""
        return not self.selects_nothing and len(self.required_pairs()) == len(self.requirements)

    @property
    def selects_everything(self) -> bool:
        """Whether every object is selected, whatever its labels."""
        return not self.requirements and not self.selects_nothing

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(selects_nothing=True)


def parse(text: str) -> Selector:
    """Reads a label selector's text. Raises `SelectorError`."""
    if not text:
        return EVERYTHING
    parser = Parser(text, _check_key)
    try:
        terms = parser.terms()
        requirements = [requirement(key, Operator(operator), values) for key, operator, values in terms]
    except GrammarError as error:
        raise SelectorError(str(error)) from None
    except SelectorError as error:
        raise SelectorError(f"unable to parse requirement: {error}") from None
    return _selector(requirements)


def from_labels(labels: Mapping[str, str]) -> Selector:
    """Selects what carries all of these labels."""
    return _selector(Requirement(key, Operator.EQUALS, (value,)) for key, value in labels.items())


def from_label_selector(selector: ApiSelector | Mapping[str, Any] | None) -> Selector:
    """From the API's LabelSelector, as a struct or as a plain JSON tree.

    None selects nothing; an empty one everything. Raises `SelectorError`.
    """
    if selector is None:
        return NOTHING
    labels, expressions = _parts(selector)
    requirements = [requirement(key, Operator.EQUALS, [value]) for key, value in labels.items()]
    for key, operator, values in expressions:
        if operator not in _FROM_API:
            raise SelectorError(f"{json.dumps(operator)} is not a valid label selector operator")
        requirements.append(requirement(key, _FROM_API[operator], values))
    return _selector(requirements)


def format_label_selector(selector: ApiSelector | Mapping[str, Any] | None) -> str:
    """How kubectl's SELECTOR columns show a LabelSelector; `<none>` for an empty one, `<error>` for a broken one."""
    try:
        return str(from_label_selector(selector)) or "<none>"
    except SelectorError:
        return "<error>"


def format_labels(labels: Mapping[str, str]) -> str:
    """`a=b,c=d`, sorted; `<none>` without any."""
    return ",".join(sorted(f"{key}={value}" for key, value in labels.items())) or "<none>"


def requirement(key: str, operator: Operator, values: Sequence[str]) -> Requirement:
    """A checked requirement. Raises `SelectorError` that names everything that is wrong."""
    errors = []
    if wrong := label_key_errors(key):
        errors.append(_invalid("key", key, "; ".join(wrong)))
    shown = list(values) or None  # Go shows an absent list as null
    if operator in (Operator.IN, Operator.NOT_IN):
        if not values:
            errors.append(_invalid("values", shown, "for 'in', 'notin' operators, values set can't be empty"))
    elif operator in (Operator.EXISTS, Operator.DOES_NOT_EXIST):
        if values:
            errors.append(_invalid("values", shown, "values set must be empty for exists and does not exist"))
    elif operator in _ORDERED:
        if len(values) != 1:
            errors.append(_invalid("values", shown, "for 'Gt', 'Lt' operators, exactly one value is required"))
        for index, value in enumerate(values):
            if _int64(value) is None:
                detail = "for 'Gt', 'Lt' operators, the value must be an integer"
                errors.append(_invalid(f"values[{index}]", value, detail))
    elif len(values) != 1:
        errors.append(_invalid("values", shown, "exact-match compatibility requires one single value"))
    for index, value in enumerate(values):
        if wrong := label_value_errors(value):
            errors.append(_invalid(f"values[{index}][{key}]", value, "; ".join(wrong)))
    if errors:
        raise SelectorError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return Requirement(key, operator, tuple(sorted(set(values))))


def _selector(requirements: Iterable[Requirement]) -> Selector:
    return Selector(tuple(sorted(requirements, key=lambda requirement: requirement.key)))


def _parts(selector: ApiSelector | Mapping[str, Any]) -> tuple[Mapping[str, str], list[tuple[str, str, list[str]]]]:
    """matchLabels, and matchExpressions as (key, operator, values)."""
    if isinstance(selector, Mapping):
        expressions = [
            (each.get("key", ""), each.get("operator", ""), each.get("values") or [])
            for each in selector.get("matchExpressions") or []
        ]
        return selector.get("matchLabels") or {}, expressions
    return selector.match_labels, [(each.key, each.operator, each.values) for each in selector.match_expressions]


def _check_key(key: str) -> None:
    if wrong := label_key_errors(key):
        raise SelectorError(_invalid("<nil>", key, "; ".join(wrong)))


def _invalid(path: str, value: object, detail: str) -> str:
    return f"{path}: Invalid value: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}: {detail}"


def _int64(text: str) -> int | None:
    """The integer as Go's ParseInt reads it, or None."""
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text, re.ASCII):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None
