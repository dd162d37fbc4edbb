"""What the node controllers read: views of nodes and of their leases.

A view of every node and lease is kept for ever, so what is needed of labels and conditions is worked out while decoding, shared
where nodes are alike, and the rest dropped. Fields that are added have names which no Kubernetes field can have.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from everynode.api.core_v1 import ObjectReference
from everynode.api.views import Identity, View, shared
from everynode.fit import views as fit

LEASE_NAMESPACE = "kube-node-lease"
NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"

READY = "Ready"
# A node with this label, whatever its value, is left out when the failures of its zone are counted.
EXCLUDED = "node.kubernetes.io/exclude-disruption"
# The labels that name a zone, the older one first: where it is set, it counts.
_ZONE = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")
_REGION = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")


class Meta(Identity):
    """`zone` is the node's region and zone, "" when it has neither; `excluded` whether it does not count there."""

    creation_timestamp: str | None = None
    labels: dict[str, str] = {}
    zone: str = msgspec.field(default="", name="everynode.dev/zone")
    excluded: bool = msgspec.field(default=False, name="everynode.dev/excluded")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.creation_timestamp = shared(self.creation_timestamp)
        if self.labels:
            self.zone = _zone(_first(self.labels, _REGION), _first(self.labels, _ZONE))
            self.excluded = EXCLUDED in self.labels
            self.labels = _NO_LABELS


_NO_LABELS: dict[str, str] = {}


class Taint(fit.Taint, frozen=True):
    time_added: str | None = None


class Spec(View):
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False

    def __post_init__(self) -> None:
        self.taints = shared(self.taints)


class Condition(View):
    type: str = ""
    status: str = ""
    last_heartbeat_time: str | None = None
    last_transition_time: str | None = None


Told = tuple[tuple[str, str], ...]


class Status(View):
    """`told` are the conditions as (type, status); `heartbeat` and `changed` are the times that Ready bears."""

    conditions: tuple[Condition, ...] = ()
    told: Told = msgspec.field(default=(), name="everynode.dev/told")
    ready: str = msgspec.field(default="", name="everynode.dev/ready")
    heartbeat: str | None = msgspec.field(default=None, name="everynode.dev/heartbeat")
    changed: str | None = msgspec.field(default=None, name="everynode.dev/changed")

    def __post_init__(self) -> None:
        if not self.conditions:
            return
        self.told = shared(tuple((each.type, each.status) for each in self.conditions))
        for each in self.conditions:
            if each.type == READY:
                self.ready, self.heartbeat, self.changed = (
                    shared(each.status),
                    shared(each.last_heartbeat_time),
                    shared(each.last_transition_time),
                )
                break
        self.conditions = ()


class Node(View):
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def ready(self) -> str:
        """The status of its condition Ready, "" when nobody has ever reported it."""
        return self.status.ready

    @property
    def executing(self) -> Sequence[Taint]:
        """Its NoExecute taints."""
        taints = self.spec.taints
        return [taint for taint in taints if taint.effect == NO_EXECUTE] if taints else ()

    def reports_after(self, old: Node) -> bool:
        """Whether its kubelet has spoken since `old`: a heartbeat, or another word on Ready that is not our own."""
        before, now = old.status, self.status
        if before.heartbeat != now.heartbeat:
            return True
        return now.ready != "Unknown" and (before.ready != now.ready or before.changed != now.changed)

    def stands_like(self, old: Node) -> bool:
        """Whether all that taints follow from is as it was in `old`, so that a heartbeat need not be looked at."""
        before, now = old.metadata, self.metadata
        same_place = before.zone == now.zone and before.excluded == now.excluded
        return same_place and old.spec == self.spec and old.status.told == self.status.told

    @property
    def reference(self) -> ObjectReference:
        return ObjectReference(kind="Node", name=self.metadata.name, uid=self.metadata.uid, api_version="v1")


class LeaseSpec(View):
    lease_duration_seconds: int | None = None
    renew_time: str | None = None


class Lease(View):
    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


@functools.lru_cache(maxsize=1024)
def _zone(region: str, zone: str) -> str:
    return f"{region}/{zone}" if region or zone else ""


def _first(labels: dict[str, str], names: Sequence[str]) -> str:
    return next((labels[name] for name in names if name in labels), "")
