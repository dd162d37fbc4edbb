"""A YAML body becomes JSON, with the meaning that Kubernetes' own YAML reader gives it.

In: one YAML document from outside. Out: JSON bytes in which a key given twice still stands twice, so that it is found as
a duplicate field like any other. Guaranteed: nesting and the size of what aliases expand to are bounded (a few hundred
bytes can ask for gigabytes), and so is recursion: libyaml's events are read one by one, for its composer overflows the
C stack on deep input.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from everynode.api.malformed import MAX_DEPTH, Malformed, TooDeep

# Values as they are written, and again after every alias has been written out: far more than the largest manifest, little
# enough to refuse within half a second.
MAX_VALUES = 200_000

_BOOL, _NULL, _INT, _FLOAT, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "int", "float", "merge"))
# What Kubernetes' reader takes for a float and PyYAML for text: 1e3.
_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]{1,3}", re.ASCII)
_TRUE = ("yes", "true", "on", "y")


class _Mapping(list[tuple[str, Any]]):
    """The members of a YAML mapping in order, duplicates included."""


class _Merge(str):
    """The key `<<`, written plainly."""


def to_json(body: bytes) -> bytes:
    """The only document as JSON bytes; raises `Malformed`."""
    try:
        reader = _Reader(yaml.parse(body, Loader=yaml.CSafeLoader))
        tree = reader.document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise Malformed(f"yaml: {where}{getattr(error, 'problem', None) or error}") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"yaml: invalid UTF-8 at byte {error.start}") from None
    return "".join(_Writer().value(tree, 0)).encode()


class _Reader:
    """Builds a tree from events. An alias is the anchored object itself: nothing is copied here."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._left = MAX_VALUES
        self._resolver = Resolver()

    def document(self) -> Any:
        for _ in ("stream start", "document start"):
            event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return None
        tree = self._node(next(self._events), 1)
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise Malformed("yaml: expected a single document")
        return tree

    def _node(self, event: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise TooDeep
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"yaml: more than {MAX_VALUES} values in one document")
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise Malformed(f"yaml: unknown anchor '{event.anchor}' referenced")
            return self._anchors[event.anchor]
        if isinstance(event, ScalarEvent):
            value: Any = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            value = []
            while not isinstance(inner := next(self._events), SequenceEndEvent):
                value.append(self._node(inner, depth + 1))
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(depth)
        else:
            raise Malformed(f"yaml: unexpected {type(event).__name__}")
        # An anchor is known after its node only, so that no node can hold itself.
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> _Mapping:
        members = _Mapping()
        merged: list[_Mapping] = []
        while not isinstance(inner := next(self._events), MappingEndEvent):
            key = self._node(inner, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if isinstance(key, _Merge):
                merged += _mergeable(value)
            else:
                members.append((_key(key), value))
        have = {key for key, _ in members}
        for other in merged:
            members += [(key, value) for key, value in other if key not in have]
            have |= {key for key, _ in other}
            if len(members) > MAX_VALUES:
                raise Malformed(_TOO_LARGE)
        return members

    def _scalar(self, event: ScalarEvent) -> Any:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._resolver.resolve(ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        text: str = event.value
        if tag == _MERGE:
            return _Merge(text)
        if tag == _BOOL:
            return text.lower() in _TRUE
        if tag == _NULL:
            return None
        # YAML 1.1 counts 1:30 in sixties; Kubernetes takes it for text.
        if tag in (_INT, _FLOAT) and ":" not in text:
            return _number(text, tag)
        return float(text) if event.implicit[0] and _EXPONENT.fullmatch(text) else text


def _number(text: str, tag: str) -> int | float:
    plain = text.replace("_", "").lower()
    try:
        if tag == _FLOAT:
            number = float(plain.replace(".inf", "inf").replace(".nan", "nan"))
            if not math.isfinite(number):
                raise Malformed(f"yaml: {text} has no form in JSON")
            return number
        digits = plain.lstrip("+-")
        # A leading zero is octal in YAML 1.1.
        octal = len(digits) > 1 and digits.isdigit() and digits.startswith("0")
        return int(plain, 8) if octal else int(plain, 0)
    except ValueError as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(f"yaml: {text[:40]!r} is no number") from None


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, (str, int, float)):
        return str(key)
    raise Malformed("yaml: a key is neither text nor a number")


def _mergeable(value: Any) -> list[_Mapping]:
    many = value if isinstance(value, list) and not isinstance(value, _Mapping) else [value]
    if all(isinstance(each, _Mapping) for each in many):
        return many
    raise Malformed("yaml: map merge requires map or sequence of maps as the value")


_TOO_LARGE = "yaml: document contains excessive aliasing"


class _Writer:
    """Writes the tree as JSON text, and counts values: aliases are written out here."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def value(self, value: Any, depth: int) -> Iterator[str]:
        self._left -= 1
        if self._left < 0:
            raise Malformed(_TOO_LARGE)
        if depth > MAX_DEPTH:
            raise TooDeep
        if isinstance(value, _Mapping):
            separator = "{"
            for key, held in value:
                yield f"{separator}{json.dumps(key)}:"
                yield from self.value(held, depth + 1)
                separator = ","
            yield "}" if value else "{}"
        elif isinstance(value, list):
            separator = "["
            for held in value:
                yield separator
                yield from self.value(held, depth + 1)
                separator = ","
            yield "]" if value else "[]"
        else:
            yield json.dumps(value)
