"""What the controller reads of the world: views with just those fields, decoded straight from the API's bytes.

Views are shared and kept for as long as the object lives, a hundred thousand of each, so what is needed only once is worked
out while decoding and then dropped: a pod's affinity becomes its target node, its conditions become `ready`. Fields that the
controller adds have names which no Kubernetes field can have.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from everynode.api.meta_v1 import LabelSelector
from everynode.api.views import Identity, Part, View, shared, shared_dict
from everynode.fit import views as fit
from everynode.fit.affinity import pinned_node
from everynode.fit.views import Affinity, PodSpec
from everynode.values.labels import Selector, from_label_selector

KIND = "DaemonSet"
API_VERSION = "apps/v1"
HASH_LABEL = "controller-revision-hash"
GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"

FAILED = "Failed"
SUCCEEDED = "Succeeded"


class OwnerReference(Part, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None

    @property
    def is_daemon_set(self) -> bool:
        return self.kind == KIND and self.api_version == API_VERSION

    def precedes(self, ds: DaemonSet) -> bool:
        """Whether it is, in the same namespace, a DaemonSet that had this one's name before it."""
        return self.is_daemon_set and self.name == ds.metadata.name and self.uid != ds.metadata.uid


class Meta(Identity):
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()

    def __post_init__(self) -> None:
        # Objects made from one template have these in common, those made in one second their time.
        super().__post_init__()
        self.creation_timestamp = shared(self.creation_timestamp)
        self.labels, self.owner_references = shared_dict(self.labels), shared(self.owner_references)

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that manages this object."""
        for reference in self.owner_references:
            if reference.controller:
                return reference
        return None


class PodSpecView(View):
    node_name: str = ""
    affinity: Affinity | None = None
    target: str = msgspec.field(default="", name="everynode.dev/target")

    def __post_init__(self) -> None:
        self.node_name = sys.intern(self.node_name)
        if self.affinity is not None:
            self.target = pinned_node(PodSpec(affinity=self.affinity)) or ""
        self.target = self.node_name or sys.intern(self.target)
        self.affinity = None


class Condition(View):
    type: str = ""
    status: str = ""
    reason: str = ""
    last_transition_time: str | None = None

    @property
    def condemns(self) -> bool:
        """Whether it says that somebody in the cluster means to delete the pod; a kubelet's own word may stand for long."""
        return self.type == "DisruptionTarget" and self.status == "True" and self.reason != "TerminationByKubelet"


class PodStatusView(View):
    phase: str = ""
    reason: str = ""
    conditions: tuple[Condition, ...] = ()
    ready: bool = msgspec.field(default=False, name="everynode.dev/ready")
    ready_changed: str | None = msgspec.field(default=None, name="everynode.dev/readyChanged")
    condemned_since: str | None = msgspec.field(default=None, name="everynode.dev/condemnedSince")

    def __post_init__(self) -> None:
        for condition in self.conditions:
            if condition.type == "Ready":
                self.ready = condition.status == "True"
                self.ready_changed = shared(condition.last_transition_time)
            elif condition.condemns:
                self.condemned_since = condition.last_transition_time
        self.conditions = ()
        self.phase = sys.intern(self.phase)


class Pod(View):
    """A pod. `target` is the node it is for (bound or not yet), "" if none can be told."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: PodSpecView = msgspec.field(default_factory=PodSpecView)
    status: PodStatusView = msgspec.field(default_factory=PodStatusView)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def target(self) -> str:
        return self.spec.target

    @property
    def bound(self) -> bool:
        return bool(self.spec.node_name)

    @property
    def ready(self) -> bool:
        return self.status.ready

    @property
    def terminating(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def terminal(self) -> bool:
        return self.status.phase in (FAILED, SUCCEEDED)

    @property
    def hash(self) -> str:
        return self.metadata.labels.get(HASH_LABEL, "")


# What decides where pods run, the scheduler's as ours: the view, and with it the informer, is one.
Node = fit.Node


def places_like(node: Node, other: Node) -> bool:
    """Whether daemon pods are placed on both alike, so that a heartbeat need not be looked at."""
    return node.metadata.labels == other.metadata.labels and node.spec.taints == other.spec.taints


class RollingUpdate(View):
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None


class UpdateStrategy(View):
    type: str = ""
    rolling_update: RollingUpdate | None = None


class DaemonSetMeta(Identity):
    generation: int = 0
    deletion_timestamp: str | None = None
    annotations: dict[str, str] = {}


class DaemonSetSpec(View):
    selector: LabelSelector | None = None
    template: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    update_strategy: UpdateStrategy = msgspec.field(default_factory=UpdateStrategy)
    min_ready_seconds: int = 0
    revision_history_limit: int | None = None

    def __post_init__(self) -> None:
        # A Raw is a window into the whole message it came in; a copy lets go of the rest.
        self.template = self.template.copy()


class DaemonSetStatus(View, omit_defaults=False):
    """The part of a status that this controller writes, in the API's order."""

    current_number_scheduled: int = 0
    number_misscheduled: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    number_unavailable: int = 0
    collision_count: int | None = None


class DaemonSet(View):
    metadata: DaemonSetMeta = msgspec.field(default_factory=DaemonSetMeta)
    spec: DaemonSetSpec = msgspec.field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def selector(self) -> Selector:
        """Raises SelectorError when the selector is broken (the API lets no such DaemonSet in)."""
        return from_label_selector(self.spec.selector)

    @property
    def selects_everything(self) -> bool:
        """Kubernetes refuses to manage such a DaemonSet: its selector is present and empty."""
        chosen = self.spec.selector
        return chosen is not None and not chosen.match_labels and not chosen.match_expressions


class ControllerRevision(View):
    metadata: Meta = msgspec.field(default_factory=Meta)
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    revision: int = 0

    def __post_init__(self) -> None:
        self.data = self.data.copy()

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def hash(self) -> str:
        return self.metadata.labels.get(HASH_LABEL, "")


class TemplateMeta(View):
    labels: dict[str, str] = {}


class Template(View):
    """The part of a pod template that decides where its pods run and what they are called by."""

    metadata: TemplateMeta = msgspec.field(default_factory=TemplateMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


def generation_of(annotations: Mapping[str, str]) -> str | None:
    """The deprecated template generation, canonical, or None when there is none (or none that is a number)."""
    text = annotations.get(GENERATION_ANNOTATION, "")
    return str(int(text)) if text.removeprefix("-").isdigit() and text.isascii() else None


def daemon_set_terms(pod: Pod) -> tuple[str, ...]:
    """The key of the DaemonSet that manages a pod, this one or one before it; of those that nobody manages, their namespace."""
    owner, namespace = pod.metadata.controller, pod.metadata.namespace
    if owner is None:
        return (f"none in {namespace}",)
    return (f"{namespace}/{owner.name}",) if owner.is_daemon_set else ()


def controller_terms(one: ControllerRevision) -> tuple[str]:
    """The uid of what manages a revision; of those that nobody manages, their namespace."""
    owner = one.metadata.controller
    return (owner.uid if owner else f"none in {one.metadata.namespace}",)
