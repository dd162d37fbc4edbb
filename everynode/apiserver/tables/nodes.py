"""The rows of nodes."""

from __future__ import annotations

import msgspec

from everynode.apiserver.tables.printer import AGE, NAME, WIDE, Cells, Metadata, Printer, View, age_of, text

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


class Condition(msgspec.Struct):
    """What is read of a condition."""

    type: str = ""
    status: str = ""


class Address(msgspec.Struct):
    """One of a node's addresses."""

    type: str = ""
    address: str = ""


class NodeInfo(msgspec.Struct, rename="camel"):
    """What is read of a node's software."""

    kubelet_version: str = ""
    os_image: str = ""
    kernel_version: str = ""
    container_runtime_version: str = ""


class NodeSpec(msgspec.Struct):
    """What is read of a node's spec."""

    unschedulable: bool = False


class NodeStatus(msgspec.Struct, rename="camel"):
    """What is read of a node's status."""

    conditions: list[Condition] = []
    addresses: list[Address] = []
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)

    def address(self, type: str) -> str:
        """The first address of this type."""
        return next((each.address for each in self.addresses if each.type == type), "<none>")


class NodeView(View):
    """What is read of a node."""

    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


def _cells(node: NodeView, metadata: Metadata, now: float) -> Cells:
    status, info = node.status, node.status.node_info
    return (
        metadata.name,
        _state(node),
        ",".join(_roles(metadata.labels)) or "<none>",
        age_of(metadata, now),
        info.kubelet_version,
        status.address("InternalIP"),
        status.address("ExternalIP"),
        info.os_image or "<unknown>",
        info.kernel_version or "<unknown>",
        info.container_runtime_version or "<unknown>",
    )


def _state(node: NodeView) -> str:
    ready = {each.type: each.status for each in node.status.conditions}.get("Ready")
    word = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _roles(labels: dict[str, str]) -> list[str]:
    roles = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)}
    return sorted((roles | {labels.get(ROLE_LABEL, "")}) - {""})


NODE = Printer(
    (
        NAME,
        text("Status", "Whether the node is ready, and whether pods may be placed on it"),
        text("Roles", "What the node's labels say it is for"),
        AGE,
        text("Version", "The version of the node's agent"),
        text("Internal-IP", "Its address within the cluster", WIDE),
        text("External-IP", "Its address from outside", WIDE),
        text("OS-Image", "Its operating system", WIDE),
        text("Kernel-Version", "Its kernel", WIDE),
        text("Container-Runtime", "What runs its containers", WIDE),
    ),
    NodeView,
    _cells,
)
