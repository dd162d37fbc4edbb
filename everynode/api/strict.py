"""Reads a JSON body as Kubernetes does, and says all that is wrong with it.

In: bytes from outside, and the struct or type that they should be. Out: the struct, and *findings*, the sentences about
unknown and duplicate fields (`unknown field "spec.foo"`), which the API server refuses, warns of or ignores as it was
asked. What no `fieldValidation` excuses raises `Malformed`, in the words of Kubernetes' own decoder: malformed JSON, wrong
types, integers beyond their width, times, quantities and base64 that are none, nesting beyond a bound.

As in Go, `null` is the zero value wherever it stands, a field given twice counts as given last, and names match in case.
The body is walked once beside the field tables (about 0.1 ms for a pod); msgspec then decodes the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

import msgspec

from everynode.api import schema
from everynode.api.malformed import MAX_DEPTH, MAX_OBJECTS, Malformed, TooDeep, TooManyObjects
from everynode.api.schema import Field, Type
from everynode.api.yaml_body import to_json as yaml_to_json
from everynode.values import quantity, timestamps

__all__ = ["MAX_FINDINGS", "Malformed", "decode", "inspect", "read", "yaml_to_json"]

# Kubernetes' own bound: a body of nothing but mistakes must not cost more than a good one.
MAX_FINDINGS = 100

T = TypeVar("T")

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.S)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}
_GO_NAMES = {
    "bytes": "[]uint8",
    "double": "float64",
    "time": "string",
    "microtime": "string",
    "duration": "string",
    "strings": "[]string",
    "quantity": "resource.Quantity",
    "intorstring": "intstr.IntOrString",
}
_ZEROS: dict[str, Any] = {"int32": 0, "int64": 0, "double": 0, "bool": False, "intorstring": 0, "quantity": "0"}


class _Repeated(dict[str, Any]):
    """A JSON object in which a key stands twice; `pairs` are all its members in order."""

    pairs: Sequence[tuple[str, Any]] = ()


def read(body: bytes, struct: type[T]) -> tuple[T, list[str]]:
    """The body as a generated struct, and the findings. Raises `Malformed`."""
    type_ = schema.for_struct(struct)
    if type_ is None:
        return decode(body, struct), []
    tree, walk = _walk(body, type_)
    # Only a body with nulls or with times in another writing than ours is written anew; else the very bytes are decoded.
    return _decode(_encode(tree) if walk.changed else body, struct), walk.findings


def inspect(body: bytes, type_: Type) -> list[str]:
    """The findings alone. Raises `Malformed`."""
    return _walk(body, type_)[1].findings


def decode(body: bytes, struct: type[T]) -> T:
    """The body as a struct: a generated one is fully checked, any other (a view of some fields) only read."""
    if schema.for_struct(struct) is not None:
        return read(body, struct)[0]
    _check_bounds(body)
    return _decode(body, struct)


def _encode(tree: Any) -> bytes:
    try:
        return msgspec.json.encode(tree)
    except (msgspec.EncodeError, UnicodeEncodeError, OverflowError) as error:
        raise Malformed(f"json: {error}") from None


def _decode(body: bytes, struct: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=struct)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _parse(body)  # says it in the usual words, if it is JSON that is wrong
        raise Malformed(f"json: {error}") from None
    except RecursionError:
        raise TooDeep from None


def _walk(body: bytes, type_: Type) -> tuple[Any, _Walk]:
    _check_bounds(body)
    tree = _parse(body)
    walk = _Walk()
    if not isinstance(tree, dict):
        raise Malformed(f"json: cannot unmarshal {_go_value(tree)} into Go value of type {type_.go_name}")
    walk.object(tree, type_)
    return tree, walk


def _check_bounds(body: bytes) -> None:
    # Few brackets, wherever they stand: nothing to strip and count.
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    if any(depth > MAX_DEPTH for depth in accumulate(map(_STEP.__getitem__, brackets))):
        raise TooDeep
    if len(brackets) > 2 * MAX_OBJECTS:
        raise TooManyObjects


# --- JSON text ---


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = _Repeated(members)
    repeated.pairs = pairs
    return repeated


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"invalid character {name[0]!r} looking for beginning of value")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)


def _parse(body: bytes) -> Any:
    try:
        return _DECODER.decode(body.decode())
    except json.JSONDecodeError as error:
        raise Malformed(_syntax(error)) from None
    except UnicodeDecodeError as error:
        raise Malformed(f"invalid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise TooDeep from None
    except Malformed:
        raise
    except ValueError:  # more digits than Python turns into an int
        raise Malformed("json: a number has too many digits") from None


_CONTEXTS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def _syntax(error: json.JSONDecodeError) -> str:
    """Python's words about broken JSON in Go's."""
    context = _CONTEXTS.get(error.msg.removesuffix(": "))
    if error.pos >= len(error.doc.rstrip()) or context is None:
        return "unexpected end of JSON input"
    # `Invalid \escape` points at the backslash, Go at what follows it.
    at = error.pos + (error.doc[error.pos] == "\\")
    return f"invalid character {error.doc[at : at + 1]!r} {context}"


# --- the walk ---


class _Walk:
    """One pass over a parsed body beside its type: collects findings, takes nulls out, writes times as
    Kubernetes does, raises on what cannot be read."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.changed = False
        self._path: list[str] = []  # `.spec`, `[0]`

    def object(self, value: dict[str, Any], type_: Type) -> None:
        fields = type_.fields
        repeated = type(value) is _Repeated
        seen: set[str] = set()
        nulls: list[str] = []
        for name, held in value.pairs if isinstance(value, _Repeated) else value.items():
            field = fields.get(name)
            if field is None:
                self._find("unknown", name)
                continue
            if repeated:
                if name in seen:
                    self._find("duplicate", name)
                seen.add(name)
            if held is None:
                nulls.append(name)
            elif field.container or field.kind == "object":
                self._path.append(f".{name}")
                self._contained(held, field, type_)
                self._path.pop()
            elif field.kind != "string" or type(held) is not str:
                self._leaf(held, field, type_, name)
                if field.kind in _TIMES and (written := _TIMES[field.kind](timestamps.parse(held))) != held:
                    value[name], self.changed = written, True
        for name in nulls:
            self.changed = True
            if name in value and value[name] is None:
                del value[name]

    def _contained(self, value: Any, field: Field, owner: Type) -> None:
        if not field.container:
            self._member(value, field, owner)
        elif field.container == "list":
            if type(value) is not list:
                self._wrong(value, field, owner)
            for at, held in enumerate(value):
                if held is None:
                    self.changed = True
                    value[at] = _zero(field)
                elif field.kind != "string" or type(held) is not str:
                    self._path.append(f"[{at}]")
                    self._member(held, field, owner)
                    self._path.pop()
        else:
            self._map(value, field, owner)

    def _map(self, value: Any, field: Field, owner: Type) -> None:
        if not isinstance(value, dict):
            self._wrong(value, field, owner)
        if isinstance(value, _Repeated):
            seen: set[str] = set()
            for name, _ in value.pairs:
                if name in seen:
                    self._find("duplicate", name)
                seen.add(name)
        for name, held in value.items():
            if held is None:
                self.changed = True
                value[name] = _zero(field)
            elif field.kind != "string" or type(held) is not str:
                self._leaf(held, field, owner, "")

    def _member(self, value: Any, field: Field, owner: Type) -> None:
        held = field.type
        if held is None:
            self._leaf(value, field, owner, "")
        elif isinstance(value, dict):
            self.object(value, held)
        else:
            self._wrong(value, field, owner, held.go_name)

    def _leaf(self, value: Any, field: Field, owner: Type, name: str) -> None:
        """A plain value that is not null; `name` is not on the path yet."""
        if not _FITS[field.kind](value):
            if name:
                self._path.append(f".{name}")
            self._wrong(value, field, owner, _GO_NAMES.get(field.kind, field.kind))

    def _find(self, what: str, name: str) -> None:
        finding = f"{what} field {_quoted(f'{self._at}.{name}' if self._path else name)}"
        if len(self.findings) < MAX_FINDINGS and finding not in self.findings:
            self.findings.append(finding)

    @property
    def _at(self) -> str:
        return "".join(self._path).removeprefix(".")

    def _wrong(self, value: Any, field: Field, owner: Type, wanted: str = "") -> NoReturn:
        """Go names the innermost struct, then the path of field names from the root, without indexes."""
        path = ".".join(part[1:] for part in self._path if part.startswith("."))
        struct = owner.name.rsplit(".", 1)[1]
        if not wanted:
            held = field.type
            of = held.go_name if held else _GO_NAMES.get(field.kind, field.kind)
            wanted = f"[]{of}" if field.container == "list" else f"map[string]{of}"
        given = _go_value(value, field.kind)
        raise Malformed(f"json: cannot unmarshal {given} into Go struct field {struct}.{path} of type {wanted}")


def _zero(field: Field) -> Any:
    """What `null` is as an element of a list or a value of a map."""
    if field.kind == "object":
        return {}
    return [] if field.kind == "strings" else _ZEROS.get(field.kind, "")


# --- plain values: does one fit its kind? False where Go names field and type; a reason of its own raises ---


def _is_quantity(value: Any) -> bool:
    if type(value) not in (str, int, float):
        return False
    try:
        quantity.Quantity.parse(value)
    except quantity.QuantityError as error:
        raise Malformed(str(error)) from None
    return True


def _is_time(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        timestamps.parse(value)
    except timestamps.TimestampError as error:
        raise Malformed(str(error)) from None
    return True


def _is_base64(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except ValueError:
        raise Malformed(f"illegal base64 data at input byte {_first_wrong(value)}") from None
    return True


def _is_int_or_string(value: Any) -> bool:
    if type(value) is str or (type(value) is int and -(2**31) <= value < 2**31):
        return True
    raise Malformed(f"json: cannot unmarshal {_go_value(value, 'int32')} into Go value of type int32")


_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: type(value) is str,
    "int32": lambda value: type(value) is int and -(2**31) <= value < 2**31,
    "int64": lambda value: type(value) is int and -(2**63) <= value < 2**63,
    "bool": lambda value: type(value) is bool,
    "double": lambda value: type(value) in (int, float),
    "bytes": _is_base64,
    "time": _is_time,
    "microtime": _is_time,
    "duration": lambda value: type(value) is str,
    "quantity": _is_quantity,
    "intorstring": _is_int_or_string,
    "raw": lambda value: True,
    "fieldsv1": lambda value: True,
    "strings": lambda value: type(value) is list and all(type(each) is str for each in value),
}


# Any offset and fraction is read; stored and shown is UTC, so a client may write back what it has read in its own way.
_TIMES = {"time": timestamps.seconds_text, "microtime": timestamps.micro_text}


def _first_wrong(text: str) -> int:
    """Where base64 text stops being some: the first foreign character, or its end when it is cut short."""
    found = re.match(r"[A-Za-z0-9+/\r\n]*", text)
    return found.end() if found else 0


def _go_value(value: Any, kind: str = "") -> str:
    """Go's word for a JSON value; it quotes a number that only does not fit."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if value is None:
        return "null"
    return f"number {value}" if kind in ("int32", "int64") else "number"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def strict_error(findings: Iterable[str]) -> str:
    """All findings as the one sentence in which Kubernetes refuses them."""
    return "strict decoding error: " + ", ".join(findings)
