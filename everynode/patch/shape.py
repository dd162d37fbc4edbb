"""How server-side apply sees a tree: which parts of a value may have different owners.

A `Shape` is what the schema says of a value at one place. Values whose parts may have owners of their own come apart into
named parts, under the path elements of `field_set`, and are put together again from them: objects and maps by their members,
lists of type `map` by their elements' keys, lists of type `set` by their elements. Everything else is a leaf: plain values, and
what the schema calls atomic. What no schema knows is taken as it looks: objects come apart, lists do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from everynode.patch.field_set import FieldSet, key_element, value_element
from everynode.patch.schema import FieldSchema, TypeSchema

Parts = dict[str, Any]


class UnkeyedElement(ValueError):
    """A list cannot be told apart into its elements: one lacks a key, or two have the same."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the schema says of a value at one place."""

    kind: Literal["leaf", "struct", "map", "set", "keyed"]
    type: TypeSchema | None = None  # of the struct, or of the structs that a list or map holds
    keys: tuple[str, ...] = ()  # of a keyed list

    def parts(self, value: Any, *, strict: bool = False) -> Parts | None:
        """The value's parts by path element, or None for a leaf.

        A list whose elements cannot be told apart is a leaf too, since it may stand in the store; `strict` raises
        `UnkeyedElement` instead.
        """
        if self.kind in ("struct", "map"):
            return {f"f:{name}": part for name, part in value.items()} if isinstance(value, dict) else None
        if self.kind == "leaf" or not isinstance(value, list):
            return None
        parts: Parts = {}
        for each in value:
            element = self._element(each)
            if element is None or element in parts:
                if strict:
                    raise UnkeyedElement(self._complaint(each))
                return None
            parts[element] = each
        return parts

    def build(self, parts: Mapping[str, Any]) -> Any:
        """The value made of these parts, in their order."""
        if self.kind in ("struct", "map"):
            return {element[2:]: part for element, part in parts.items()}
        return list(parts.values())

    def below(self, element: str, value: Any = None) -> Shape:
        """The shape of the part at this path element; `value` serves to guess it where no schema knows."""
        if self.kind == "struct" and self.type is not None:
            return shape_of(self.type.fields.get(element[2:]), value)
        if self.type is not None:
            return shape_of_type(self.type)
        return _guess(value) if self.kind == "map" else LEAF

    def declares(self, element: str) -> bool:
        """Whether this part is a field that the schema names, rather than an entry somebody chose."""
        return self.kind == "struct" and self.type is not None and element[2:] in self.type.fields

    def _element(self, each: Any) -> str | None:
        """The path element of a list's element; None when it has none."""
        if self.kind == "set":
            return None if isinstance(each, dict | list) else value_element(each)
        if not isinstance(each, dict):
            return None
        keys = {key: each.get(key, self._default(key)) for key in self.keys}
        return None if None in keys.values() else key_element(keys)

    def _default(self, key: str) -> Any:
        field = self.type.fields.get(key) if self.type is not None else None
        return field.default if field is not None else None

    def _complaint(self, each: Any) -> str:
        element = self._element(each)
        if element is not None:
            return f"duplicate entries for key {element}"
        if self.kind == "set" or not isinstance(each, dict):
            return "list elements must be plain values in a set, and objects in a list with keys"
        missing = next(key for key in self.keys if each.get(key, self._default(key)) is None)
        return f'associative list with keys has an element that omits key field "{missing}" (and doesn\'t have default value)'


LEAF = Shape("leaf")
_UNKNOWN_MAP = Shape("map")


def shape_of_type(type_: TypeSchema | None) -> Shape:
    """The shape of a struct; without a schema, of an object that nothing is known of."""
    if type_ is None:
        return _UNKNOWN_MAP
    return LEAF if type_.map_type == "atomic" else Shape("struct", type_)


def shape_of(field: FieldSchema | None, value: Any = None) -> Shape:
    """The shape of a field's value; of an unknown field, what the value looks like."""
    if field is None:
        return _guess(value)
    if field.container == "list":
        if field.list_type == "map":
            return Shape("keyed", field.type, tuple(field.list_map_keys))
        return Shape("set") if field.list_type == "set" else LEAF
    if field.map_type == "atomic":
        return LEAF
    if field.container == "map":
        return Shape("map", field.type)
    return shape_of_type(field.type) if field.type is not None else LEAF


def _guess(value: Any) -> Shape:
    return _UNKNOWN_MAP if isinstance(value, dict) else LEAF


def fields_of(value: Any, shape: Shape) -> FieldSet:
    """The fields that whoever writes `value` lays claim to. Raises `UnkeyedElement`.

    A field that the schema names is claimed through what it holds, or in itself when it holds nothing; entries of maps and
    elements of lists are claimed in themselves, too.
    """
    parts = shape.parts(value, strict=True)
    if parts is None:
        return FieldSet(member=True)
    children = {}
    for element, part in parts.items():
        below = fields_of(part, shape.below(element, part))
        claimed = FieldSet(below.member or not shape.declares(element) or part in ({}, []), below.children)
        if claimed:
            children[element] = claimed
    return FieldSet(children=children)


def all_paths(value: Any, shape: Shape) -> FieldSet:
    """Every path in `value`, leaves and what leads to them."""
    parts = shape.parts(value) or {}
    return FieldSet(True, {element: all_paths(part, shape.below(element, part)) for element, part in parts.items()})


def with_declared_parents(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set, and with each path also the named fields that lead to it: who owns `.spec.replicas` keeps `.spec`."""
    children = {}
    for element, child in fields.children.items():
        below = with_declared_parents(child, shape.below(element, {}))
        children[element] = FieldSet(below.member or shape.declares(element), below.children)
    return FieldSet(fields.member, children)


def ordered_union(live: Iterable[str], applied: Mapping[str, Any]) -> list[str]:
    """Path elements of both: those of `applied` in its order, and the others where they stood among them."""
    order = list(live)
    result: list[str] = []
    at = 0
    for element in applied:
        while at < len(order) and order[at] not in applied:
            result.append(order[at])
            at += 1
        result.append(element)
        if at < len(order):
            at += 1
    result.extend(element for element in order[at:] if element not in applied)
    return result
