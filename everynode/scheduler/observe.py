"""What the scheduler reads of the world, and its account of the room on every node.

Pods are read twice, each time with just what is needed. The few that wait for a node are a view with everything that
decides (`PendingPod`); they leave that view as they are bound. All pods are a light view (`PlacedPod`) from which comes the
account; what a pod takes of its node, and its priority there, is interned, so the pods of one DaemonSet share it.

The account charges a pod from the moment it is decided where it goes, before the API has heard of it (*assumed*), and
until it has ended or is gone. Beside that it remembers which waiting pods are *nominated*: others were told to leave a node
for them, so the room is promised. An event costs O(1).

What else matters of a pod that may have to give way (`Occupant`) is read from the API when it comes to that, and never kept.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
    priority: int = 0
    preemption_policy: str | None = None


class PodCondition(View):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class PendingStatus(View):
    conditions: list[PodCondition] = []
    nominated_node_name: str = ""


class PendingPod(View):
    """A pod that has no node yet."""

    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    spec: PendingSpec = msgspec.field(default_factory=PendingSpec)
    status: PendingStatus = msgspec.field(default_factory=PendingStatus)


class Taken(fit.PodSpec):
    """What a pod takes of its node, and how important it is there."""

    priority: int = 0


class _Taken(View):
    """The fields of a spec that say what the pod takes of its node."""

    containers: tuple[fit.Container, ...] = ()
    init_containers: tuple[fit.Container, ...] = ()
    overhead: dict[str, fit.Quantity] = {}
    resources: fit.Resources | None = None
    priority: int = 0


class PlacedSpec(_Taken):
    """The node of a pod and what it takes there (`taken`, shared with every pod that takes the same)."""

    node_name: str = ""
    taken: Taken = msgspec.field(default_factory=Taken, name="everynode.dev/taken")

    def __post_init__(self) -> None:
        own = _Taken(self.containers, self.init_containers, self.overhead, self.resources, self.priority)
        self.taken = _interned(msgspec.json.encode(own))
        self.containers, self.init_containers, self.overhead, self.resources, self.priority = (), (), _NOTHING, None, 0
        self.node_name = sys.intern(self.node_name)


_NOTHING: dict[str, fit.Quantity] = {}


class PlacedStatus(View):
    phase: str = ""

    def __post_init__(self) -> None:
        self.phase = sys.intern(self.phase)


class PlacedPod(View):
    """A pod as the account sees it."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: PlacedSpec = msgspec.field(default_factory=PlacedSpec)
    status: PlacedStatus = msgspec.field(default_factory=PlacedStatus)

    @property
    def takes_room(self) -> bool:
        return bool(self.spec.node_name) and self.status.phase not in ENDED


class OccupantMeta(PodMeta):
    labels: dict[str, str] = {}


class OccupantStatus(View):
    start_time: str | None = None
    conditions: list[PodCondition] = []


class Occupant(View):
    """A pod on a node, as it is read when it may have to give way."""

    metadata: OccupantMeta = msgspec.field(default_factory=OccupantMeta)
    status: OccupantStatus = msgspec.field(default_factory=OccupantStatus)


class BudgetSpec(View):
    selector: dict[str, Any] | None = None


class BudgetStatus(View):
    disruptions_allowed: int = 0
    disrupted_pods: dict[str, Any] = {}


class Budget(View):
    """A PodDisruptionBudget: whom it protects, how many of them may go now, and who is on the way already."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: BudgetSpec = msgspec.field(default_factory=BudgetSpec)
    status: BudgetStatus = msgspec.field(default_factory=BudgetStatus)


# What decides where pods run, the daemon pods' as others': the view, and with it the informer, is one.
Node = fit.Node


@functools.lru_cache(maxsize=4096)
def _interned(taken: bytes) -> Taken:
    return msgspec.json.decode(taken, type=Taken)


_NOBODY: Mapping[str, PendingPod] = MappingProxyType({})


class Charge(msgspec.Struct, frozen=True, gc=False):
    """A pod, and what it takes of which node."""

    uid: str
    node: str
    taken: Taken


class NodeRoom(msgspec.Struct, gc=False):
    """A node, what is left on it, the pods that are charged to it, and those nominated for it, by uid."""

    node: Node
    room: Room
    charges: tuple[Charge, ...]
    nominated: Mapping[str, PendingPod] = _NOBODY


class Account:
    """The nodes, and on each what its pods leave. Pods may be charged to a node before the node is known."""

    def __init__(self) -> None:
        self._rooms: dict[str, NodeRoom] = {}
        self._charges: dict[str, Charge] = {}
        # As tuples: a node has a few pods, and a dict for each weighs as much as all else that is kept of it here.
        self._on_node: dict[str, tuple[Charge, ...]] = {}
        self._nominations: dict[str, str] = {}
        self._nominated: dict[str, dict[str, PendingPod]] = {}

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
            before, known.node = known.node, node
            same_labels = before.metadata.labels == node.metadata.labels
            return not (same_size and same_labels and before.spec == node.spec)
        room, charges = Room.of(node), self._on_node.get(name, ())
        for charge in charges:
            room.add(charge.taken)
        self._rooms[name] = NodeRoom(node, room, charges, self._nominated.get(name, _NOBODY))
        return True

    def drop_node(self, name: str) -> None:
        self._rooms.pop(name, None)

    def holds(self, uid: str) -> bool:
        """Whether this pod is charged to some node."""
        return uid in self._charges

    def charge(self, uid: str, node: str, taken: Taken) -> None:
        """The pod is, or is about to be, on the node."""
        charge = self._charges.get(uid)
        if charge is not None:
            if charge.node == node:
                return
            self.discharge(uid)
        charge = self._charges[uid] = Charge(uid, node, taken)
        self._show_charges(node, (*self._on_node.get(node, ()), charge))
        if node in self._rooms:
            self._rooms[node].room.add(taken)

    def discharge(self, uid: str) -> str:
        """The pod takes no room any more; gives the node that has more room now, or ""."""
        charge = self._charges.pop(uid, None)
        if charge is None:
            return ""
        self._show_charges(charge.node, tuple(each for each in self._on_node[charge.node] if each is not charge))
        if charge.node in self._rooms:
            self._rooms[charge.node].room.remove(charge.taken)
        return charge.node

    def nomination(self, uid: str) -> str:
        """The node that has room promised to this pod, or ""."""
        return self._nominations.get(uid, "")

    def nominate(self, pod: PendingPod, node: str) -> None:
        """Room on this node, and no other, is promised to the pod."""
        uid = pod.metadata.uid
        self.withdraw(uid)
        self._nominations[uid] = node
        self._nominated.setdefault(node, {})[uid] = pod
        self._show_nominated(node)

    def withdraw(self, uid: str) -> str:
        """Nothing is promised to the pod any more; gives the node on which something was, or ""."""
        node = self._nominations.pop(uid, "")
        if node:
            del self._nominated[node][uid]
            if not self._nominated[node]:
                del self._nominated[node]
            self._show_nominated(node)
        return node

    def _show_nominated(self, node: str) -> None:
        if node in self._rooms:
            self._rooms[node].nominated = self._nominated.get(node, _NOBODY)

    def _show_charges(self, node: str, charges: tuple[Charge, ...]) -> None:
        if charges:
            self._on_node[node] = charges
        else:
            self._on_node.pop(node, None)
        if node in self._rooms:
            self._rooms[node].charges = charges
