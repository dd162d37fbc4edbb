"""One pod, one node: every filter in the scheduler's order.

The order is Kubernetes': node name, unschedulable, taints, selector and affinity, host ports, resources. The first filter
that refuses speaks alone; of them only resources can give several reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from everynode.fit.affinity import Requirements
from everynode.fit.ports import HostPort, host_ports_of
from everynode.fit.reasons import FITS, Reason, Unfit
from everynode.fit.resources import Room, requests_of
from everynode.fit.taints import UNSCHEDULABLE, refuse_taints, tolerates
from everynode.fit.views import AnyNode, AnyPodSpec, Toleration


class Demand(NamedTuple):
    """All that one pod asks of a node, worked out once, however many nodes are then asked."""

    node_name: str
    tolerations: Sequence[Toleration]
    requirements: Requirements
    ports: Sequence[HostPort]
    requests: Mapping[str, int]

    @classmethod
    def of(cls, spec: AnyPodSpec) -> Demand:
        """Raises ValueError when a quantity in the spec is none (the API lets no such pod in)."""
        return cls(spec.node_name, spec.tolerations, Requirements.of(spec), host_ports_of(spec), requests_of(spec))


def filter_node(demand: Demand, node: AnyNode, room: Room) -> tuple[Unfit, ...]:
    """Why a pod with this demand may not go to this node; empty when it may."""
    refusal = (
        refuse_node_name(demand.node_name, node)
        or refuse_unschedulable(demand.tolerations, node)
        or refuse_taints(node.spec.taints, demand.tolerations)
        or demand.requirements.refuse(node)
        or refuse_ports(demand.ports, room)
    )
    return (refusal,) if refusal else tuple(room.refuse(demand.requests))


def refuse_node_name(node_name: str, node: AnyNode) -> Unfit | None:
    return FITS if not node_name or node_name == node.metadata.name else Unfit(Reason.OTHER_NODE, node_name)


def refuse_unschedulable(tolerations: Sequence[Toleration], node: AnyNode) -> Unfit | None:
    """A cordoned node takes only what tolerates the taint that goes with cordoning, be the taint there already or not."""
    if not node.spec.unschedulable or any(tolerates(toleration, UNSCHEDULABLE) for toleration in tolerations):
        return FITS
    return Unfit(Reason.UNSCHEDULABLE)


def refuse_ports(ports: Sequence[HostPort], room: Room) -> Unfit | None:
    taken = room.ports.collision(ports)
    return FITS if taken is None else Unfit(Reason.HOST_PORTS, str(taken), resolvable=True)
