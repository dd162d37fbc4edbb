"""A ResourceQuota as a rule: which objects it counts, in which amounts, and what it asks of them.

A quota counts an object when it names at least one amount that the object's kind uses, and when all of its scopes hold for
the object. Only pods are in a scope, so a quota with scopes counts nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from everynode.api import scheme
from everynode.api.core_v1 import ResourceQuotaSpec
from everynode.api.core_v1 import ScopedResourceSelectorRequirement as Scope
from everynode.api.quota.counted import ALIASES, COUNTED_KINDS, Counted, compute_usage, object_count
from everynode.api.scheme import Resource
from everynode.api.validation.resources import HUGE_PAGES, REQUESTS, is_native
from everynode.values.quantity import Quantity

# A quota on one of these wants every container of a pod to say how much of it it needs.
_ASKED_OF_CONTAINERS = frozenset(
    f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory")
)
_POD_AMOUNTS = _ASKED_OF_CONTAINERS | {
    "pods",
    object_count(scheme.PODS),
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
}
_SERVICE_AMOUNTS = frozenset(
    {object_count(scheme.SERVICES), "services", "services.nodeports", "services.loadbalancers"}
)
_DEVICE_CLASSES = "requests.deviceclass.resource.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a quota's spec says, read once. `hard` holds every amount it bounds."""

    name: str
    hard: Mapping[str, Quantity]
    scopes: tuple[Scope, ...]
    by_kind: Mapping[Resource, frozenset[str]]

    @classmethod
    def of(cls, quota: Any) -> Rule:
        """The rule of a ResourceQuota, or of a view of one."""
        spec = quota.spec
        hard = {name: Quantity.parse(amount) for name, amount in spec.hard.items()}
        chosen = spec.scope_selector.match_expressions if spec.scope_selector is not None else []
        scopes = (*(Scope(scope_name=scope, operator="Exists") for scope in spec.scopes), *chosen)
        kinds = (scheme.PODS,) if scopes else COUNTED_KINDS
        by_kind = {kind: named for kind in kinds if (named := frozenset(n for n in hard if _is_used_by(kind, n)))}
        return cls(quota.metadata.name, MappingProxyType(hard), scopes, MappingProxyType(by_kind))

    def counts(self, counted: Counted) -> bool:
        """Whether the object is one of those that this quota bounds."""
        return counted.resource in self.by_kind and all(_in_scope(scope, counted) for scope in self.scopes)

    def share(self, usage: Mapping[str, Quantity]) -> dict[str, Quantity]:
        """What of a usage this quota bounds."""
        return {name: amount for name, amount in usage.items() if name in self.hard}

    def unsaid(self, pod: Any) -> str:
        """What the containers of a pod must say and do not: `limits.cpu for: a,b; …`; empty when they say it all."""
        asked = self.by_kind[scheme.PODS] & _ASKED_OF_CONTAINERS
        whole = pod.spec.resources
        if not asked or (whole is not None and (whole.requests or whole.limits)):
            return ""
        silent: dict[str, set[str]] = {}
        for container in [*pod.spec.containers, *pod.spec.init_containers]:
            said = compute_usage(container.resources.requests, container.resources.limits)
            for name in asked - said.keys():
                silent.setdefault(name, set()).add(container.name)
        return "; ".join(f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent))


def counts_alike(old: ResourceQuotaSpec, new: ResourceQuotaSpec) -> bool:
    """Whether what has been counted for the one is what would be counted for the other: only bounds have changed."""
    return old.hard.keys() == new.hard.keys() and (old.scopes, old.scope_selector) == (new.scopes, new.scope_selector)


def _is_used_by(kind: Resource, name: str) -> bool:
    if kind is scheme.PODS:
        return name in _POD_AMOUNTS or name.removeprefix(REQUESTS).startswith(HUGE_PAGES) or _is_extended(name)
    if kind is scheme.SERVICES:
        return name in _SERVICE_AMOUNTS
    return name in (object_count(kind), ALIASES.get(kind))


def _is_extended(name: str) -> bool:
    return name.startswith(REQUESTS) and (not is_native(name) or name.startswith(_DEVICE_CLASSES))


_SCOPES: Mapping[str, Callable[[Counted], bool]] = MappingProxyType(
    {
        "Terminating": lambda counted: counted.terminating,
        "NotTerminating": lambda counted: not counted.terminating,
        "BestEffort": lambda counted: counted.best_effort,
        "NotBestEffort": lambda counted: not counted.best_effort,
        "CrossNamespacePodAffinity": lambda counted: counted.crosses_namespaces,
    }
)


def _in_scope(scope: Scope, counted: Counted) -> bool:
    if scope.scope_name == "PriorityClass":
        return _is_of_class(scope, counted.priority_class)
    holds = _SCOPES.get(scope.scope_name)
    return holds is not None and holds(counted)


def _is_of_class(scope: Scope, name: str) -> bool:
    if scope.operator == "In":
        return bool(name) and name in scope.values
    if scope.operator == "NotIn":
        return not name or name not in scope.values
    return bool(name) == (scope.operator == "Exists")
