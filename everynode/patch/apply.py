"""Server-side apply: a manager says what it wants of an object, and gets just that, or hears with whom it disagrees.

In come the object that stands (if any), the configuration that one manager applies, and the kind's schema; out goes the next
object with its `managedFields`. The configuration is laid over the object; what the manager applied before and no longer
does goes, unless somebody else owns it; a field that somebody else owns with another value is a conflict, until the manager
forces it and so takes the field over. The same value is shared without a quarrel. Applying the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from everynode.patch.field_set import EMPTY, FieldSet
from everynode.patch.managed_fields import (
    APPLY,
    UNOWNED,
    ManagedFieldsError,
    Owner,
    Owners,
    after_update,
    changes,
    read,
    with_entries,
    without,
)
from everynode.patch.schema import TypeSchema
from everynode.patch.shape import Shape, UnkeyedElement, fields_of, ordered_union, shape_of_type, with_declared_parents

Tree = dict[str, Any]

# Owns what was there before anybody applied anything and tracking began.
BEFORE_FIRST_APPLY = "before-first-apply"


class ApplyError(ValueError):
    """The configuration cannot be applied."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that somebody else owns with another value."""

    owner: Owner
    field: str  # `.spec.template.spec.containers[name="nginx"].image`

    @property
    def message(self) -> str:
        return f"conflict with {self.owner}"


class ApplyConflicts(ApplyError):
    """The configuration disagrees with other managers; the message is Kubernetes' own."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        super().__init__(_conflict_text(conflicts))
        self.conflicts = conflicts


def apply(
    live: Tree | None,
    applied: Tree,
    type_: TypeSchema | None,
    *,
    manager: str,
    api_version: str,
    time: str,
    force: bool = False,
    subresource: str = "",
    ignored: Iterable[str] = (),
) -> Tree:
    """The object after `manager` applied `applied`; `live` None means that it is created.

    `time` is RFC 3339 text; `ignored` names the top-level members that this request cannot change (`status`).
    Raises `ApplyConflicts`, or `ApplyError` for a configuration that makes no sense.
    """
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise ApplyError("metadata.managedFields must be nil")
    shape = shape_of_type(type_)
    applied = _without_nulls(applied)
    try:
        wanted = fields_of(applied, shape).without(ignored).difference(UNOWNED)
    except UnkeyedElement as error:
        raise ApplyError(f"failed to create typed patch object: {error}") from None
    standing = with_entries(live, {}) if live is not None else {}
    owners = _owners(live, type_, api_version)
    applier = Owner(manager, APPLY, api_version, subresource, time, wanted)
    before = owners.pop(applier.identity, None)

    merged = _merge(standing, applied, shape)
    if before is not None:
        merged = _prune(merged, before.fields, [applier, *owners.values()], shape)
    changed, removed = changes(standing, merged, shape)
    conflicts = [
        Conflict(owner, path) for owner in owners.values() for path in owner.fields.intersection(changed).paths()
    ]
    if conflicts and not force:
        raise ApplyConflicts(conflicts)
    owners = without(owners, changed.union(removed))
    if before is not None and before.fields == wanted and not changed and not removed:
        applier = replace(applier, time=before.time)
    owners[applier.identity] = applier
    return with_entries(merged, owners)


def _owners(live: Tree | None, type_: TypeSchema | None, api_version: str) -> Owners:
    """Who owns what stands; without any record, somebody from before the first apply owns all of it."""
    if live is None:
        return {}
    try:
        if owners := read((live.get("metadata") or {}).get("managedFields")):
            return owners
    except ManagedFieldsError as error:
        raise ApplyError(f"failed to decode managed fields: {error}") from None
    tracked = after_update(
        None, with_entries(live, {}), type_, manager=BEFORE_FIRST_APPLY, api_version=api_version, time=""
    )
    return read(tracked["metadata"].get("managedFields"))


def _merge(live: Any, applied: Any, shape: Shape) -> Any:
    """`applied` laid over `live`, part by part."""
    ours, theirs = shape.parts(applied), shape.parts(live)
    if ours is None or theirs is None:
        return applied
    merged = {}
    for element in ordered_union(theirs, ours):
        if element not in ours:
            merged[element] = theirs[element]
        elif element not in theirs:
            merged[element] = ours[element]
        else:
            merged[element] = _merge(theirs[element], ours[element], shape.below(element, ours[element]))
    return shape.build(merged)


def _prune(merged: Tree, before: FieldSet, owners: list[Owner], shape: Shape) -> Tree:
    """`merged` without what was applied before and nobody owns now."""
    owned = reduce(FieldSet.union, (with_declared_parents(owner.fields, shape) for owner in owners), EMPTY)
    pruned: Tree = _remove(merged, with_declared_parents(before, shape).difference(owned), owned, shape)
    return pruned


def _remove(value: Any, gone: FieldSet, owned: FieldSet, shape: Shape) -> Any:
    parts = shape.parts(value)
    if parts is None:
        return value
    kept = {}
    for element, part in parts.items():
        below = gone.children.get(element)
        if below is None:
            kept[element] = part
        elif not below.member:
            kept_by = owned.children.get(element, EMPTY)
            rest = _remove(part, below, kept_by, shape.below(element, part))
            # What became empty goes too, unless somebody wants it empty.
            if rest or not part or kept_by:
                kept[element] = rest
    return shape.build(kept)


def _without_nulls(applied: Any) -> Any:
    """Null is taken for absent: `creationTimestamp: null` in a generated manifest must not wipe out the time that stands."""
    if isinstance(applied, dict):
        return {key: _without_nulls(value) for key, value in applied.items() if value is not None}
    return [_without_nulls(value) for value in applied] if isinstance(applied, list) else applied


def _conflict_text(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: {conflicts[0].message}: {conflicts[0].field}"
    fields: dict[str, list[str]] = {}
    for conflict in sorted(conflicts, key=lambda conflict: conflict.owner.identity):
        fields.setdefault(str(conflict.owner), []).append(conflict.field)
    lines = [
        line
        for owner, paths in fields.items()
        for line in (f"conflicts with {owner}:", *(f"- {path}" for path in paths))
    ]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
