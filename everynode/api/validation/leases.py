"""Leases: who holds something, and for how long."""

from __future__ import annotations

from everynode.api.coordination_v1 import Lease, LeaseSpec
from everynode.api.fielderror import forbidden, invalid, not_supported
from everynode.api.validation.fields import NOT_NEGATIVE, Errors, check_label_key
from everynode.api.validation.metadata import check_metadata

STRATEGIES = ("OldestEmulationVersion",)


def check_lease(lease: Lease, errors: Errors) -> None:
    check_metadata(lease.metadata, errors)
    _check_spec(lease.spec, errors)


def check_lease_update(new: Lease, old: Lease, errors: Errors) -> None:
    _check_spec(new.spec, errors)


def _check_spec(spec: LeaseSpec, errors: Errors) -> None:
    seconds, transitions = spec.lease_duration_seconds, spec.lease_transitions
    if seconds is not None and seconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, NOT_NEGATIVE))
    if spec.strategy is not None:
        # The doubled name is Kubernetes' own.
        if "/" in spec.strategy:
            check_label_key(spec.strategy, "spec.strategy.strategy", errors)
        elif spec.strategy not in STRATEGIES:
            errors.append(not_supported("spec.strategy.strategy", spec.strategy, STRATEGIES))
    if spec.preferred_holder and not spec.strategy:
        message = "may only be specified if `strategy` is defined"
        errors.append(forbidden("spec.preferredHolder", message))
