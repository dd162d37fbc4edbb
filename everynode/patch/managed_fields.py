"""`metadata.managedFields`: who has set which fields, and how, and when.

`read` and `write` turn the entries into owners and back. `after_update` says what the entries are after a plain create, update
or patch: whoever changed a field owns it, nobody else does. (`apply` has its own way: shared fields and conflicts.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from everynode.patch import trees
from everynode.patch.field_set import EMPTY, FieldSet
from everynode.patch.schema import TypeSchema
from everynode.patch.shape import Shape, all_paths, shape_of_type

Tree = dict[str, Any]
Identity = tuple[str, str, str, str]

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATERS = 10  # entries of operation Update; beyond it the oldest are thrown together, as Kubernetes does
ANCIENT_CHANGES = "ancient-changes"

# The server sets these, or they say which object is meant: nobody owns them.
UNOWNED = FieldSet.of(
    ("apiVersion",),
    ("kind",),
    ("metadata",),
    *(
        ("metadata", name)
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ),
)


class ManagedFieldsError(ValueError):
    """The entries cannot be read."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One entry: a manager, by which operation and when it last wrote, and the fields it owns."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""
    fields: FieldSet = EMPTY

    @property
    def identity(self) -> Identity:
        """What tells entries apart. Somebody who applies is the same in every version."""
        return self.manager, self.operation, self.subresource, self.api_version if self.operation == UPDATE else ""

    def __str__(self) -> str:
        """How conflicts name it."""
        text = json.dumps(self.manager, ensure_ascii=False)
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


Owners = dict[Identity, Owner]


def read(entries: Any) -> Owners:
    """The owners that `managedFields` lists. Raises `ManagedFieldsError`."""
    owners = {}
    for index, entry in enumerate(entries or []):
        if entry.get("operation") not in (APPLY, UPDATE):
            raise ManagedFieldsError("operation must be `Apply` or `Update`")
        if not entry.get("apiVersion"):
            raise ManagedFieldsError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ManagedFieldsError(f"missing fieldsType in managed fields entry {index}")
        try:
            fields = FieldSet.from_fields_v1(entry.get("fieldsV1") or {})
        except ValueError as error:
            raise ManagedFieldsError(f"error decoding set: {error}") from None
        names = (entry.get("manager") or "", entry["operation"], entry["apiVersion"])
        owner = Owner(*names, entry.get("subresource") or "", entry.get("time") or "", fields)
        owners[owner.identity] = owner
    return owners


def write(owners: Mapping[Identity, Owner]) -> list[Tree]:
    """The entries of these owners, sorted as Kubernetes sorts them; owners of nothing have none."""
    listed = sorted(
        (owner for owner in owners.values() if owner.fields),
        key=lambda owner: (owner.operation, owner.time, owner.manager, owner.api_version, owner.subresource),
    )
    return [_entry(owner) for owner in listed]


def with_entries(tree: Tree, owners: Mapping[Identity, Owner]) -> Tree:
    """The object with these owners in its metadata."""
    metadata = {key: value for key, value in (tree.get("metadata") or {}).items() if key != "managedFields"}
    if entries := write(owners):
        metadata["managedFields"] = entries
    return {**tree, "metadata": metadata}


def after_update(
    old: Tree | None,
    new: Tree,
    type_: TypeSchema | None,
    *,
    manager: str,
    api_version: str,
    time: str,
    subresource: str = "",
    ignored: Iterable[str] = (),
) -> Tree:
    """`new` with the `managedFields` that follow from its having been written over `old` (None: created).

    `ignored` are the top-level members that this request cannot change (`status`). An object whose fields nobody has
    tracked so far stays untracked; a client that sends `managedFields: []` ends the tracking.
    """
    owners = _tracked(old, new, subresource)
    if old is not None and not owners:
        return with_entries(new, {})
    changed, removed = changes(_bare(old or {}), _bare(new), shape_of_type(type_))
    owners = without(owners, changed.union(removed))
    claimed = changed.without(ignored).difference(UNOWNED)
    if claimed:
        writer = Owner(manager or "unknown", UPDATE, api_version, subresource, time)
        before = owners.get(writer.identity, writer)
        owners[writer.identity] = replace(before, time=time, fields=before.fields.union(claimed))
    return with_entries(new, _capped(owners))


def changes(old: Any, new: Any, shape: Shape) -> tuple[FieldSet, FieldSet]:
    """The paths that `new` adds or changes, and those that it has no longer."""
    before, after = shape.parts(old), shape.parts(new)
    if before is None or after is None:
        if trees.same(old, new):
            return EMPTY, EMPTY
        changed = all_paths(new, shape)
        return changed, all_paths(old, shape).difference(changed)
    changed_below: dict[str, FieldSet] = {}
    removed_below = {
        element: all_paths(part, shape.below(element, part)) for element, part in before.items() if element not in after
    }
    for element, part in after.items():
        below = shape.below(element, part)
        if element not in before:
            changed_below[element] = all_paths(part, below)
            continue
        changed, removed = changes(before[element], part, below)
        if changed:
            changed_below[element] = changed
        if removed:
            removed_below[element] = removed
    return FieldSet(children=changed_below), FieldSet(children=removed_below)


def without(owners: Mapping[Identity, Owner], lost: FieldSet) -> Owners:
    """The owners, less fields that none of them owns any more."""
    rest = {identity: replace(owner, fields=owner.fields.difference(lost)) for identity, owner in owners.items()}
    return {identity: owner for identity, owner in rest.items() if owner.fields}


def _tracked(old: Tree | None, new: Tree, subresource: str) -> Owners:
    """The owners to start from: those the client sent, for it may edit them, else those that stand."""
    standing = _entries(old or {})
    sent = standing if subresource else _entries(new)
    if sent == [] or sent == [{}]:
        return {}
    try:
        owners = read(sent)
    except ManagedFieldsError:
        owners = {}
    return owners or read(standing)


def _entries(tree: Tree) -> Any:
    return (tree.get("metadata") or {}).get("managedFields")


def _bare(tree: Tree) -> Tree:
    return with_entries(tree, {})


def _entry(owner: Owner) -> Tree:
    entry: Tree = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owner.api_version}
    if owner.time:
        entry["time"] = owner.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": owner.fields.to_fields_v1()}
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry


def _capped(owners: Owners) -> Owners:
    """No more than MAX_UPDATERS updaters: the oldest of each API version share one entry."""
    updaters = sorted(
        (owner for owner in owners.values() if owner.operation == UPDATE),
        key=lambda owner: (owner.time, owner.identity),
    )
    surplus = len(updaters) - MAX_UPDATERS
    oldest: dict[str, Owner] = {}
    capped = dict(owners)
    for owner in updaters:
        if surplus <= 0:
            break
        first = oldest.setdefault(owner.api_version, owner)
        if first is owner:
            continue
        del capped[owner.identity]
        capped.pop(first.identity, None)
        bucket = Owner(ANCIENT_CHANGES, UPDATE, owner.api_version, "", owner.time, first.fields.union(owner.fields))
        capped[bucket.identity] = oldest[owner.api_version] = bucket
        surplus -= 1
    return capped
