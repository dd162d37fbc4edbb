"""A simulated machine: its Node, its Lease, its addresses, and when its heartbeats are due.

Pure: objects are built from a number, a name and the time. Machine `n` is called `node-` and five digits, has an address of
its own out of 172.16.0.0/12 and gives its pods addresses out of a /25 of 10.0.0.0/8, leaving out 10.96.0.0/12, where
Kubernetes puts its services. What is the same for every machine stands here once.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

import msgspec

from everynode import __version__
from everynode.agent.pod import NOTHING, Pod, PodSpec
from everynode.api.coordination_v1 import Lease, LeaseSpec
from everynode.api.core_v1 import (
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
)
from everynode.api.meta_v1 import ObjectMeta, OwnerReference
from everynode.api.views import Identity, Part, View, shared
from everynode.base.ids import Ids
from everynode.fit.resources import amounts
from everynode.fit.views import Taint
from everynode.values.timestamps import micro_text, seconds_text

SIMULATED = "everynode.dev/simulated"
HOSTNAME, OS, ARCH = "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"
NOT_READY = "node.kubernetes.io/not-ready"
LEASE_NAMESPACE = "kube-node-lease"
KUBELET_VERSION = f"v1.37.0+everynode.{__version__}"
KUBELET_PORT = 10250

CAPACITY: Mapping[str, str | int | float] = {
    "cpu": "4",
    "ephemeral-storage": "100Gi",
    "memory": "16Gi",
    "pods": "110",
}
ALLOCATABLE = amounts(CAPACITY)

# Seconds: Kubernetes' lease duration, its renewal and its node status report.
LEASE_DURATION, RENEWAL_PERIOD, STATUS_PERIOD = 40, 10.0, 300.0
# Lease renewals, and status reports, per second of one fleet. A larger fleet renews and reports more seldom, with a lease that
# lasts accordingly longer: the renewals of 100,000 machines every 10 s would leave their process no time for anything else
# (docs/decisions/0007).
MOST_RENEWALS, MOST_REPORTS = 500.0, 100.0

_BLOCK = 128  # addresses that one machine's pods have
_SERVICE_BLOCKS = range((96 << 16) // _BLOCK, (112 << 16) // _BLOCK)
# Machines of one fleet: as many as there are blocks.
MOST_NODES = (1 << 24) // _BLOCK - len(_SERVICE_BLOCKS)


class NodeMeta(Identity):
    labels: dict[str, str] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        # A machine's own name is among them.
        self.labels = {name: sys.intern(text) for name, text in self.labels.items()}


class SeenNodeSpec(View):
    taints: tuple[Taint, ...] = ()


class SeenCondition(Part, frozen=True):
    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class SeenNodeStatus(View):
    """`described` tells whether the status says anything of the machine; that of a Node which somebody else made need not."""

    conditions: tuple[SeenCondition, ...] = ()
    capacity: dict[str, str | int | float] = {}
    described: bool = msgspec.field(default=False, name="everynode.dev/described")

    def __post_init__(self) -> None:
        self.described = bool(self.capacity)
        self.capacity = NOTHING
        # Machines that came up in the same second say the same.
        self.conditions = shared(self.conditions)


class NodeView(View):
    """The part of a Node that its agent reads."""

    metadata: NodeMeta = msgspec.field(default_factory=NodeMeta)
    spec: SeenNodeSpec = msgspec.field(default_factory=SeenNodeSpec)
    status: SeenNodeStatus = msgspec.field(default_factory=SeenNodeStatus)

    @property
    def reports_ready(self) -> bool:
        return any(one.type == "Ready" and one.status == "True" for one in self.status.conditions)

    @property
    def is_open(self) -> bool:
        """Ready, and known to be: nobody keeps pods away from it for not being so."""
        return self.reports_ready and not any(taint.key == NOT_READY for taint in self.spec.taints)


class SimulatedNode(msgspec.Struct, gc=False, eq=False):
    """The agent's record of one machine. `view` is its Node as last seen, None while there is none."""

    index: int
    name: str = ""
    view: NodeView | None = None
    # All that is kept of the spec of a pod that has been taken in.
    bare: PodSpec = msgspec.field(default_factory=PodSpec)
    pods: tuple[Pod, ...] = ()
    last_place: int = 0
    silent: bool = False
    clock_offset: float = 0.0
    status_due: bool = False
    # Whether something was said of its pods while it did not act.
    missed: bool = False

    def __post_init__(self) -> None:
        self.name = sys.intern(node_name(self.index))
        self.bare = PodSpec(node_name=self.name, node_selector=NOTHING, overhead=NOTHING)

    @property
    def labels(self) -> Mapping[str, str]:
        return self.view.metadata.labels if self.view is not None else node_labels(self.name)

    @property
    def acts(self) -> bool:
        """Whether anything of this machine reaches the API."""
        return self.view is not None and not self.silent

    @property
    def address(self) -> str:
        return _dotted((172 << 24) + (16 << 16) + self.index + 1)

    def pod_address(self, place: int) -> str:
        return _dotted(_first_pod_address(self.index) + place)

    def place_of(self, address: str) -> int:
        """The place whose address this is, 0 if it is none of this machine's."""
        if not address:
            return 0
        try:
            place = int(IPv4Address(address)) - _first_pod_address(self.index)
        except ValueError:
            return 0
        return place if 0 < place < _BLOCK else 0

    def free_place(self) -> int:
        """The next place that no pod has: the one given up last is given again last."""
        taken = {pod.place for pod in self.pods}
        for step in range(1, _BLOCK):
            place = (self.last_place + step - 1) % (_BLOCK - 2) + 1
            if place not in taken:
                self.last_place = place
                return place
        # More pods than addresses can only be pods that were refused or are going; one more shares an address.
        return 1

    def stamp(self, moment: float) -> str:
        """A time as this machine's clock shows it."""
        return _second(int((moment + self.clock_offset) // 1))


# Many a status tells of the same second, and shares its text.
_second = functools.lru_cache(maxsize=1_024)(seconds_text)


def node_name(index: int) -> str:
    return f"node-{index:05d}"


def node_labels(name: str) -> dict[str, str]:
    return {ARCH: "amd64", HOSTNAME: name, OS: "linux", SIMULATED: "true"}


def node_object(node: SimulatedNode, ids: Ids, runtime: str, now: float) -> Node:
    """The Node as its agent registers it."""
    block = f"{_dotted(_first_pod_address(node.index))}/{32 - int(math.log2(_BLOCK))}"
    machine = ids.uid()
    return Node(
        kind="Node",
        api_version="v1",
        metadata=ObjectMeta(name=node.name, labels=node_labels(node.name)),
        spec=NodeSpec(pod_cidr=block, pod_cidrs=[block]),
        status=NodeStatus(
            capacity=dict(CAPACITY),
            allocatable=dict(CAPACITY),
            conditions=node_conditions(node, now),
            addresses=[
                NodeAddress(type="InternalIP", address=node.address),
                NodeAddress(type="Hostname", address=node.name),
            ],
            daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=KUBELET_PORT)),
            node_info=NodeSystemInfo(
                machine_id=machine.replace("-", ""),
                system_uuid=machine,
                boot_id=ids.uid(),
                kernel_version="6.1.0-simulated",
                os_image="everynode simulated machine",
                container_runtime_version=runtime,
                kubelet_version=KUBELET_VERSION,
                kube_proxy_version="",
                operating_system="linux",
                architecture="amd64",
            ),
        ),
    )


# Type, status, reason and message of what a healthy kubelet reports; Ready stands last.
_CONDITIONS: Sequence[tuple[str, str, str, str]] = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def node_conditions(node: SimulatedNode, now: float) -> list[NodeCondition]:
    """What the node reports, each condition with the time since which it has been so, as far as that was seen."""
    seen = {one.type: one for one in node.view.status.conditions} if node.view is not None else {}
    stamp = node.stamp(now)
    reported = []
    for type, status, reason, message in _CONDITIONS:
        before = seen.get(type)
        same = before is not None and before.status == status
        reported.append(
            NodeCondition(
                type=type,
                status=status,
                last_heartbeat_time=stamp,
                last_transition_time=before.last_transition_time if before is not None and same else stamp,
                reason=reason,
                message=message,
            )
        )
    return reported


def lease_object(node: SimulatedNode, uid: str, duration: int, now: float) -> Lease:
    """The node's Lease, which goes with the Node."""
    owner = OwnerReference(api_version="v1", kind="Node", name=node.name, uid=uid)
    return Lease(
        kind="Lease",
        api_version="coordination.k8s.io/v1",
        metadata=ObjectMeta(name=node.name, namespace=LEASE_NAMESPACE, owner_references=[owner]),
        spec=LeaseSpec(
            holder_identity=node.name,
            lease_duration_seconds=duration,
            renew_time=micro_text(now + node.clock_offset),
        ),
    )


class Round:
    """Who is next when `count` machines each do a thing every `period` seconds, spread evenly.

    No machine has a timer: `due` is asked now and then how many are due since it was asked last, and names them in turn.
    """

    def __init__(self, count: int, period: float, start: float) -> None:
        self._count, self._period, self._start = count, period, start
        self._turns = 0

    @property
    def tick(self) -> float:
        """Seconds between two askings: one machine's turn, but no finer than 50 ms and no coarser than a second."""
        return min(max(self._period / max(1, self._count), 0.05), 1.0)

    def due(self, now: float) -> list[int]:
        """The numbers of the machines whose turn has come; never more than all, however long nobody asked."""
        turns = int((now - self._start) * self._count / self._period)
        first, self._turns = max(self._turns, turns - self._count), max(self._turns, turns)
        return [turn % self._count for turn in range(first, turns)]


def renewal_period(count: int) -> float:
    """Seconds between two renewals of one lease in a fleet of this size."""
    return max(RENEWAL_PERIOD, count / MOST_RENEWALS)


def report_period(count: int) -> float:
    """Seconds between two reports of a status that has not changed, in a fleet of this size."""
    return max(STATUS_PERIOD, count / MOST_REPORTS)


def lease_duration(count: int) -> int:
    """Seconds that a lease lasts: four renewals."""
    return math.ceil(renewal_period(count) * LEASE_DURATION / RENEWAL_PERIOD)


def _first_pod_address(index: int) -> int:
    block = index + len(_SERVICE_BLOCKS) if index >= _SERVICE_BLOCKS.start else index
    return (10 << 24) + block * _BLOCK


def _dotted(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
