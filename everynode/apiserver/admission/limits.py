"""LimitRanges: what containers are given that do not say what they need, and what pods may ask for.

Twice in the life of a creation. `complete` sets defaults before the pod is validated, and tells of it in an annotation;
`check` refuses a valid pod that is out of bounds, with every bound it breaks. Only new pods are looked at: what a LimitRange
says later changes nothing about those that are there. LimitRanges are taken in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everynode.api import podamounts, scheme, status
from everynode.api.core_v1 import Container, LimitRange, LimitRangeItem, Pod
from everynode.apiserver import stored
from everynode.apiserver.admission.naming import called
from everynode.store.contract import Store
from everynode.values.quantity import Quantity

ANNOTATION = "kubernetes.io/limit-ranger"

Amounts = Mapping[str, Quantity]


async def complete(store: Store, pod: Pod) -> None:
    """Gives the containers of a new pod the defaults of its namespace, in place."""
    for limit_range in await _of_namespace(store, pod.metadata.namespace):
        _complete(pod, limit_range.spec.limits)


async def check(store: Store, pod: Pod) -> None:
    """Raises the 403 that names every bound of the first LimitRange that the pod does not keep."""
    for limit_range in await _of_namespace(store, pod.metadata.namespace):
        faults = list(dict.fromkeys(_faults(pod, limit_range.spec.limits)))
        if faults:
            why = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
            raise status.forbidden(scheme.PODS, called(pod), why)


async def _of_namespace(store: Store, namespace: str) -> list[LimitRange]:
    page = await store.range(scheme.LIMIT_RANGES.scope(namespace))
    return [stored.decode(scheme.LIMIT_RANGES, entry) for entry in page.entries]


def _complete(pod: Pod, items: Sequence[LimitRangeItem]) -> None:
    limits: dict[str, Any] = {}
    requests: dict[str, Any] = {}
    for item in items:
        if item.type == "Container":
            limits |= item.default
            requests |= item.default_request
    told: list[str] = []
    for kind, containers in (("container", pod.spec.containers), ("init container", pod.spec.init_containers)):
        for container in containers:
            own = container.resources
            given = _fill(own.limits, limits)
            if names := _fill(own.requests, requests):
                told.append(f"{names} request for {kind} {container.name}")
            if given:
                told.append(f"{given} limit for {kind} {container.name}")
    if told:
        pod.metadata.annotations = {
            **pod.metadata.annotations,
            ANNOTATION: "LimitRanger plugin set: " + "; ".join(told),
        }


def _fill(own: dict[str, Any], defaults: Mapping[str, Any]) -> str:
    """Adds the amounts that are not there; the names of those, as they are told."""
    missing = sorted(defaults.keys() - own.keys())
    own.update({name: defaults[name] for name in missing})
    return ", ".join(missing)


def _faults(pod: Pod, items: Sequence[LimitRangeItem]) -> Iterator[str]:
    for item in items:
        if item.type == "Container":
            for container in (*pod.spec.containers, *pod.spec.init_containers):
                requests, limits = _amounts_of(container)
                yield from _beyond(item, requests, limits)
        elif item.type == "Pod":
            yield from _beyond(item, podamounts.requests_of(pod.spec), podamounts.limits_of(pod.spec))


def _amounts_of(container: Container) -> tuple[Amounts, Amounts]:
    own = container.resources
    return _parsed(own.requests), _parsed(own.limits)


def _parsed(amounts: Mapping[str, str | int | float]) -> Amounts:
    return {name: Quantity.parse(amount) for name, amount in amounts.items()}


def _beyond(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    """The bounds of one item that these amounts break, in Kubernetes' words."""
    for name, least in sorted(_parsed(item.min).items()):
        yield from _below(
            f"minimum {name} usage per {item.type} is {least}", least, requests.get(name), limits.get(name)
        )
    for name, most in sorted(_parsed(item.max).items()):
        yield from _above(f"maximum {name} usage per {item.type} is {most}", most, requests.get(name), limits.get(name))
    for name, ratio in sorted(_parsed(item.max_limit_request_ratio).items()):
        rule = f"{name} max limit to request ratio per {item.type} is {ratio}"
        yield from _too_far_apart(rule, ratio, requests.get(name), limits.get(name))


def _below(rule: str, least: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if request is None:
        yield f"{rule}.  No request is specified"
    elif request < least:
        yield f"{rule}, but request is {request}"
    elif limit is not None and limit < least:
        yield f"{rule}, but limit is {limit}"


def _above(rule: str, most: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if limit is None:
        yield f"{rule}.  No limit is specified"
    elif limit > most:
        yield f"{rule}, but limit is {limit}"
    elif request is not None and request > most:
        yield f"{rule}, but request is {request}"


def _too_far_apart(rule: str, ratio: Quantity, request: Quantity | None, limit: Quantity | None) -> Iterator[str]:
    if not request:
        yield f"{rule}, but no request is specified or request is 0"
    elif not limit:
        yield f"{rule}, but no limit is specified or limit is 0"
    elif limit.nanos * 1000 > ratio.milli_value() * request.nanos:
        yield f"{rule}, but provided ratio is {limit.nanos / request.nanos:f}"
