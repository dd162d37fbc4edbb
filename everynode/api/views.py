"""What views are made of: small structs with just the fields that somebody reads of an object.

Whoever needs fields decodes a view of them, not the object. A view names a field as the object's struct does, and everything it
does not name is passed over. Each room writes its own views over these bases; an informer needs an `Identity` as `metadata`.

Views are kept for as long as their objects live, a hundred thousand of each, and of one object there are half a dozen, so what
is the same in two of them is there once. Texts that many objects or many views have in common are interned; equal parts
that nobody changes are one (`shared`, `shared_dict`). Sequences are tuples, since an empty one costs nothing and the garbage
collector leaves those alone that hold no container.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Protocol, TypeVar, cast

import msgspec

T = TypeVar("T")

# Parts that are remembered for sharing. Those used least of late are forgotten first; they stay what they are.
SHARED = 4_096


class View(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Base of all views. None of them can be part of a cycle, so the garbage collector need not look at them."""


class Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of the parts of views that may be shared."""


class Identity(View):
    """Which object it is, and which version of it: texts that every view of the object has."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""

    def __post_init__(self) -> None:
        intern = sys.intern
        self.name, self.namespace = intern(self.name), intern(self.namespace)
        self.uid, self.resource_version = intern(self.uid), intern(self.resource_version)


class _Shared(Protocol):
    def __call__(self, part: T, /) -> T: ...


# The one that stands for all parts equal to this one, which is hashable: a tuple of frozen structs, a text.
shared = cast(_Shared, functools.lru_cache(maxsize=SHARED)(lambda part: part))


@functools.lru_cache(maxsize=SHARED)
def _dict(items: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return dict(items)


def shared_dict(part: dict[str, T]) -> dict[str, T]:
    """The one dict that stands for all with the same values in the same order; nobody may change it."""
    return cast(dict[str, T], _dict(tuple(part.items())))
