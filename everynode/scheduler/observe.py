"""What the scheduler reads of the world, and its account of the room on every node.

Pods are read twice, each time with just what is needed. The few that wait for a node are a view with everything that
decides (`PendingPod`); they leave that view as they are bound. All pods are a light view (`PlacedPod`) from which comes the
account; what a pod takes of its node is interned there, so the pods of one DaemonSet share it.

The account charges a pod from the moment it is decided where it goes, before the API has heard of it (*assumed*), and
until it has ended or is gone. An event costs O(1).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from everynode.api.views import Identity, View
from everynode.fit import views as fit
from everynode.fit.resources import Room

# Pods with these phases have ended and take no room.
ENDED = ("Succeeded", "Failed")


class PodMeta(Identity):
    generation: int = 0
    deletion_timestamp: str | None = None


class PreferredTerm(View):
    weight: int = 0
    preference: fit.NodeSelectorTerm = msgspec.field(default_factory=fit.NodeSelectorTerm)


class PreferringNodeAffinity(fit.NodeAffinity):
    preferred_during_scheduling_ignored_during_execution: list[PreferredTerm] = []


class PreferringAffinity(fit.Affinity):
    node_affinity: PreferringNodeAffinity | None = None


class Gate(View):
    name: str = ""


class PendingSpec(fit.PodSpec):
    """Everything in a spec that says where the pod may and would like to be."""

    affinity: PreferringAffinity | None = None
    scheduler_name: str = ""
    scheduling_gates: list[Gate] = []
    preemption_policy: str | None = None


class PodCondition(View):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class PendingStatus(View):
    conditions: list[PodCondition] = []


class PendingPod(View):
    """A pod that has no node yet."""

    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    spec: PendingSpec = msgspec.field(default_factory=PendingSpec)
    status: PendingStatus = msgspec.field(default_factory=PendingStatus)


class _Taken(View):
    """The fields of a spec that say what the pod takes of its node."""

    containers: list[fit.Container] = []
    init_containers: list[fit.Container] = []
    overhead: dict[str, fit.Quantity] = {}
    resources: fit.Resources | None = None


class PlacedSpec(_Taken):
    """The node of a pod and what it takes there (`taken`, shared with every pod that takes the same)."""

    node_name: str = ""
    taken: fit.PodSpec = msgspec.field(default_factory=fit.PodSpec, name="everynode.dev/taken")

    def __post_init__(self) -> None:
        own = _Taken(self.containers, self.init_containers, self.overhead, self.resources)
        self.taken = _interned(msgspec.json.encode(own))
        self.containers, self.init_containers, self.overhead, self.resources = [], [], {}, None


class PlacedStatus(View):
    phase: str = ""


class PlacedPod(View):
    """A pod as the account sees it."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: PlacedSpec = msgspec.field(default_factory=PlacedSpec)
    status: PlacedStatus = msgspec.field(default_factory=PlacedStatus)

    @property
    def takes_room(self) -> bool:
        return bool(self.spec.node_name) and self.status.phase not in ENDED


class NodeMeta(fit.NodeMeta):
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Node(fit.Node):
    """The part of a node that decides who may be on it, as informers need it."""

    metadata: NodeMeta = msgspec.field(default_factory=NodeMeta)


@functools.lru_cache(maxsize=4096)
def _interned(taken: bytes) -> fit.PodSpec:
    return msgspec.json.decode(taken, type=fit.PodSpec)


class NodeRoom(NamedTuple):
    """A node and what is left on it."""

    node: Node
    room: Room


class _Charge(NamedTuple):
    node: str
    taken: fit.PodSpec


class Account:
    """The nodes, and on each what its pods leave. Pods may be charged to a node before the node is known."""

    def __init__(self) -> None:
        self._rooms: dict[str, NodeRoom] = {}
        self._charges: dict[str, _Charge] = {}
        self._on_node: dict[str, dict[str, fit.PodSpec]] = {}

    @property
    def nodes(self) -> Mapping[str, NodeRoom]:
        return self._rooms

    def put_node(self, node: Node) -> bool:
        """A node came or changed; tells whether pods that found no place should look again."""
        name = node.metadata.name
        known = self._rooms.get(name)
        if known is not None and known.node.metadata.uid == node.metadata.uid:
            same_size = known.node.status == node.status
            if not same_size:
                known.room.resize(node)
            self._rooms[name] = NodeRoom(node, known.room)
            same_labels = known.node.metadata.labels == node.metadata.labels
            return not (same_size and same_labels and known.node.spec == node.spec)
        room = Room.of(node)
        for taken in self._on_node.get(name, {}).values():
            room.add(taken)
        self._rooms[name] = NodeRoom(node, room)
        return True

    def drop_node(self, name: str) -> None:
        self._rooms.pop(name, None)

    def holds(self, uid: str) -> bool:
        """Whether this pod is charged to some node."""
        return uid in self._charges

    def charge(self, uid: str, node: str, taken: fit.PodSpec) -> None:
        """The pod is, or is about to be, on the node."""
        charge = self._charges.get(uid)
        if charge is not None:
            if charge.node == node:
                return
            self.discharge(uid)
        self._charges[uid] = _Charge(node, taken)
        self._on_node.setdefault(node, {})[uid] = taken
        if node in self._rooms:
            self._rooms[node].room.add(taken)

    def discharge(self, uid: str) -> str:
        """The pod takes no room any more; gives the node that has more room now, or ""."""
        charge = self._charges.pop(uid, None)
        if charge is None:
            return ""
        on_node = self._on_node[charge.node]
        del on_node[uid]
        if not on_node:
            del self._on_node[charge.node]
        if charge.node in self._rooms:
            self._rooms[charge.node].room.remove(charge.taken)
        return charge.node
