"""The printer of each kind; the small ones stand here, the others in files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from everynode.api import scheme
from everynode.api.scheme import Resource
from everynode.apiserver.tables.events import EVENT, NEW_EVENT
from everynode.apiserver.tables.nodes import NODE
from everynode.apiserver.tables.pods import POD
from everynode.apiserver.tables.printer import AGE, NAME, Column, Printer, View, age_of, number, text
from everynode.apiserver.tables.quotas import RESOURCE_QUOTA
from everynode.apiserver.tables.services import SERVICE
from everynode.apiserver.tables.workloads import CONTROLLER_REVISION, DAEMON_SET


class NamespaceStatus(msgspec.Struct):
    """What is read of a namespace's status."""

    phase: str = ""


class NamespaceView(View):
    """What is read of a namespace."""

    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)


class SecretView(View):
    """What is read of a Secret: never what is in it."""

    type: str = ""
    data: dict[str, msgspec.Raw] = {}


class ConfigMapView(View):
    """What is read of a ConfigMap."""

    data: dict[str, msgspec.Raw] = {}
    binary_data: dict[str, msgspec.Raw] = {}


class ServiceAccountView(View):
    """What is read of a ServiceAccount."""

    secrets: list[msgspec.Raw] = []


class LeaseSpec(msgspec.Struct, rename="camel"):
    """What is read of a Lease's spec."""

    holder_identity: str | None = None


class LeaseView(View):
    """What is read of a Lease."""

    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


class PriorityClassView(View):
    """What is read of a PriorityClass."""

    value: int = 0
    global_default: bool = False
    preemption_policy: str | None = None


class BudgetSpec(msgspec.Struct, rename="camel"):
    """What is read of a PodDisruptionBudget's spec."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None


class BudgetStatus(msgspec.Struct, rename="camel"):
    """What is read of a PodDisruptionBudget's status."""

    disruptions_allowed: int = 0


class BudgetView(View):
    """What is read of a PodDisruptionBudget."""

    spec: BudgetSpec = msgspec.field(default_factory=BudgetSpec)
    status: BudgetStatus = msgspec.field(default_factory=BudgetStatus)


NAMESPACE = Printer(
    (NAME, text("Status", "Active, or Terminating while it is being emptied"), AGE),
    NamespaceView,
    lambda view, metadata, now: (metadata.name, view.status.phase, age_of(metadata, now)),
)
SECRET = Printer(
    (NAME, text("Type", "What kind of secret it is"), text("Data", "How many entries it has"), AGE),
    SecretView,
    lambda view, metadata, now: (metadata.name, view.type, len(view.data), age_of(metadata, now)),
)
CONFIG_MAP = Printer(
    (NAME, text("Data", "How many entries it has"), AGE),
    ConfigMapView,
    lambda view, metadata, now: (metadata.name, len(view.data) + len(view.binary_data), age_of(metadata, now)),
)
SERVICE_ACCOUNT = Printer(
    (NAME, text("Secrets", "How many secrets it may use"), AGE),
    ServiceAccountView,
    lambda view, metadata, now: (metadata.name, len(view.secrets), age_of(metadata, now)),
)
LEASE = Printer(
    (NAME, text("Holder", "Who holds it"), AGE),
    LeaseView,
    lambda view, metadata, now: (metadata.name, view.spec.holder_identity or "", age_of(metadata, now)),
)
PRIORITY_CLASS = Printer(
    (
        NAME,
        number("Value", "The higher, the sooner a pod is placed"),
        Column("Global-Default", "boolean", "", "Whether pods that name no class are of this one"),
        AGE,
        text("PreemptionPolicy", "Whether its pods may displace others"),
    ),
    PriorityClassView,
    lambda view, metadata, now: (
        metadata.name,
        view.value,
        view.global_default,
        age_of(metadata, now),
        view.preemption_policy or "",
    ),
)
POD_DISRUPTION_BUDGET = Printer(
    (
        NAME,
        text("Min Available", "How many of its pods must be healthy"),
        text("Max Unavailable", "How many of its pods may be missing"),
        number("Allowed Disruptions", "How many of its pods may be evicted now"),
        AGE,
    ),
    BudgetView,
    lambda view, metadata, now: (
        metadata.name,
        _bound(view.spec.min_available),
        _bound(view.spec.max_unavailable),
        view.status.disruptions_allowed,
        age_of(metadata, now),
    ),
)


def _bound(bound: int | str | None) -> str:
    return "N/A" if bound is None else str(bound)


PRINTERS: Mapping[Resource, Printer] = MappingProxyType(
    {
        scheme.NAMESPACES: NAMESPACE,
        scheme.NODES: NODE,
        scheme.PODS: POD,
        scheme.EVENTS: EVENT,
        scheme.EVENTS_V1: NEW_EVENT,
        scheme.CONFIG_MAPS: CONFIG_MAP,
        scheme.SECRETS: SECRET,
        scheme.SERVICE_ACCOUNTS: SERVICE_ACCOUNT,
        scheme.SERVICES: SERVICE,
        scheme.DAEMON_SETS: DAEMON_SET,
        scheme.CONTROLLER_REVISIONS: CONTROLLER_REVISION,
        scheme.LEASES: LEASE,
        scheme.PRIORITY_CLASSES: PRIORITY_CLASS,
        scheme.RESOURCE_QUOTAS: RESOURCE_QUOTA,
        scheme.POD_DISRUPTION_BUDGETS: POD_DISRUPTION_BUDGET,
    }
)
