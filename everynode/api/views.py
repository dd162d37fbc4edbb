"""What views are made of: small structs with just the fields that somebody reads of an object.

Whoever needs fields decodes a view of them, not the object. A view names a field as the object's struct does, and everything it
does not name is passed over. Each room writes its own views over these bases; an informer needs an `Identity` as `metadata`.
"""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Base of all views. None of them can be part of a cycle, so the garbage collector need not look at them."""


class Identity(View):
    """Which object it is, and which version of it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
