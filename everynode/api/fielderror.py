"""One thing wrong with one field of an object, in the API's own words.

Validation returns a list of these, all of them and in order; `status.invalid` turns the list into a 422 `Status` whose
message joins them and whose causes name each field. The renderings are Kubernetes' (apimachinery, field.Error), since
people and scripts read them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec


class ErrorType(enum.Enum):
    """The closed list of ways a field can be wrong: (reason in a Status cause, words in a message)."""

    NOT_FOUND = ("FieldValueNotFound", "Not found")
    REQUIRED = ("FieldValueRequired", "Required value")
    DUPLICATE = ("FieldValueDuplicate", "Duplicate value")
    INVALID = ("FieldValueInvalid", "Invalid value")
    NOT_SUPPORTED = ("FieldValueNotSupported", "Unsupported value")
    FORBIDDEN = ("FieldValueForbidden", "Forbidden")
    TOO_LONG = ("FieldValueTooLong", "Too long")
    TOO_MANY = ("FieldValueTooMany", "Too many")
    TOO_FEW = ("FieldValueTooFew", "Too few")
    TOO_SHORT = ("FieldValueTooShort", "Too short")
    INTERNAL = ("InternalError", "Internal error")
    TYPE_INVALID = ("FieldValueTypeInvalid", "Invalid value")


# What names no value of its own in the message.
_WITHOUT_VALUE = frozenset(
    {ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG, ErrorType.TOO_SHORT, ErrorType.INTERNAL}
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """`field` is the path (`spec.template.spec.containers[0].image`), `value` what stands there, `detail` the sentence."""

    type: ErrorType
    field: str
    value: Any = None
    detail: str = ""

    @property
    def reason(self) -> str:
        return self.type.value[0]

    @property
    def body(self) -> str:
        """The message without the field, as a Status cause carries it."""
        words = self.type.value[1]
        if self.type not in _WITHOUT_VALUE:
            words = f"{words}: {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(ErrorType.REQUIRED, field, None, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(ErrorType.INVALID, field, value, detail)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(ErrorType.FORBIDDEN, field, None, detail)


def duplicate(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError(ErrorType.DUPLICATE, field, value, detail)


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    """`supported` is listed in the order given: Kubernetes sorts most of its lists, but not all."""
    listed = ", ".join(_quoted(word) for word in supported)
    return FieldError(ErrorType.NOT_SUPPORTED, field, value, f"supported values: {listed}" if supported else "")


def not_found(field: str, value: Any, detail: str = "") -> FieldError:
    return FieldError(ErrorType.NOT_FOUND, field, value, detail)


def too_long(field: str, most: int) -> FieldError:
    return FieldError(ErrorType.TOO_LONG, field, None, f"may not be more than {most} {_plural('byte', most)}")


def too_many(field: str, actual: int, most: int) -> FieldError:
    return FieldError(ErrorType.TOO_MANY, field, actual, f"must have at most {most} {_plural('item', most)}")


def internal(field: str, detail: str) -> FieldError:
    return FieldError(ErrorType.INTERNAL, field, None, detail)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _shown(value: Any) -> str:
    """A value as Kubernetes shows it in messages: strings quoted, numbers and booleans bare, the rest as JSON."""
    if isinstance(value, str):
        return _quoted(value)
    return msgspec.json.encode(value, order="deterministic").decode().translate(_HTML)


# Go's JSON writes these so that it may stand in a web page.
_HTML = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"})

_NAMED_ESCAPES = {
    '"': r"\"",
    "\\": r"\\",
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
}


def _quoted(text: str) -> str:
    """A string as Go's `%q` writes it: what cannot be printed is escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_NAMED_ESCAPES.get(character) or _escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
