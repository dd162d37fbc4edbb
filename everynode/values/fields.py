r"""Field selectors: `metadata.name=web,status.phase!=Running`.

`parse` reads the text of a `fieldSelector` parameter; the `FieldSelector` it gives can be matched against an object's
selectable fields, or taken apart for an index. A backslash escapes `,`, `=` and itself within a value. Errors
are Kubernetes' own sentences. Which fields may be selected by is not known here: the API decides that by kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_OPERATORS = ("!=", "==", "=")


class FieldSelectorError(ValueError):
    """The text is no field selector."""


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One term: the field equals the value, or (`equal` False) differs from it. A field that is absent is empty."""

    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{escape(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of its requirements must hold; without any, everything is selected."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Whether an object with these selectable fields is selected."""
        return all((fields.get(term.field, "") == term.value) is term.equal for term in self.requirements)

    def required_pairs(self) -> tuple[tuple[str, str], ...]:
        """The (field, value) pairs that every selected object has: what an index can answer."""
        return tuple((term.field, term.value) for term in self.requirements if term.equal)

    def required_value(self, field: str) -> str | None:
        """The value that `field` must have, or None when it is left open."""
        return next((term.value for term in self.requirements if term.equal and term.field == field), None)

    def __bool__(self) -> bool:
        """Whether anything is required at all."""
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = FieldSelector()


def parse(text: str) -> FieldSelector:
    """Reads a field selector. Raises `FieldSelectorError`."""
    requirements = []
    for term in sorted(_split_terms(text)):
        if not term:
            continue
        found = min(((at, -len(op), op) for op in _OPERATORS if (at := term.find(op)) >= 0), default=None)
        if found is None:
            raise FieldSelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        at, _, operator = found
        requirements.append(FieldRequirement(term[:at], operator != "!=", unescape(term[at + len(operator) :])))
    return FieldSelector(tuple(requirements))


def escape(value: str) -> str:
    """The value as it stands within a field selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def unescape(text: str) -> str:
    """The value that a field selector's right-hand side stands for. Raises `FieldSelectorError`."""
    value: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            if character not in ("\\", ",", "="):
                raise FieldSelectorError(f"invalid field selector: invalid escape sequence: \\{character}")
        elif character in ",=":
            # Go prints the rune's number here.
            raise FieldSelectorError(f"invalid field selector: unescaped character in value: {ord(character)}")
        value.append(character)
    return "".join(value)


def _split_terms(text: str) -> list[str]:
    """The terms between commas that no backslash escapes; escapes are left in."""
    terms, start, escaped = [], 0, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            terms.append(text[start:at])
            start = at + 1
    terms.append(text[start:])
    return terms
