"""The rules of `metadata`, which are the same for every kind but for what a name may be.

`check_metadata` judges an object as it stands (on creation, and again by those kinds that do so on update);
`check_metadata_update` judges how it changed. Errors come in upstream's order.
"""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.fielderror import forbidden, invalid, not_supported, required, too_long
from everynode.api.meta_v1 import ManagedFieldsEntry, ObjectMeta, OwnerReference
from everynode.api.validation.fields import (
    Errors,
    NameFaults,
    add_faults,
    byte_length,
    check_annotations,
    check_immutable,
    check_label_key,
    check_labels,
    check_not_negative,
    dns_label_faults,
    dns_subdomain_faults,
    label_key_faults,
)
from everynode.values.names import mask_trailing_dash

ORPHAN_FINALIZER = "orphan"
FOREGROUND_FINALIZER = "foregroundDeletion"
STANDARD_FINALIZERS = frozenset({"kubernetes", ORPHAN_FINALIZER, FOREGROUND_FINALIZER})
FIELD_MANAGER_MAX_BYTES = 128
SUBRESOURCE_MAX_BYTES = 256


def check_metadata(
    metadata: ObjectMeta, errors: Errors, *, namespaced: bool = True, name_faults: NameFaults = dns_subdomain_faults
) -> None:
    """One object's metadata; `name_faults` is the kind's rule for names."""
    if metadata.generate_name:
        _check_generate_name(metadata.generate_name, name_faults, errors)
    if not metadata.name:
        errors.append(required("metadata.name", "name or generateName is required"))
    elif faults := name_faults(metadata.name):
        add_faults(faults, metadata.name, "metadata.name", errors)
    _check_namespace(metadata.namespace, namespaced, errors)
    if metadata.generation < 0:
        check_not_negative(metadata.generation, "metadata.generation", errors)
    _check_described(metadata, errors, with_finalizers=True)
    _check_kubernetes_finalizers(metadata.finalizers, errors)


def check_metadata_update(new: ObjectMeta, old: ObjectMeta, errors: Errors) -> None:
    """What may not change, and what must be well formed whoever wrote it."""
    if old.deletion_timestamp is not None:
        _check_no_new_finalizers(new.finalizers, old.finalizers, errors)
    if not new.resource_version:
        errors.append(invalid("metadata.resourceVersion", new.resource_version, "must be specified for an update"))
    check_not_negative(new.generation, "metadata.generation", errors)
    if new.generation < old.generation:
        errors.append(invalid("metadata.generation", new.generation, "must not be decremented"))
    check_immutable(new.name, old.name, "metadata.name", errors)
    check_immutable(new.namespace, old.namespace, "metadata.namespace", errors)
    check_immutable(new.uid, old.uid, "metadata.uid", errors)
    check_immutable(new.creation_timestamp, old.creation_timestamp, "metadata.creationTimestamp", errors)
    check_immutable(new.deletion_timestamp, old.deletion_timestamp, "metadata.deletionTimestamp", errors)
    check_immutable(
        new.deletion_grace_period_seconds,
        old.deletion_grace_period_seconds,
        "metadata.deletionGracePeriodSeconds",
        errors,
    )
    _check_described(new, errors, with_finalizers=False)
    _check_kubernetes_finalizers(new.finalizers, errors)


def path_segment_faults(name: str) -> Sequence[str]:
    """The loosest rule of names: whatever can stand in a URL's path."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in name]


def check_finalizer(finalizer: str, path: str, errors: Errors) -> None:
    """A finalizer of a namespace's spec: qualified, or one of Kubernetes' own."""
    check_label_key(finalizer, path, errors)
    _check_known_or_qualified(finalizer, path, errors)


def _check_generate_name(prefix: str, name_faults: NameFaults, errors: Errors) -> None:
    if faults := name_faults(mask_trailing_dash(prefix)):
        add_faults(faults, prefix, "metadata.generateName", errors)


def _check_namespace(namespace: str, namespaced: bool, errors: Errors) -> None:
    if not namespaced:
        if namespace:
            errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    elif not namespace:
        errors.append(required("metadata.namespace"))
    elif faults := dns_label_faults(namespace):
        add_faults(faults, namespace, "metadata.namespace", errors)


def _check_described(metadata: ObjectMeta, errors: Errors, *, with_finalizers: bool) -> None:
    """The part that describes the object: labels, annotations, owners, finalizers, managers."""
    check_labels(metadata.labels, "metadata.labels", errors)
    if metadata.annotations:
        check_annotations(metadata.annotations, "metadata.annotations", errors)
    if metadata.owner_references:
        _check_owners(metadata.owner_references, errors)
    if with_finalizers and metadata.finalizers:
        _check_finalizers(metadata.finalizers, errors)
    for index, entry in enumerate(metadata.managed_fields):
        _check_managed_fields(entry, f"metadata.managedFields[{index}]", errors)


def _check_owners(owners: Sequence[OwnerReference], errors: Errors) -> None:
    path = "metadata.ownerReferences"
    controller = ""
    for index, owner in enumerate(owners):
        _check_owner(owner, f"{path}[{index}]", errors)
        if not owner.controller:
            continue
        name = f"{owner.kind}/{owner.name}"
        if controller:
            message = (
                'Only one reference can have Controller set to true. Found "true" in references for '
                f"{controller} and {name}"
            )
            errors.append(invalid(path, owners, message))
        else:
            controller = name


def _check_owner(owner: OwnerReference, path: str, errors: Errors) -> None:
    if not owner.api_version:
        errors.append(required(f"{path}.apiVersion", "must not be empty"))
    elif owner.api_version.count("/") > 1 or owner.api_version.endswith("/"):
        message = "must be <group>/<version> or <version>"
        errors.append(invalid(f"{path}.apiVersion", owner.api_version, message))
    if not owner.kind:
        errors.append(required(f"{path}.kind", "must not be empty"))
    if not owner.name:
        errors.append(required(f"{path}.name", "must not be empty"))
    if not owner.uid:
        errors.append(required(f"{path}.uid", "must not be empty"))
    if owner.kind == "Event" and owner.api_version in ("v1", "/v1"):
        errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))


def _check_finalizers(finalizers: Sequence[str], errors: Errors) -> None:
    path = "metadata.finalizers"
    for finalizer in finalizers:
        if faults := label_key_faults(finalizer):
            add_faults(faults, finalizer, path, errors)
    if ORPHAN_FINALIZER in finalizers and FOREGROUND_FINALIZER in finalizers:
        message = f"finalizer {ORPHAN_FINALIZER} and {FOREGROUND_FINALIZER} cannot be both set"
        errors.append(invalid(path, finalizers, message))


def _check_kubernetes_finalizers(finalizers: Sequence[str], errors: Errors) -> None:
    for index, finalizer in enumerate(finalizers):
        _check_known_or_qualified(finalizer, f"metadata.finalizers[{index}]", errors)


def _check_known_or_qualified(finalizer: str, path: str, errors: Errors) -> None:
    if "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        message = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(invalid(path, finalizer, message))


def _check_no_new_finalizers(new: Sequence[str], old: Sequence[str], errors: Errors) -> None:
    if extra := sorted(set(new) - set(old)):
        listed = ", ".join(f'"{finalizer}"' for finalizer in extra)
        message = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        errors.append(forbidden("metadata.finalizers", message))


def _check_managed_fields(entry: ManagedFieldsEntry, path: str, errors: Errors) -> None:
    if not entry.operation:
        errors.append(required(f"{path}.operation", "must not be empty"))
    elif entry.operation not in ("Apply", "Update"):
        errors.append(not_supported(f"{path}.operation", entry.operation, ("Apply", "Update")))
    if entry.fields_type not in ("", "FieldsV1"):
        errors.append(invalid(f"{path}.fieldsType", entry.fields_type, "must be `FieldsV1`"))
    if byte_length(entry.manager) > FIELD_MANAGER_MAX_BYTES:
        errors.append(too_long(f"{path}.manager", FIELD_MANAGER_MAX_BYTES))
    if not entry.manager.isprintable():
        _check_printable(entry.manager, f"{path}.manager", errors)
    if byte_length(entry.subresource) > SUBRESOURCE_MAX_BYTES:
        errors.append(too_long(f"{path}.subresource", SUBRESOURCE_MAX_BYTES))


def _check_printable(manager: str, path: str, errors: Errors) -> None:
    position = 0
    for character in manager:
        if not character.isprintable():
            message = f"invalid character U+{ord(character):04X} (at position {position})"
            errors.append(invalid(path, manager, message))
        position += len(character.encode())
