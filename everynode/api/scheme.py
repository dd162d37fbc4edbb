"""Every kind this API serves: its group, version and names, and the struct that holds it.

Facts only: how a kind is defaulted, validated, stored and printed is written in the rooms that do it, which find it by
its `Resource`. The order of `RESOURCES` is the order in which discovery lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from everynode.api import (
    apps_v1,
    authentication_v1,
    authorization_v1,
    coordination_v1,
    core_v1,
    events_v1,
    policy_v1,
    scheduling_v1,
)

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
# Nobody deletes all namespaces with one request.
ONE_AT_A_TIME = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")
# Kinds that are asked and answered but never stored (reviews).
CREATE_ONLY = ("create",)


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One served kind. `struct` is its generated type; `group` is empty for the core group.

    `subresources` are those that are served (`status`, `binding`, `eviction`). `storage` names the resource whose objects are
    read and written when this one is another view of them (events.k8s.io Events are core Events).
    """

    group: str
    version: str
    kind: str
    plural: str
    struct: Any
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    stored_as: str = ""

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def is_review(self) -> bool:
        """Whether objects of the kind are asked and answered, and never stored."""
        return self.verbs == CREATE_ONLY

    @property
    def api_version(self) -> str:
        """`v1` for the core group, `apps/v1` for others: what `apiVersion` says."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """`pods`, `daemonsets.apps`: how messages name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def group_kind(self) -> str:
        """`Pod`, `DaemonSet.apps`: how messages name the kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def prefix(self) -> str:
        """Where objects of this kind stand in the store, slash at the end."""
        return self.stored_as or f"{self.group or 'core'}/{self.plural}/"

    def scope(self, namespace: str = "") -> str:
        """The store's prefix of all objects, or of those of one namespace."""
        return f"{self.prefix}{namespace}/" if namespace and self.namespaced else self.prefix

    def key(self, namespace: str, name: str) -> str:
        """The store's key of one object."""
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else f"{self.prefix}{name}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, one object or one of its subresources."""
        parts = ["/api" if not self.group else f"/apis/{self.group}", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join([*parts, *(part for part in (name, subresource) if part)])


NAMESPACES = Resource(
    "", "v1", "Namespace", "namespaces", core_v1.Namespace, False, ("ns",), (), ("status", "finalize"), ONE_AT_A_TIME
)
NODES = Resource("", "v1", "Node", "nodes", core_v1.Node, False, ("no",), (), ("status",))
PODS = Resource("", "v1", "Pod", "pods", core_v1.Pod, True, ("po",), ("all",), ("status", "binding", "eviction"))
LIMIT_RANGES = Resource("", "v1", "LimitRange", "limitranges", core_v1.LimitRange, True, ("limits",))
RESOURCE_QUOTAS = Resource(
    "", "v1", "ResourceQuota", "resourcequotas", core_v1.ResourceQuota, True, ("quota",), (), ("status",)
)
EVENTS = Resource("", "v1", "Event", "events", core_v1.Event, True, ("ev",))
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", core_v1.ConfigMap, True, ("cm",))
SECRETS = Resource("", "v1", "Secret", "secrets", core_v1.Secret)
SERVICE_ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts", core_v1.ServiceAccount, True, ("sa",))
SERVICES = Resource("", "v1", "Service", "services", core_v1.Service, True, ("svc",), ("all",), ("status",))
DAEMON_SETS = Resource("apps", "v1", "DaemonSet", "daemonsets", apps_v1.DaemonSet, True, ("ds",), ("all",), ("status",))
CONTROLLER_REVISIONS = Resource("apps", "v1", "ControllerRevision", "controllerrevisions", apps_v1.ControllerRevision)
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", coordination_v1.Lease)
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", scheduling_v1.PriorityClass, False, ("pc",)
)
POD_DISRUPTION_BUDGETS = Resource(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    policy_v1.PodDisruptionBudget,
    True,
    ("pdb",),
    (),
    ("status",),
)
# What pods/eviction takes, in two versions of the same fields; nothing of it is stored, so they stand in no list.
EVICTION = Resource("policy", "v1", "Eviction", "evictions", policy_v1.Eviction, verbs=CREATE_ONLY)
EVICTION_V1BETA1 = Resource("policy", "v1beta1", "Eviction", "evictions", policy_v1.Eviction, verbs=CREATE_ONLY)
EVENTS_V1 = Resource(
    "events.k8s.io", "v1", "Event", "events", events_v1.Event, True, ("ev",), (), (), ALL_VERBS, EVENTS.prefix
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    authorization_v1.SelfSubjectAccessReview,
    False,
    verbs=CREATE_ONLY,
)
SELF_SUBJECT_RULES_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectRulesReview",
    "selfsubjectrulesreviews",
    authorization_v1.SelfSubjectRulesReview,
    False,
    verbs=CREATE_ONLY,
)
SELF_SUBJECT_REVIEWS = Resource(
    "authentication.k8s.io",
    "v1",
    "SelfSubjectReview",
    "selfsubjectreviews",
    authentication_v1.SelfSubjectReview,
    False,
    verbs=CREATE_ONLY,
)

RESOURCES: tuple[Resource, ...] = (
    NAMESPACES,
    NODES,
    PODS,
    EVENTS,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    RESOURCE_QUOTAS,
    LIMIT_RANGES,
    DAEMON_SETS,
    CONTROLLER_REVISIONS,
    EVENTS_V1,
    SELF_SUBJECT_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS,
    LEASES,
    PRIORITY_CLASSES,
    POD_DISRUPTION_BUDGETS,
)

_BY_PATH: Mapping[tuple[str, str, str], Resource] = MappingProxyType(
    {(resource.group, resource.version, resource.plural): resource for resource in RESOURCES}
)
_BY_KIND: Mapping[tuple[str, str], Resource] = MappingProxyType(
    {(resource.api_version, resource.kind): resource for resource in RESOURCES}
)


def named(group: str, version: str, plural: str) -> Resource | None:
    """The resource that a URL names, or None."""
    return _BY_PATH.get((group, version, plural))


def of_kind(api_version: str, kind: str) -> Resource | None:
    """The resource that an object's `apiVersion` and `kind` name, or None."""
    return _BY_KIND.get((api_version, kind))
