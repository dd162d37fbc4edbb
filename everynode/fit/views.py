"""What is read of a pod and of a node to judge whether one may be on the other.

Attributes are named as in the generated API structs, absent fields mean what Go's zero values mean, and unknown fields are
skipped while decoding, so a view costs what it reads. None can be part of a cycle: the garbage collector skips them too.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from everynode.api.views import Identity, Part, View, shared, shared_dict

Quantity = str | int | float


class Taint(Part, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""

    def __str__(self) -> str:
        """As kubectl writes a taint: `key=value:Effect`, without the parts that are empty."""
        return f"{self.key}{'=' if self.value else ''}{self.value}{':' if self.effect else ''}{self.effect}"


class Toleration(Part, frozen=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class NodeSelectorRequirement(View):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class NodeSelectorTerm(View):
    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


class NodeSelector(View):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(View):
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class Affinity(View):
    node_affinity: NodeAffinity | None = None


class ContainerPort(View):
    container_port: int = 0
    host_port: int = 0
    host_ip: str = msgspec.field(default="", name="hostIP")
    protocol: str = ""


class Resources(View):
    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Container(View):
    resources: Resources = msgspec.field(default_factory=Resources)
    ports: tuple[ContainerPort, ...] = ()
    restart_policy: str | None = None


class PodSpec(View):
    """The part of a pod's spec that decides where it may be."""

    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: dict[str, Quantity] = {}
    resources: Resources | None = None
    host_network: bool = False


class NodeMeta(Identity):
    labels: dict[str, str] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        # A machine's own name is among them.
        self.labels = {name: sys.intern(text) for name, text in self.labels.items()}


class NodeSpec(View):
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False

    def __post_init__(self) -> None:
        self.taints = shared(self.taints)


class NodeStatus(View):
    allocatable: dict[str, Quantity] = {}

    def __post_init__(self) -> None:
        self.allocatable = shared_dict(self.allocatable)


class Node(View):
    """The part of a node that decides who may be on it. Whoever asks for this view shares its informer."""

    metadata: NodeMeta = msgspec.field(default_factory=NodeMeta)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


# Where a caller hands in a view of its own or a generated struct with the same attributes.
AnyPodSpec = PodSpec | Any
AnyNode = Node | Any
