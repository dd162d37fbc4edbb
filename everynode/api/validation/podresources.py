"""Amounts given for a pod as a whole: they must cover what its containers ask for."""

from __future__ import annotations

from collections.abc import Mapping, Set

from everynode.api.core_v1 import Container, PodSpec
from everynode.api.fielderror import forbidden, invalid
from everynode.api.podamounts import Amounts, together
from everynode.api.validation.fields import Errors
from everynode.api.validation.resources import check_pod_resource_name, check_requirements, is_huge_pages
from everynode.values.quantity import Quantity


def check_pod_resources(spec: PodSpec, claim_names: Set[str], path: str, errors: Errors) -> None:
    resources = spec.resources
    if resources is None:
        return
    if spec.os is not None and spec.os.name == "windows":
        errors.append(forbidden(path, "may not be set for a windows pod"))
        return
    if resources.claims:
        errors.append(forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    check_requirements(resources, claim_names, path, errors, check_pod_resource_name)
    requested = together(spec, lambda container: container.resources.requests)
    _check_covers(resources.requests, requested, "requests", f"{path}.requests", errors)
    limited = together(spec, lambda container: container.resources.limits)
    huge = {name: amount for name, amount in limited.items() if is_huge_pages(name)}
    _check_covers(resources.limits, huge, "limits", f"{path}.limits", errors)
    for index, container in enumerate(spec.containers):
        _check_below(container, resources.limits, f"{path}.containers[{index}]", errors)


def _check_covers(given: Amounts, needed: Mapping[str, Quantity], what: str, path: str, errors: Errors) -> None:
    for name, quantity in needed.items():
        if name in given and quantity > (whole := Quantity.parse(given[name])):
            message = f"must be greater than or equal to aggregate container {what} of {quantity}"
            errors.append(invalid(f"{path}[{name}]", str(whole), message))


def _check_below(container: Container, limits: Amounts, path: str, errors: Errors) -> None:
    for name, amount in container.resources.limits.items():
        if name in limits and (limit := Quantity.parse(amount)) > (whole := Quantity.parse(limits[name])):
            message = f"must be less than or equal to pod limits of {whole}"
            errors.append(invalid(f"{path}[{name}].limits", str(limit), message))
