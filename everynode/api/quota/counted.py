"""What one object uses of the quotas of its namespace.

Every stored object of every namespaced kind but Events counts as one of `count/RESOURCE[.GROUP]`, for as long as it is
stored. A few kinds are counted under an older name too. Services add what they take of node ports and load balancers. A pod
adds `pods` and what it asks for until it has ended (Succeeded, Failed), or is overdue: its deletionTimestamp has passed by
its grace period once more, so that a pod that nobody ends, since its node is lost, does not hold its successor up.

In come generated structs or the views below, which name their fields alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from everynode.api import podamounts, scheme
from everynode.api.scheme import RESOURCES, Resource
from everynode.api.validation.resources import is_extended, is_huge_pages
from everynode.api.views import Identity, View
from everynode.values import timestamps
from everynode.values.quantity import Quantity

Usage = Mapping[str, Quantity]

ONE, NONE = Quantity.of(1), Quantity.of(0)

# Names from before there was `count/`.
ALIASES: Mapping[Resource, str] = MappingProxyType(
    {scheme.CONFIG_MAPS: "configmaps", scheme.RESOURCE_QUOTAS: "resourcequotas", scheme.SECRETS: "secrets"}
)
# Amounts that a quota may name with and without `requests.`.
_COMPUTED = ("cpu", "memory", "ephemeral-storage")
_ENDED = ("Succeeded", "Failed")

# Every stored namespaced kind that is counted; Events never are.
COUNTED_KINDS: tuple[Resource, ...] = tuple(
    each
    for each in RESOURCES
    if each.namespaced and not each.is_review and not each.stored_as and each is not scheme.EVENTS
)


class Resources(View):
    requests: dict[str, str | int | float] = {}
    limits: dict[str, str | int | float] = {}


class Container(View):
    resources: Resources = msgspec.field(default_factory=Resources)
    restart_policy: str | None = None


class AffinityTerm(View):
    namespaces: list[str] = []
    namespace_selector: msgspec.Raw | None = None


class WeightedAffinityTerm(View):
    pod_affinity_term: AffinityTerm = msgspec.field(default_factory=AffinityTerm)


class PodTerms(View):
    required_during_scheduling_ignored_during_execution: list[AffinityTerm] = []
    preferred_during_scheduling_ignored_during_execution: list[WeightedAffinityTerm] = []


class Affinity(View):
    pod_affinity: PodTerms | None = None
    pod_anti_affinity: PodTerms | None = None


class PodSpec(View):
    containers: list[Container] = []
    init_containers: list[Container] = []
    overhead: dict[str, str | int | float] = {}
    resources: Resources | None = None
    active_deadline_seconds: int | None = None
    priority_class_name: str = ""
    affinity: Affinity | None = None


class PodStatus(View):
    phase: str = ""
    qos_class: str = ""


class PodMeta(Identity):
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Pod(View):
    """What is read of a pod."""

    metadata: PodMeta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ServicePort(View):
    node_port: int = 0


class ServiceSpec(View):
    type: str = ""
    ports: list[ServicePort] = []
    allocate_load_balancer_node_ports: bool | None = None


class Service(View):
    """What is read of a Service."""

    metadata: Identity
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class Thing(View):
    """What is read of an object of any other kind: nothing but that it is there."""

    metadata: Identity


def view_of(resource: Resource) -> type[Pod] | type[Service] | type[Thing]:
    """The view that `count` needs of a kind."""
    return {scheme.PODS: Pod, scheme.SERVICES: Service}.get(resource, Thing)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Counted:
    """One object as quotas see it.

    `usage` is what it uses now, `residue` what of that stays when it is overdue, from `overdue_at` (Unix seconds) on. The
    rest is what scopes look at, which only pods have: for anything else `is_pod` is False.
    """

    resource: Resource
    name: str
    usage: Usage
    residue: Usage = field(default_factory=dict)
    overdue_at: float | None = None
    is_pod: bool = False
    terminating: bool = False
    best_effort: bool = False
    crosses_namespaces: bool = False
    priority_class: str = ""


def object_count(resource: Resource) -> str:
    """`count/pods`, `count/daemonsets.apps`."""
    return f"count/{resource.group_resource}"


def count(resource: Resource, obj: Any) -> Counted:
    """What an object uses."""
    if resource is scheme.PODS:
        return _count_pod(obj)
    usage = {object_count(resource): ONE}
    if resource is scheme.SERVICES:
        usage |= _of_service(obj)
    elif resource in ALIASES:
        usage[ALIASES[resource]] = ONE
    return Counted(resource, obj.metadata.name, usage)


def _count_pod(pod: Any) -> Counted:
    spec, metadata = pod.spec, pod.metadata
    residue = {object_count(scheme.PODS): ONE}
    usage = residue if pod.status.phase in _ENDED else {**residue, **_of_pod(spec)}
    return Counted(
        scheme.PODS,
        metadata.name,
        usage,
        residue,
        _overdue_at(metadata) if usage is not residue else None,
        is_pod=True,
        terminating=spec.active_deadline_seconds is not None and spec.active_deadline_seconds >= 0,
        best_effort=pod.status.qos_class == "BestEffort",
        crosses_namespaces=_crosses_namespaces(spec.affinity),
        priority_class=spec.priority_class_name,
    )


def _overdue_at(metadata: Any) -> float | None:
    if metadata.deletion_timestamp is None or metadata.deletion_grace_period_seconds is None:
        return None
    # The timestamp has the grace in it already; upstream adds it once more.
    return timestamps.parse(metadata.deletion_timestamp) + float(metadata.deletion_grace_period_seconds)


def _of_pod(spec: Any) -> dict[str, Quantity]:
    requests, limits = podamounts.requests_of(spec), podamounts.limits_of(spec)
    podamounts.add(requests, spec.overhead)
    podamounts.add(limits, {name: amount for name, amount in spec.overhead.items() if limits.get(name)})
    return {"pods": ONE, **compute_usage(requests, limits)}


def compute_usage(requests: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Requests and limits under the names that quotas know them by."""
    usage = {}
    for name in _COMPUTED:
        if name in requests:
            usage[name] = usage[f"requests.{name}"] = requests[name]
        if name in limits:
            usage[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if name in _COMPUTED:
            continue
        if is_huge_pages(name):
            usage[name] = amount
        if is_huge_pages(name) or is_extended(name):
            usage[f"requests.{name}"] = amount
    return usage


def _of_service(service: Any) -> dict[str, Quantity]:
    spec = service.spec
    usage = {"services": ONE, "services.loadbalancers": NONE, "services.nodeports": NONE}
    if spec.type in ("NodePort", "LoadBalancer"):
        ports = len(spec.ports)
        if spec.type == "LoadBalancer":
            usage["services.loadbalancers"] = ONE
            if spec.allocate_load_balancer_node_ports is False:
                ports = sum(1 for port in spec.ports if port.node_port)
        usage["services.nodeports"] = Quantity.of(ports)
    return usage


def _crosses_namespaces(affinity: Any) -> bool:
    if affinity is None:
        return False
    for rules in (affinity.pod_affinity, affinity.pod_anti_affinity):
        if rules is not None:
            terms = [
                *rules.required_during_scheduling_ignored_during_execution,
                *(each.pod_affinity_term for each in rules.preferred_during_scheduling_ignored_during_execution),
            ]
            if any(term.namespaces or term.namespace_selector is not None for term in terms):
                return True
    return False
