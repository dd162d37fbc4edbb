"""Server-side apply as a request: a configuration is read, laid over what stands, and a disagreement becomes a 409.

The rules are those of `everynode.patch.apply`; here the request's words meet them: who applies, whether by force, and which
part of an object this URL can change. Quantities are compared as they are stored, so that `cpu: "0.5"` is no change of `500m`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api import fielderror, schema, status, strict
from everynode.api.meta_v1 import ManagedFieldsEntry, StatusCause
from everynode.api.schema import Field, Type
from everynode.apiserver import body, options
from everynode.apiserver.call import Call
from everynode.patch.apply import ApplyConflicts, ApplyError, apply
from everynode.patch.managed_fields import ManagedFieldsError, after_update
from everynode.patch.managed_fields import read as read_owners
from everynode.values.quantity import QuantityError, canonical

Tree = dict[str, Any]


def read(call: Call) -> Tree:
    """The configuration in the body, YAML or JSON; raises 400 or 413, and 422 when nobody says that it is theirs."""
    if not call.request.first("fieldManager"):
        raise options.invalid("PatchOptions", fielderror.required("fieldManager", "is required for apply patch"))
    text = call.request.body
    if len(text) > body.MOST_BYTES:
        raise status.too_large(f"Request entity too large: limit is {body.MOST_BYTES}")
    try:
        wanted = msgspec.json.decode(strict.yaml_to_json(text))
    except (strict.Malformed, msgspec.MsgspecError) as error:
        raise status.bad_request(f"error decoding YAML: {error}") from None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("metadata", {}), dict):
        raise status.bad_request("error decoding YAML: an object with metadata is expected")
    if wanted.get("apiVersion") != call.resource.api_version or wanted.get("kind") != call.resource.kind:
        raise status.bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {wanted.get('apiVersion')}, "
            f"{wanted.get('kind')}, expected: {call.resource.api_version}, {call.resource.kind}"
        )
    return wanted


def merge(call: Call, wanted: Tree, live: Tree | None, now: str) -> Tree:
    """The object after the apply, its managedFields with it; raises 409 with a cause for each field in dispute."""
    resource = call.resource
    type_ = schema.for_kind(resource.group, resource.version, resource.kind)
    try:
        return apply(
            live,
            _with_canonical_quantities(wanted, type_),
            type_,
            manager=call.field_manager,
            api_version=resource.api_version,
            time=now,
            force=call.request.first("force") in ("true", "1"),
            subresource=call.target.subresource,
            ignored=_reset_fields(call),
        )
    except ApplyConflicts as error:
        raise status.apply_conflict(
            str(error),
            [
                StatusCause(reason="FieldManagerConflict", message=conflict.message, field=conflict.field)
                for conflict in error.conflicts
            ],
        ) from None
    except ApplyError as error:
        raise status.bad_request(str(error)) from None


def drop_unreadable(new: Any, old: Any | None) -> None:
    """Managed fields that a client made up and that say nothing give way to those that stand, or to none."""
    entries = new.metadata.managed_fields
    if not entries:
        return
    try:
        read_owners(msgspec.json.decode(msgspec.json.encode(entries)))
    except ManagedFieldsError:
        new.metadata.managed_fields = old.metadata.managed_fields if old is not None else []


def record_update(call: Call, new: Any, old: Any, now: str) -> None:
    """Tells in an object that somebody applied what a plain write to it takes over; changes `new` in place.

    Objects that nobody ever applied carry no record (the next apply finds all of it owned from before)."""
    resource = call.resource
    tracked = after_update(
        _tree(old),
        _tree(new),
        schema.for_kind(resource.group, resource.version, resource.kind),
        manager=call.field_manager,
        api_version=resource.api_version,
        time=now,
        subresource=call.target.subresource,
        ignored=_reset_fields(call),
    )
    entries = tracked["metadata"].get("managedFields", [])
    new.metadata.managed_fields = msgspec.json.decode(msgspec.json.encode(entries), type=list[ManagedFieldsEntry])


def _tree(obj: Any) -> Tree:
    tree: Tree = msgspec.json.decode(msgspec.json.encode(obj))
    return tree


def _reset_fields(call: Call) -> tuple[str, ...]:
    """The members that the URL's part of the object does not change, so that nobody can own them through it."""
    if call.target.subresource == "status":
        return ("spec", "metadata")
    return ("status",) if call.resource.subresources else ()


def _with_canonical_quantities(tree: Any, type_: Type | None, kind: str = "object") -> Any:
    """The tree with every quantity spelt as it will be stored; one that is malformed is left for validation to name."""
    if isinstance(tree, list):
        return [_with_canonical_quantities(each, type_, kind) for each in tree]
    if isinstance(tree, dict):
        if kind == "quantity" or type_ is None:
            return {name: _with_canonical_quantities(each, None, kind) for name, each in tree.items()}
        return {name: _of_field(each, type_.fields.get(name)) for name, each in tree.items()}
    if kind != "quantity" or not isinstance(tree, str | int | float):
        return tree
    try:
        return canonical(tree)
    except QuantityError:
        return tree


def _of_field(value: Any, field: Field | None) -> Any:
    return value if field is None else _with_canonical_quantities(value, field.type, field.kind)
