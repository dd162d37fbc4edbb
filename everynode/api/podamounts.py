"""What a pod asks for as a whole: exact amounts, over all of its containers.

A pod needs what all that run side by side ask for together, or what one init container and the sidecars before it do,
whichever is more. What is given for the pod as a whole takes the place of that sum for cpu, memory and huge pages. Amounts
are exact and keep the format they were written in, since they are shown again; `fit` counts the same in whole units to place
pods.

A spec is the generated struct or any view of it with the same attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from everynode.values.quantity import Quantity

Amounts = Mapping[str, str | int | float]
Totals = dict[str, Quantity]


def requests_of(spec: Any) -> Totals:
    """What the pod requests, its overhead left out."""
    total = together(spec, lambda container: container.resources.requests)
    if spec.resources is not None:
        _replace(total, spec.resources.requests)
    return total


def limits_of(spec: Any) -> Totals:
    """What the pod is limited to, its overhead left out."""
    total = together(spec, lambda container: container.resources.limits)
    if spec.resources is not None:
        _replace(total, spec.resources.limits)
    return total


def together(spec: Any, amounts_of: Callable[[Any], Amounts]) -> Totals:
    """What the pod's containers need at its busiest."""
    running: Totals = {}
    for container in spec.containers:
        add(running, amounts_of(container))
    if not spec.init_containers:
        return running
    sidecars: Totals = {}
    starting: Totals = {}
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            add(running, amounts_of(container))
            add(sidecars, amounts_of(container))
            at_this_step = sidecars
        else:
            at_this_step = dict(sidecars)
            add(at_this_step, amounts_of(container))
        _raise_to(starting, at_this_step)
    _raise_to(running, starting)
    return running


def add(total: Totals, amounts: Amounts) -> None:
    """Adds amounts as they are written to a total, in place."""
    for name, amount in amounts.items():
        quantity = Quantity.parse(amount)
        total[name] = total[name] + quantity if name in total else quantity


def _replace(total: Totals, amounts: Amounts) -> None:
    for name, amount in amounts.items():
        if name in ("cpu", "memory") or name.startswith("hugepages-"):
            total[name] = Quantity.parse(amount)


def _raise_to(total: Totals, other: Mapping[str, Quantity]) -> None:
    for name, quantity in other.items():
        if name not in total or total[name] < quantity:
            total[name] = quantity
