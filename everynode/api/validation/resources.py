"""Amounts of resources: what a resource may be called, and how requests, limits and capacities must relate.

Amounts have been rewritten to canonical text by defaulting, so every one of them can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set

from everynode.api.core_v1 import ResourceClaim, ResourceRequirements
from everynode.api.fielderror import duplicate, forbidden, invalid, not_found, not_supported, required
from everynode.api.validation.fields import (
    NOT_NEGATIVE,
    Errors,
    add_faults,
    check_dns_label,
    label_key_faults,
)
from everynode.values.names import label_key_errors
from everynode.values.quantity import Quantity, QuantityError

Amount = str | int | float
NameCheck = Callable[[str, str, Errors], None]

HUGE_PAGES = "hugepages-"
REQUESTS = "requests."
NATIVE_DOMAIN = "kubernetes.io/"
CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
# What only quotas and nodes count by whole objects.
OBJECT_COUNTS = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
STANDARD_RESOURCES = (
    CONTAINER_RESOURCES
    | OBJECT_COUNTS
    | {
        "storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    }
)


def is_huge_pages(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    """Kubernetes' own, as against those of a vendor (`nvidia.com/gpu`)."""
    return "/" not in name or NATIVE_DOMAIN in name


def may_be_overcommitted(name: str) -> bool:
    """Whether a limit may be above the request."""
    return is_native(name) and not is_huge_pages(name)


def is_extended(name: str) -> bool:
    """A vendor's resource, which is counted in whole units."""
    return not is_native(name) and not name.startswith(REQUESTS) and not label_key_errors(REQUESTS + name)


def check_container_resource_name(name: str, path: str, errors: Errors) -> None:
    check_resource_name(name, path, errors)
    if "/" not in name:
        if name not in CONTAINER_RESOURCES and not is_huge_pages(name):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))


def check_pod_resource_name(name: str, path: str, errors: Errors) -> None:
    """What may be requested for a pod as a whole."""
    before = len(errors)
    check_resource_name(name, path, errors)
    if len(errors) == before and name not in ("cpu", "memory") and not is_huge_pages(name):
        errors.append(not_supported(path, name, ("cpu", "hugepages-", "memory")))


def check_amount(name: str, amount: Amount, path: str, errors: Errors) -> None:
    """Never negative, and whole where the resource is counted in units."""
    quantity = Quantity.parse(amount)
    if quantity.nanos < 0:
        errors.append(invalid(path, str(quantity), NOT_NEGATIVE))
    if name in CONTAINER_RESOURCES:  # by far the most frequent; the tests below would say the same
        return
    if (name in OBJECT_COUNTS or is_extended(name)) and quantity.milli_value() % 1000:
        errors.append(invalid(path, str(quantity), "must be an integer"))


def check_requirements(
    requirements: ResourceRequirements,
    claim_names: Set[str],
    path: str,
    errors: Errors,
    check_name: NameCheck = check_container_resource_name,
) -> None:
    """Limits, requests and claims of one container (or, with another `check_name`, of a pod)."""
    limits, requests = requirements.limits, requirements.requests
    if not limits and not requests and not requirements.claims:
        return
    if limits:
        _check_amounts(limits, f"{path}.limits", errors, check_name)
    for name, amount in requests.items():
        place = f"{path}.requests[{name}]"
        check_name(name, place, errors)
        check_amount(name, amount, place, errors)
        _check_against_limit(name, amount, limits, path, errors)
        if is_huge_pages(name):
            _check_huge_pages(name, amount, place, errors)
    _check_huge_pages_have_company(limits.keys() | requests.keys(), path, errors)
    if requirements.claims:
        _check_claims(requirements.claims, claim_names, f"{path}.claims", errors)


def check_overhead(overhead: Mapping[str, Amount], path: str, errors: Errors) -> None:
    """What a runtime class adds to a pod; judged as if it were a container's limits."""
    _check_amounts(overhead, f"{path}.limits", errors, check_container_resource_name)
    _check_huge_pages_have_company(overhead.keys(), path, errors)


def check_resource_name(name: str, path: str, errors: Errors) -> None:
    if name in CONTAINER_RESOURCES:
        return
    if faults := label_key_faults(name):
        add_faults(faults, name, path, errors)
    elif "/" not in name and name not in STANDARD_RESOURCES and not name.removeprefix(REQUESTS).startswith(HUGE_PAGES):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))


def _check_amounts(amounts: Mapping[str, Amount], path: str, errors: Errors, check_name: NameCheck) -> None:
    for name, amount in amounts.items():
        place = f"{path}[{name}]"
        check_name(name, place, errors)
        check_amount(name, amount, place, errors)
        if is_huge_pages(name):
            _check_huge_pages(name, amount, place, errors)


def _check_against_limit(name: str, amount: Amount, limits: Mapping[str, Amount], path: str, errors: Errors) -> None:
    limit_text = limits.get(name)
    if limit_text is None:
        if not may_be_overcommitted(name):
            errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        return
    request, limit = Quantity.parse(amount), Quantity.parse(limit_text)
    if request != limit and not may_be_overcommitted(name):
        message = f"must be equal to {name} limit of {limit}"
        errors.append(invalid(f"{path}.requests", str(request), message))
    elif request > limit:
        message = f"must be less than or equal to {name} limit of {limit}"
        errors.append(invalid(f"{path}.requests", str(request), message))


def _check_huge_pages(name: str, amount: Amount, path: str, errors: Errors) -> None:
    """Huge pages come in whole pages of the size that the name tells."""
    quantity = Quantity.parse(amount)
    try:
        page = Quantity.parse(name.removeprefix(HUGE_PAGES))
    except QuantityError:
        page = Quantity.of(0)
    whole = page.nanos > 0 and page.milli_value() % 1000 == 0 and quantity.value() % page.value() == 0
    if not whole:
        errors.append(invalid(path, str(quantity), f"{quantity} is not positive integer multiple of {name}"))


def _check_huge_pages_have_company(names: Set[str], path: str, errors: Errors) -> None:
    if names and "cpu" not in names and "memory" not in names and any(map(is_huge_pages, names)):
        errors.append(forbidden(path, "HugePages require cpu or memory"))


def _check_claims(claims: Sequence[ResourceClaim], claim_names: Set[str], path: str, errors: Errors) -> None:
    listed = f": {', '.join(sorted(claim_names))}" if claim_names else " which is empty"
    unknown = f"must be one of the names in pod.spec.resourceClaims{listed}"
    seen: set[str] = set()
    in_part: set[str] = set()  # claims of which single requests were taken
    for index, claim in enumerate(claims):
        place = f"{path}[{index}]"
        if not claim.name:
            errors.append(required(place))
            continue
        _check_claim_is_new(claim, seen, in_part, place, errors)
        if claim.name not in claim_names:
            errors.append(not_found(place, claim.name, unknown))


def _check_claim_is_new(claim: ResourceClaim, seen: set[str], in_part: set[str], path: str, errors: Errors) -> None:
    """A claim as a whole excludes its single requests, and each of these comes once."""
    if claim.name in seen:
        errors.append(duplicate(path, claim.name))
        return
    key = claim.name
    if claim.request:
        check_dns_label(claim.request, f"{path}.request", errors)
        key = f"{claim.name}/{claim.request}"
    if key in seen:
        errors.append(duplicate(path, key))
    elif not claim.request and claim.name in in_part:
        errors.append(duplicate(path, claim.name))
    if claim.request:
        in_part.add(claim.name)
    seen.add(key)
