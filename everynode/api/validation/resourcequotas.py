"""ResourceQuotas: what may be bounded, and which scopes may bound it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from everynode.api.core_v1 import ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement
from everynode.api.fielderror import invalid, required
from everynode.api.validation.fields import IMMUTABLE, Errors
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.resources import (
    HUGE_PAGES,
    OBJECT_COUNTS,
    REQUESTS,
    Amount,
    check_amount,
    check_resource_name,
)

# What a quota may bound under a bare name; beside it huge pages, and whatever has a domain.
QUOTA_RESOURCES = OBJECT_COUNTS | {
    f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")
} | {"requests.storage"}  # fmt: skip

_COUNT_OF_PODS = frozenset({"pods"})
_OF_PODS = _COUNT_OF_PODS | {f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory")}
# Which of the bare names each scope may bound.
SCOPES: Mapping[str, Set[str]] = {
    "Terminating": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "BestEffort": _COUNT_OF_PODS,
    "NotBestEffort": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "CrossNamespacePodAffinity": _OF_PODS,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
# Scopes that hold or do not, and have no values to choose from.
_PLAIN_SCOPES = SCOPES.keys() - {"PriorityClass", "VolumeAttributesClass"}
_OPPOSITES = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})


def check_resource_quota(quota: ResourceQuota, errors: Errors) -> None:
    check_metadata(quota.metadata, errors)
    _check_spec(quota.spec, errors)


def check_resource_quota_update(new: ResourceQuota, old: ResourceQuota, errors: Errors) -> None:
    _check_spec(new.spec, errors)
    if set(new.spec.scopes) != set(old.spec.scopes):
        errors.append(invalid("spec.scopes", new.spec.scopes, IMMUTABLE))


def check_resource_quota_status_update(new: ResourceQuota, old: ResourceQuota, errors: Errors) -> None:
    _check_amounts(new.status.hard, "status.hard", errors)
    _check_amounts(new.status.used, "status.used", errors)


def _check_spec(spec: ResourceQuotaSpec, errors: Errors) -> None:
    _check_amounts(spec.hard, "spec.hard", errors)
    bare = sorted(name for name in spec.hard if _is_quota_resource(name))
    _check_scopes(spec, bare, errors)
    if spec.scope_selector is not None:
        _check_selector(spec, bare, errors)


def _check_amounts(amounts: Mapping[str, Amount], path: str, errors: Errors) -> None:
    for name, amount in amounts.items():
        place = f"{path}[{name}]"
        check_resource_name(name, place, errors)
        if "/" not in name and not _is_quota_resource(name):
            errors.append(invalid(place, name, "must be a standard resource for quota"))
        check_amount(name, amount, place, errors)


def _is_quota_resource(name: str) -> bool:
    return name in QUOTA_RESOURCES or name.removeprefix(REQUESTS).startswith(HUGE_PAGES)


def _check_scopes(spec: ResourceQuotaSpec, bare: Sequence[str], errors: Errors) -> None:
    path = "spec.scopes"
    for scope in spec.scopes:
        if scope not in SCOPES:
            errors.append(invalid(path, spec.scopes, "unsupported scope"))
        for name in bare:
            if name not in SCOPES.get(scope, bare):
                errors.append(invalid(path, spec.scopes, "unsupported scope applied to resource"))
    _check_opposites(set(spec.scopes), spec, path, errors)


def _check_selector(spec: ResourceQuotaSpec, bare: Sequence[str], errors: Errors) -> None:
    assert spec.scope_selector is not None
    path = "spec.scopeSelector.matchExpressions"
    for requirement in spec.scope_selector.match_expressions:
        scope = requirement.scope_name
        if scope not in SCOPES:
            errors.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        for name in bare:
            if name not in SCOPES.get(scope, bare):
                errors.append(invalid(path, spec.scope_selector, "unsupported scope applied to resource"))
        _check_operator(requirement, path, errors)
    chosen = {requirement.scope_name for requirement in spec.scope_selector.match_expressions}
    _check_opposites(chosen, spec, path, errors)


def _check_operator(requirement: ScopedResourceSelectorRequirement, path: str, errors: Errors) -> None:
    operator, values = requirement.operator, requirement.values
    if requirement.scope_name in _PLAIN_SCOPES and operator != "Exists":
        message = (
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
            "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        errors.append(invalid(f"{path}.operator", operator, message))
    if operator in ("In", "NotIn"):
        if not values:
            message = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(required(f"{path}.values", message))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(invalid(f"{path}.values", values, message))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))


def _check_opposites(chosen: Set[str], spec: ResourceQuotaSpec, path: str, errors: Errors) -> None:
    for pair in _OPPOSITES:
        if pair <= chosen:
            errors.append(invalid(path, spec.scopes, "conflicting scopes"))
