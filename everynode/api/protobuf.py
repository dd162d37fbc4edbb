"""A body in Kubernetes' protobuf becomes JSON: kubectl and helm post some kinds so and accept no refusal.

In: bytes that begin `k8s\\0`, then a runtime.Unknown message, which names its kind and carries the object. Out: JSON bytes,
read further like any JSON body, so that every check is made there. The decoder is driven by the field tables, has no
generated code, and is bounded: in depth, in objects, and never reads beyond its input. Whatever is wrong is a `Malformed`.

As everywhere in protobuf, unknown fields are passed over, a message given twice is merged, and the last scalar counts.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from everynode.api import schema
from everynode.api.malformed import MAX_DEPTH, MAX_OBJECTS, Malformed, TooDeep, TooManyObjects
from everynode.api.schema import Field, Type
from everynode.values import timestamps

MAGIC = b"k8s\0"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {"int32": _VARINT, "int64": _VARINT, "bool": _VARINT, "double": _FIXED64}

Span = tuple[int, int]


class _Unknown(msgspec.Struct):
    api_version: str = ""
    kind: str = ""
    raw: Span = (0, 0)


def to_json(body: bytes) -> bytes:
    """The object in a protobuf body as JSON. Raises `Malformed`, also for a kind that this API does not know."""
    if not body.startswith(MAGIC):
        raise Malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    unknown = _unknown(body)
    group, _, version = unknown.api_version.rpartition("/")
    try:
        type_ = schema.for_kind(group, version, unknown.kind)
    except KeyError:
        raise Malformed(f'no kind "{unknown.kind}" is registered for version "{unknown.api_version}"') from None
    tree: dict[str, Any] = {"kind": unknown.kind, "apiVersion": unknown.api_version}
    _Decoder(body).message(tree, unknown.raw, type_, 1)
    try:
        return msgspec.json.encode(tree)
    except (msgspec.EncodeError, UnicodeEncodeError) as error:
        raise Malformed(f"proto: {error}") from None


def _unknown(body: bytes) -> _Unknown:
    decoder = _Decoder(body)
    unknown = _Unknown()
    for number, wire, value in decoder.fields((len(MAGIC), len(body))):
        if number in (1, 2, 3, 4) and wire != _LENGTH:
            raise _wrong_wire_type(wire, "Unknown")
        if number == 1:
            for inner, inner_wire, text in decoder.fields(value):
                if inner in (1, 2) and inner_wire != _LENGTH:
                    raise _wrong_wire_type(inner_wire, "TypeMeta")
                if inner == 1:
                    unknown.api_version = decoder.text(text)
                elif inner == 2:
                    unknown.kind = decoder.text(text)
        elif number == 2:
            unknown.raw = value
        elif number == 3 and decoder.text(value):
            raise Malformed(f'unsupported content encoding "{decoder.text(value)}"')
    return unknown


@cache
def _by_number(name: str) -> dict[int, tuple[str, Field]]:
    """A type's fields by protobuf number; those of an inlined struct are found by way of `Type.inlined`."""
    fields = schema.type_named(name).fields
    return {field.number: (json, field) for json, field in fields.items() if field.number}


class _Decoder:
    """Walks one body. Spans are half-open ranges of it; nothing is copied but text."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._objects = 0

    def message(self, into: dict[str, Any], span: Span, type_: Type, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise TooDeep
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise TooManyObjects
        fields = _by_number(type_.name)
        for number, wire, value in self.fields(span):
            if found := fields.get(number):
                self._field(into, found[0], found[1], wire, value, depth)
            elif inlined := type_.inlined.get(number):
                if wire != _LENGTH:
                    raise _wrong_wire_type(wire, inlined)
                self.message(into, value, schema.type_named(inlined), depth + 1)

    def _field(self, into: dict[str, Any], name: str, field: Field, wire: int, value: Any, depth: int) -> None:
        if field.container == "map":
            entries = into.setdefault(name, {})
            key, held = self._entry(name, field, wire, value, depth)
            entries[key] = held
        elif field.container == "list":
            many = into.setdefault(name, [])
            if wire == _LENGTH and _WIRE_TYPES.get(field.kind) == _VARINT:
                many += [_number(field.kind, number) for number in self._packed(value)]
            else:
                many.append(self._value({}, name, field, wire, value, depth))
        else:
            held = self._value(into.get(name), name, field, wire, value, depth)
            if held is not None:
                into[name] = held

    def _entry(self, name: str, field: Field, wire: int, span: Any, depth: int) -> tuple[str, Any]:
        if wire != _LENGTH:
            raise _wrong_wire_type(wire, name)
        key = ""
        held: Any = None
        for number, inner, value in self.fields(span):
            if number == 1:
                if inner != _LENGTH:
                    raise _wrong_wire_type(inner, name)
                key = self.text(value)
            elif number == 2:
                held = self._value(None, name, field, inner, value, depth)
        return key, held  # a value left out is null, which reads as the zero value

    def _value(self, old: Any, name: str, field: Field, wire: int, value: Any, depth: int) -> Any:
        """One value as it stands in JSON; None for a time that is not set."""
        kind = field.kind
        if wire != _WIRE_TYPES.get(kind, _LENGTH):
            raise _wrong_wire_type(wire, name)
        if kind in _WIRE_TYPES:
            return _number(kind, value)
        if kind == "object":
            held = old if isinstance(old, dict) else {}
            type_ = field.type
            assert type_ is not None
            self.message(held, value, type_, depth + 1)
            return held
        return _READERS[kind](self, value)

    # --- the wire ---

    def fields(self, span: Span) -> Iterator[tuple[int, int, Any]]:
        """The fields of a message: number, wire type, and an integer or, for what has a length, its span."""
        at, end = span
        body = self._body
        while at < end:
            tag, at = self._varint(at, end)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 2**29:
                raise Malformed(f"proto: illegal tag {number} (wire type {wire})")
            value: Any
            if wire == _VARINT:
                value, at = self._varint(at, end)
            elif wire == _LENGTH:
                length, at = self._varint(at, end)
                value = (at, at + length)
                at += length
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
                value = int.from_bytes(body[at : at + size], "little")
                at += size
            else:
                raise Malformed(f"proto: illegal wireType {wire}")
            if at > end:
                raise Malformed("unexpected EOF")
            yield number, wire, value

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if at >= end:
                raise Malformed("unexpected EOF")
            byte = self._body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
            shift += 7
            if shift >= 64:
                raise Malformed("proto: integer overflow")

    def _packed(self, span: Span) -> Iterator[int]:
        at, end = span
        while at < end:
            value, at = self._varint(at, end)
            yield value

    def text(self, span: Span) -> str:
        try:
            return str(self._body[span[0] : span[1]], "utf-8")
        except UnicodeDecodeError:
            raise Malformed("proto: a string is no valid UTF-8") from None

    # --- messages that JSON writes as plain values ---

    def base64(self, span: Span) -> str:
        return base64.b64encode(self._body[span[0] : span[1]]).decode()

    def time(self, span: Span) -> str | None:
        seconds, nanos = self._moment(span)
        return timestamps.seconds_text(seconds) if seconds or nanos else None

    def micro_time(self, span: Span) -> str | None:
        seconds, nanos = self._moment(span)
        if not (seconds or nanos):
            return None
        return f"{timestamps.seconds_text(seconds)[:-1]}.{nanos // 1000:06d}Z"

    def _moment(self, span: Span) -> tuple[int, int]:
        """Seconds and nanoseconds, in the range that RFC 3339 can write."""
        seconds, nanos = self._numbers(span)
        if not (-62_135_596_800 <= seconds < 253_402_300_800 and 0 <= nanos < 10**9):
            raise Malformed("proto: a time is out of range")
        return seconds, nanos

    def duration(self, span: Span) -> str:
        return f"{self._numbers(span)[0]}ns"

    def quantity(self, span: Span) -> str:
        return "".join(self.strings(span)[-1:])

    def int_or_string(self, span: Span) -> int | str:
        type_, number, text = 0, 0, ""
        for field, wire, value in self.fields(span):
            if field in (1, 2, 3) and wire != (_LENGTH if field == 3 else _VARINT):
                raise _wrong_wire_type(wire, "IntOrString")
            if field == 1:
                type_ = value
            elif field == 2:
                number = _signed(value, 32)
            elif field == 3:
                text = self.text(value)
        if type_ not in (0, 1):
            raise Malformed("impossible IntOrString.Type")
        return text if type_ else number

    def raw(self, span: Span) -> msgspec.Raw | None:
        """JSON kept as it is, once it is known to be one JSON value and nothing more."""
        spans = self._texts(span)
        if not spans or spans[-1][0] == spans[-1][1]:
            return None
        try:
            return msgspec.json.decode(self._body[slice(*spans[-1])], type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"proto: embedded JSON: {error}") from None
        except RecursionError:
            raise TooDeep from None

    def strings(self, span: Span) -> list[str]:
        return [self.text(held) for held in self._texts(span)]

    def _texts(self, span: Span) -> list[Span]:
        """The field 1 of a message that is a wrapped string, list of strings, or bytes."""
        held = []
        for number, wire, value in self.fields(span):
            if number == 1:
                if wire != _LENGTH:
                    raise _wrong_wire_type(wire, "value")
                held.append(value)
        return held

    def _numbers(self, span: Span) -> tuple[int, int]:
        """The fields 1 (int64) and 2 (int32)."""
        first = second = 0
        for number, wire, value in self.fields(span):
            if number in (1, 2) and wire != _VARINT:
                raise _wrong_wire_type(wire, "number")
            if number == 1:
                first = _signed(value, 64)
            elif number == 2:
                second = _signed(value, 32)
        return first, second


_READERS: dict[str, Callable[[_Decoder, Span], Any]] = {
    "string": _Decoder.text,
    "bytes": _Decoder.base64,
    "time": _Decoder.time,
    "microtime": _Decoder.micro_time,
    "duration": _Decoder.duration,
    "quantity": _Decoder.quantity,
    "intorstring": _Decoder.int_or_string,
    "raw": _Decoder.raw,
    "fieldsv1": _Decoder.raw,
    "strings": _Decoder.strings,
}


def _number(kind: str, value: int) -> int | bool | float:
    if kind == "bool":
        return value != 0
    if kind == "double":
        return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])
    return _signed(value, 32 if kind == "int32" else 64)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _wrong_wire_type(wire: int, name: str) -> Malformed:
    return Malformed(f"proto: wrong wireType = {wire} for field {name}")
