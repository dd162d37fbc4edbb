"""Amounts given for a pod as a whole: they must cover what its containers ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from everynode.api.core_v1 import Container, PodSpec
from everynode.api.fielderror import forbidden, invalid
from everynode.api.validation.fields import Errors
from everynode.api.validation.resources import Amount, check_pod_resource_name, check_requirements, is_huge_pages
from everynode.values.quantity import Quantity

Amounts = Mapping[str, Amount]


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
    requested = _together(spec, lambda container: container.resources.requests)
    _check_covers(resources.requests, requested, "requests", f"{path}.requests", errors)
    limited = _together(spec, lambda container: container.resources.limits)
    huge = {name: amount for name, amount in limited.items() if is_huge_pages(name)}
    _check_covers(resources.limits, huge, "limits", f"{path}.limits", errors)
    for index, container in enumerate(spec.containers):
        _check_below(container, resources.limits, f"{path}.containers[{index}]", errors)


def _together(spec: PodSpec, amounts_of: Callable[[Container], Amounts]) -> dict[str, Quantity]:
    """What the pod needs at its busiest: all that run side by side, or one init container and the sidecars before it."""
    running: dict[str, Quantity] = {}
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in spec.containers:
        _add(running, amounts_of(container))
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            _add(running, amounts_of(container))
            _add(sidecars, amounts_of(container))
            at_this_step = sidecars
        else:
            at_this_step = dict(sidecars)
            _add(at_this_step, amounts_of(container))
        _raise_to(starting, at_this_step)
    _raise_to(running, starting)
    return running


def _add(total: dict[str, Quantity], amounts: Amounts) -> None:
    for name, amount in amounts.items():
        quantity = Quantity.parse(amount)
        total[name] = total[name] + quantity if name in total else quantity


def _raise_to(total: dict[str, Quantity], other: Mapping[str, Quantity]) -> None:
    for name, quantity in other.items():
        if name not in total or total[name] < quantity:
            total[name] = quantity


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
