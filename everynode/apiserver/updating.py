"""update and patch: the next version of an object, made from the one that stands.

A PUT that names a resourceVersion replaces just that version (409 otherwise); one that names none, and a patch, are made
anew from whatever stands when others write in between. A patch is judged by the same rules as a PUT of its result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from everynode.api import schema, status
from everynode.apiserver import applying, body, media, part_patch, stored
from everynode.apiserver.call import Call
from everynode.apiserver.creating import create_object
from everynode.apiserver.strategies import strategy_of
from everynode.apiserver.writing import (
    ATTEMPTS,
    Writer,
    check_preconditions,
    ends_with_this_write,
    prepare_update,
    refuse_if_invalid,
)
from everynode.patch import json_patch, merge, strategic
from everynode.store.contract import Conflict, Entry
from everynode.wire.message import Response

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

# What a resourceVersion says that names no version.
_ANY_VERSION = ("", "0")

Patch = Callable[[dict[str, Any]], dict[str, Any]]


async def update(writer: Writer, call: Call) -> Response:
    """Carries out a PUT on an object or its status."""
    resource = call.resource
    new = body.read_object(call, resource)
    _check_names(call, new)
    named = new.metadata.resource_version
    for _ in range(ATTEMPTS):
        entry = await writer.current(call)
        if named in _ANY_VERSION and strategy_of(resource).names_version:
            raise status.unversioned(resource, call.target.name)
        new.metadata.resource_version = named
        try:
            return await _replace(writer, call, entry, new)
        except Conflict as conflict:
            if conflict.current is None:
                raise status.not_found(resource, call.target.name) from None
            if named not in _ANY_VERSION:
                break
    raise status.conflict(resource, call.target.name, status.OBJECT_MODIFIED)


async def patch(writer: Writer, call: Call) -> Response:
    """Carries out a PATCH on an object or its status."""
    kind = call.request.headers.get("content-type", "")
    if kind not in PATCHES:  # it has parameters, or capitals
        kind = next((each.type for each in media.parse(kind)), "")
    if kind == APPLY_PATCH:
        return await _apply(writer, call)
    write = _write_of(writer, call, kind)
    for _ in range(ATTEMPTS):
        entry = await writer.current(call)
        try:
            return await write(entry)
        except Conflict as conflict:
            if conflict.current is None:
                raise status.not_found(call.resource, call.target.name) from None
    raise status.conflict(call.resource, call.target.name, status.OBJECT_MODIFIED)


def _write_of(writer: Writer, call: Call, kind: str) -> Callable[[Entry], Awaitable[Response]]:
    """What the patch makes of the version that stands."""
    of_part = part_patch.read(call) if kind == MERGE_PATCH else None
    if of_part is not None:
        return lambda entry: part_patch.replace(writer, call, entry, of_part)
    change = _patch_of(call, kind)
    return lambda entry: _replace(writer, call, entry, _patched(call, change(stored.tree(call.resource, entry))))


def _patched(call: Call, tree: dict[str, Any]) -> Any:
    new = body.convert_object(call, call.resource, tree)
    _check_names(call, new)
    return new


async def _replace(writer: Writer, call: Call, entry: Entry, new: Any, *, applied: bool = False) -> Response:
    """Writes `new` over `entry` under all the rules; raises Conflict when something else stands there by then.

    `applied` says that `new` already tells who owns its fields."""
    resource = call.resource
    old = stored.decode(resource, entry)
    metadata = new.metadata
    check_preconditions(call, entry, old, metadata.uid, metadata.resource_version)
    metadata.resource_version = str(entry.revision)
    refuse_if_invalid(resource, call.target.name, prepare_update(resource, call.target.subresource, new, old))
    if not applied:
        applying.drop_unreadable(new, old)
    if not applied and old.metadata.managed_fields:
        applying.record_update(call, new, old, writer.now())
    value = stored.encode(resource, new)
    if ends_with_this_write(new):
        return await writer.remove(call, entry, value)
    charge = await writer.admission.charge_update(resource, call.target.subresource, new, old)
    try:
        return await writer.replace(call, entry, value)
    finally:
        writer.admission.release(charge)


def _patch_of(call: Call, kind: str) -> Patch:
    """The patch as a function from one tree to the next; raises 400 for a malformed one, 415 for an unknown kind."""
    if kind == JSON_PATCH:
        operations = _decode(call.request.body, list[Any])
        return _refusing(lambda tree: json_patch.apply(tree, operations))
    if kind == MERGE_PATCH:
        changes = _decode(call.request.body, dict[str, Any])
        return _refusing(lambda tree: merge.apply(tree, changes))
    if kind == STRATEGIC_PATCH:
        changes = _decode(call.request.body, dict[str, Any])
        resource = call.resource
        type_ = schema.for_kind(resource.group, resource.version, resource.kind)
        return _refusing(lambda tree: strategic.apply(tree, changes, type_))
    raise status.unsupported_media_type(PATCHES)


def _refusing(change: Callable[[dict[str, Any]], Any]) -> Patch:
    def patched(tree: dict[str, Any]) -> dict[str, Any]:
        try:
            result = change(tree)
        except json_patch.PatchTooLarge as error:
            raise status.too_large(str(error)) from None
        except json_patch.CannotApply as error:
            raise status.failure(422, "Invalid", str(error)) from None
        except ValueError as error:
            raise status.bad_request(str(error)) from None
        if not isinstance(result, dict):
            raise status.bad_request("the patched object is not a JSON object")
        return result

    return patched


def _decode(text: bytes, type_: Any) -> Any:
    if len(text) > body.MOST_BYTES:
        raise status.too_large(f"Request entity too large: limit is {body.MOST_BYTES}")
    try:
        return msgspec.json.decode(text, type=type_)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise status.bad_request(f"error decoding patch: {error}") from None


def _check_names(call: Call, new: Any) -> None:
    """The body is about the object that the URL names."""
    metadata, target = new.metadata, call.target
    if not metadata.name:
        raise status.bad_request("the name of the object ( based on URL) was undeterminable: name must be provided")
    if metadata.name != target.name:
        raise status.bad_request(
            f"the name of the object ({metadata.name}) does not match the name on the URL ({target.name})"
        )
    if metadata.namespace and target.namespace and metadata.namespace != target.namespace:
        raise status.bad_request(
            f"the namespace of the object ({metadata.namespace}) does not match the namespace on the request "
            f"({target.namespace})"
        )


async def _apply(writer: Writer, call: Call) -> Response:
    """Server-side apply: the fields a manager wants, merged with everybody else's; creates what is not there."""
    resource = call.resource
    wanted = applying.read(call)
    for _ in range(ATTEMPTS):
        entry = await writer.store.get(resource.key(call.target.namespace, call.target.name))
        if entry is None:
            if call.target.subresource:
                raise status.not_found(resource, call.target.name)
            tree = applying.merge(call, wanted, None, writer.now())
            return await create_object(writer, call, body.convert_object(call, resource, tree))
        tree = applying.merge(call, wanted, stored.tree(resource, entry), writer.now())
        try:
            return await _replace(writer, call, entry, _patched(call, tree), applied=True)
        except Conflict:
            continue
    raise status.conflict(resource, call.target.name, status.OBJECT_MODIFIED)
