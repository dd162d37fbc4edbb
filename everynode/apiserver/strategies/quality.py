"""A pod's quality of service class, which is told in its status and never changes."""

from __future__ import annotations

from everynode.api.core_v1 import PodSpec
from everynode.values.quantity import Quantity

_COUNTED = ("cpu", "memory")


def quality_of_service(spec: PodSpec) -> str:
    """`Guaranteed` when every container limits cpu and memory and requests just that; `BestEffort` when none asks for
    anything; otherwise `Burstable`."""
    asked = False
    guaranteed = True
    for container in [*spec.init_containers, *spec.containers]:
        requests, limits = container.resources.requests, container.resources.limits
        for name in _COUNTED:
            limit, request = limits.get(name), requests.get(name)
            asked = asked or not _is_zero(limit) or not _is_zero(request)
            if _is_zero(limit) or (request is not None and str(request) != str(limit)):
                guaranteed = False
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _is_zero(amount: str | int | float | None) -> bool:
    return amount is None or not Quantity.parse(amount)
