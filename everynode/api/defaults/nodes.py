"""What a node is given that did not say it: all of its capacity is allocatable, and its podCIDR is the first of podCIDRs."""

from __future__ import annotations

from everynode.api.core_v1 import Node, NodeSpec, NodeStatus
from everynode.api.defaults.quantities import store_amounts


def default_node(node: Node) -> None:
    _default_addresses(node.spec)
    _default_amounts(node.status)


def _default_addresses(spec: NodeSpec) -> None:
    """`podCIDR` is the older field and wins when the two disagree."""
    if spec.pod_cidr and (not spec.pod_cidrs or spec.pod_cidrs[0] != spec.pod_cidr):
        spec.pod_cidrs = [spec.pod_cidr]
    if spec.pod_cidrs:
        spec.pod_cidr = spec.pod_cidrs[0]


def _default_amounts(status: NodeStatus) -> None:
    store_amounts(status.capacity)
    if status.allocatable:
        store_amounts(status.allocatable)
    else:
        status.allocatable = dict(status.capacity)
