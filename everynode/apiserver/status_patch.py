"""The write that agents and controllers make most: a merge patch of nothing but the status, from a part of this program.

Only the status is merged and encoded; spec and metadata are carried over as the bytes they are. The rules are those of any
status write. Whatever is not of this shape takes the general road in `updating`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from everynode.api import status
from everynode.api.scheme import Resource
from everynode.apiserver import splice, stored
from everynode.apiserver.call import Call
from everynode.apiserver.writing import Writer, check_preconditions, prepare_update, refuse_if_invalid
from everynode.patch import merge
from everynode.store.contract import Entry
from everynode.wire.message import Response


class _Preconditions(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class StatusPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What the body of such a patch holds."""

    status: dict[str, Any]
    metadata: _Preconditions = msgspec.field(default_factory=_Preconditions)


_patch = msgspec.json.Decoder(StatusPatch)


@cache
def _status_type(resource: Resource) -> Any:
    """The kind's status struct, if it consists of metadata, spec and status."""
    fields = {field.name: field.type for field in msgspec.structs.fields(resource.struct)}
    return fields.get("status") if "spec" in fields else None


def read(call: Call) -> StatusPatch | None:
    """The patch, or None when it is not of the shape."""
    if not call.trusted or call.target.subresource != "status" or _status_type(call.resource) is None:
        return None
    try:
        return _patch.decode(call.request.body)
    except msgspec.MsgspecError:
        return None


async def replace(writer: Writer, call: Call, entry: Entry, patch: StatusPatch) -> Response:
    """Writes the status over `entry`; raises Conflict when something else stands there by then."""
    resource = call.resource
    old = stored.decode(resource, entry)
    check_preconditions(call, entry, old, patch.metadata.uid, patch.metadata.resource_version)
    parts = splice.take_apart(entry.value)
    tree = merge.apply(msgspec.json.decode(parts.status or b"{}"), patch.status)
    try:
        told = msgspec.convert(tree, _status_type(resource))
    except msgspec.ValidationError as error:
        raise status.bad_request(f"{resource.kind} status: {error}") from None
    new = resource.struct(metadata=old.metadata, spec=old.spec, status=told)
    refuse_if_invalid(resource, call.target.name, prepare_update(resource, "status", new, old))
    parts.status = splice.raw(new.status)
    return await writer.replace(call, entry, splice.put_together(resource, parts))
