"""What a diagnosis reads of the world: richer views than planning needs, decoded only when somebody asks why.

The planner's own views (`daemonset/observe.py`) are kept for every pod of a fleet and hold next to nothing; these hold the
words that a person would look up, and live as long as one answer. They read what any Kubernetes cluster writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from everynode.api.meta_v1 import LabelSelector
from everynode.api.views import Identity, View
from everynode.controllers.daemonset.observe import DaemonSet, OwnerReference
from everynode.controllers.daemonset.placement import Rules
from everynode.controllers.daemonset.plan import Strategy
from everynode.controllers.daemonset.tally import Tally
from everynode.fit.views import Container as FitContainer
from everynode.fit.views import NodeSpec, NodeStatus
from everynode.fit.views import PodSpec as FitPodSpec
from everynode.values.timestamps import parse


class Condition(View):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None

    @property
    def since(self) -> float | None:
        return moment(self.last_transition_time)


class Waiting(View):
    reason: str = ""
    message: str = ""


class Running(View):
    started_at: str | None = None


class Terminated(View):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: str | None = None


class ContainerState(View):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(View):
    name: str = ""
    image: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    last_state: ContainerState = msgspec.field(default_factory=ContainerState)


class Container(FitContainer):
    """`readiness_probe` and `startup_probe` are there or not; what they do is the kubelet's affair."""

    name: str = ""
    image: str = ""
    readiness_probe: dict[str, object] | None = None
    startup_probe: dict[str, object] | None = None


class ReadinessGate(View):
    condition_type: str = ""


class PodSpec(FitPodSpec):
    containers: list[Container] = []  # type: ignore[assignment]  # richer views of the same
    init_containers: list[Container] = []  # type: ignore[assignment]
    readiness_gates: list[ReadinessGate] = []
    priority: int | None = None


class PodMeta(Identity):
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []

    @property
    def controller(self) -> OwnerReference | None:
        return next((one for one in self.owner_references if one.controller), None)


class PodStatus(View):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []

    def condition(self, type: str) -> Condition | None:
        return next((one for one in self.conditions if one.type == type), None)


class Pod(View):
    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def is_over(self) -> bool:
        """Whether it takes no room any more."""
        return self.status.phase in ("Succeeded", "Failed")


class NodeMeta(Identity):
    labels: dict[str, str] = {}


class RichNodeStatus(NodeStatus):
    conditions: list[Condition] = []


class Node(View):
    metadata: NodeMeta = msgspec.field(default_factory=NodeMeta)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: RichNodeStatus = msgspec.field(default_factory=RichNodeStatus)

    @property
    def ready(self) -> Condition | None:
        return next((one for one in self.status.conditions if one.type == "Ready"), None)


class Involved(View):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Series(View):
    count: int = 0
    last_observed_time: str | None = None


class Event(View):
    """An event of either API group; the newest of its times counts."""

    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    involved_object: Involved = msgspec.field(default_factory=Involved)
    type: str = ""
    reason: str = ""
    message: str = ""
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: Series | None = None

    @property
    def first(self) -> float | None:
        return moment(self.first_timestamp or self.event_time or self.metadata.creation_timestamp)

    @property
    def last(self) -> float:
        series = self.series.last_observed_time if self.series else None
        return moment(series or self.last_timestamp or self.event_time or self.metadata.creation_timestamp) or 0.0


class BudgetStatus(View):
    disruptions_allowed: int = 0
    expected_pods: int = 0


class BudgetSpec(View):
    selector: LabelSelector | None = None


class Budget(View):
    """A PodDisruptionBudget."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: BudgetSpec = msgspec.field(default_factory=BudgetSpec)
    status: BudgetStatus = msgspec.field(default_factory=BudgetStatus)


# Nodes of a kind that are looked at closely: enough to show what is wrong with a fleet, and few enough to be read in a second.
CLOSELY = 500


class Facts(msgspec.Struct, frozen=True):
    """All that a diagnosis rests on; whoever gathers it says in `unread` what could not be had, by resource, with the reason.

    `pods` are the DaemonSet's own, at least those on nodes that are not as they should be; `others` whatever else stands on
    those nodes. Both may be a sample of a large fleet: causes are told of what was read, and of each kind of node `closely` are
    looked at. `tally` is of the whole fleet. `started` is when the first pod of the newest template was made, `changed_at`
    when the spec was last changed (Unix seconds, None: unknown).
    """

    ds: DaemonSet
    rules: Rules
    strategy: Strategy
    tally: Tally
    pods: Sequence[Pod] = ()
    others: Sequence[Pod] = ()
    nodes: Mapping[str, Node] = {}
    events: Sequence[Event] = ()
    budgets: Sequence[Budget] = ()
    rivals: Sequence[DaemonSet] = ()
    unclaimed: Sequence[Pod] = ()
    closely: int = CLOSELY
    started: float | None = None
    changed_at: float | None = None
    unread: Mapping[str, str] = {}


def moment(text: str | None) -> float | None:
    """Unix seconds of a time in an object; None where there is none."""
    return parse(text) if text else None


def by_node(pods: Iterable[Pod], targets: Mapping[str, str] | None = None) -> dict[str, list[Pod]]:
    """Pods by the node that they are on, or (by uid in `targets`) are for."""
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        node = pod.spec.node_name or (targets or {}).get(pod.metadata.uid, "")
        found.setdefault(node, []).append(pod)
    return found
