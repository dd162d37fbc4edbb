"""Sets of field paths: who owns which fields of an object.

A set is a tree of path elements, spelt as `managedFields` spells them in JSON (FieldsV1): `f:NAME` a member of an object,
`k:{"name":"a"}` the element of a list with these keys, `v:"x"` this element of a list of plain values. A node may be in the
set itself (`member`), or only lead to nodes that are. Sets are immutable, and no node is kept that leads nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldSet:
    """A node and what lies below it; the root stands for the object itself."""

    member: bool = False
    children: Mapping[str, FieldSet] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.member or bool(self.children)

    def union(self, other: FieldSet) -> FieldSet:
        """What is in either."""
        children = dict(self.children)
        for element, child in other.children.items():
            mine = children.get(element)
            children[element] = mine.union(child) if mine is not None else child
        return FieldSet(self.member or other.member, children)

    def difference(self, other: FieldSet) -> FieldSet:
        """What is in this set and not in the other, path by path: a path does not stand for those below it."""
        if not other:
            return self
        children = {
            element: rest
            for element, child in self.children.items()
            if (rest := child.difference(other.children.get(element, EMPTY)))
        }
        return FieldSet(self.member and not other.member, children)

    def intersection(self, other: FieldSet) -> FieldSet:
        """What is in both."""
        children = {
            element: shared
            for element, child in self.children.items()
            if element in other.children and (shared := child.intersection(other.children[element]))
        }
        return FieldSet(self.member and other.member, children)

    def without(self, names: Iterable[str]) -> FieldSet:
        """The set without these members of the object and everything below them."""
        gone = {f"f:{name}" for name in names}
        return FieldSet(
            self.member, {element: child for element, child in self.children.items() if element not in gone}
        )

    def paths(self) -> Iterator[str]:
        """Every path in the set, as Kubernetes prints it: `.spec.template.spec.containers[name="nginx"].image`."""
        if self.member:
            yield ""
        for element, child in sorted(self.children.items()):
            shown = shown_element(element)
            for path in child.paths():
                yield shown + path

    def to_fields_v1(self) -> dict[str, Any]:
        """The JSON of `fieldsV1`."""
        tree: dict[str, Any] = {".": {}} if self.member and self.children else {}
        for element, child in sorted(self.children.items()):
            tree[element] = child.to_fields_v1()
        return tree

    @staticmethod
    def from_fields_v1(tree: Any) -> FieldSet:
        """From the JSON of `fieldsV1`. Raises ValueError for anything else."""
        return FieldSet(children=_children(tree))

    @staticmethod
    def of(*paths: tuple[str, ...]) -> FieldSet:
        """The set of these paths of member names."""
        found = EMPTY
        for path in paths:
            node = FieldSet(member=True)
            for name in reversed(path):
                node = FieldSet(children={f"f:{name}": node})
            found = found.union(node)
        return found


EMPTY = FieldSet()


def key_element(keys: Mapping[str, Any]) -> str:
    """The path element of a list's struct with these keys."""
    return "k:" + _json(dict(keys))


def value_element(value: Any) -> str:
    """The path element of a plain value in a list that is a set."""
    return "v:" + _json(value)


def shown_element(element: str) -> str:
    """One path element as Kubernetes prints it."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "k:":
        return f"[{','.join(f'{key}={_json(value)}' for key, value in json.loads(text).items())}]"
    return f"[={text}]" if kind == "v:" else f"[{text}]"


def _children(tree: Any) -> dict[str, FieldSet]:
    if not isinstance(tree, dict):
        raise ValueError("managed fields must be an object of objects")
    children = {}
    for element, below in tree.items():
        if element == ".":
            continue
        if element[:2] not in ("f:", "k:", "v:", "i:"):
            raise ValueError(f"unknown path element in managed fields: {element}")
        if element[:2] in ("k:", "v:"):
            element = element[:2] + _json(json.loads(element[2:]))
        under = _children(below)
        if node := FieldSet(not below or "." in below, under):
            children[element] = node
    return children


def _json(value: Any) -> str:
    """Compact JSON with sorted keys, so that equal elements are spelt alike."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
