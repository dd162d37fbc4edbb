"""Namespaces: their names, the finalizers that hold them, and that only deletion makes them terminate."""

from __future__ import annotations

from everynode.api.core_v1 import Namespace
from everynode.api.fielderror import invalid
from everynode.api.validation.fields import Errors, dns_label_faults
from everynode.api.validation.metadata import check_finalizer, check_metadata


def check_namespace(namespace: Namespace, errors: Errors) -> None:
    check_metadata(namespace.metadata, errors, namespaced=False, name_faults=dns_label_faults)
    for finalizer in namespace.spec.finalizers:
        check_finalizer(finalizer, "spec.finalizers", errors)


def check_namespace_update(new: Namespace, old: Namespace, errors: Errors) -> None:
    for index, finalizer in enumerate(new.spec.finalizers):
        check_finalizer(finalizer, f"spec.finalizers[{index}]", errors)


def check_namespace_status_update(new: Namespace, old: Namespace, errors: Errors) -> None:
    phase = new.status.phase
    if new.metadata.deletion_timestamp is None:
        if phase != "Active":
            message = "may only be 'Active' if `deletionTimestamp` is empty"
            errors.append(invalid("status.Phase", phase, message))
    elif phase != "Terminating":
        message = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        errors.append(invalid("status.Phase", phase, message))
