"""The writes that agents and controllers make most: a merge patch of one part of an object, from a part of this program.

That is the status of any kind, and the spec of a Lease (a renewal). Only this part is merged and encoded; the others are
carried over as the bytes they are. The rules are those of any such write. Whatever is not of this shape takes the general
road in `updating`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from everynode.api import scheme, status
from everynode.api.scheme import Resource
from everynode.apiserver import splice, stored
from everynode.apiserver.call import Call
from everynode.apiserver.writing import Writer, check_preconditions, prepare_update, refuse_if_invalid
from everynode.patch import merge
from everynode.store.contract import Entry
from everynode.wire.message import Response

# Kinds of which a patch of the spec takes this road: nothing else of them follows from their spec, not even a generation.
_SPEC_ALONE = frozenset({scheme.LEASES})


class _Preconditions(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class PartPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What the body of such a patch holds: one of the parts."""

    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    metadata: _Preconditions = msgspec.field(default_factory=_Preconditions)


_patch = msgspec.json.Decoder(PartPatch)


@cache
def _types(resource: Resource) -> dict[str, Any]:
    """The structs of a kind's parts."""
    return {field.name: field.type for field in msgspec.structs.fields(resource.struct)}


@cache
def _part(resource: Resource, subresource: str) -> str:
    """Which part is patched alone, or ""."""
    if subresource == "status" and {"spec", "status"} <= _types(resource).keys():
        return "status"
    return "spec" if not subresource and resource in _SPEC_ALONE else ""


def read(call: Call) -> PartPatch | None:
    """The patch, or None when it is not of the shape."""
    part = _part(call.resource, call.target.subresource)
    if not part or not call.trusted:
        return None
    try:
        patch = _patch.decode(call.request.body)
    except msgspec.MsgspecError:
        return None
    other = patch.spec if part == "status" else patch.status
    return patch if getattr(patch, part) is not None and other is None else None


async def replace(writer: Writer, call: Call, entry: Entry, patch: PartPatch) -> Response:
    """Writes the part over `entry`; raises Conflict when something else stands there by then."""
    resource, subresource = call.resource, call.target.subresource
    part = _part(resource, subresource)
    old = stored.decode(resource, entry)
    check_preconditions(call, entry, old, patch.metadata.uid, patch.metadata.resource_version)
    parts = splice.take_apart(entry.value)
    tree = merge.apply(msgspec.json.decode(getattr(parts, part) or b"{}"), getattr(patch, part))
    try:
        told = msgspec.convert(tree, _types(resource)[part])
    except msgspec.ValidationError as error:
        raise status.bad_request(f"{resource.kind} {part}: {error}") from None
    new = msgspec.structs.replace(old, **{part: told})
    refuse_if_invalid(resource, call.target.name, prepare_update(resource, subresource, new, old))
    setattr(parts, part, splice.raw(getattr(new, part)))
    return await writer.replace(call, entry, splice.put_together(resource, parts))
