"""Why a pod may not be on a node: the closed list of reasons, one sentence each.

The sentences are those of Kubernetes' scheduler (1.37): they are counted in the message of a pod that cannot be placed
("0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.").
"""

from __future__ import annotations

import enum

import msgspec


class Reason(enum.Enum):
    """A reason and its sentence. `{}` stands for the name of the resource that is short."""

    OTHER_NODE = "node(s) didn't match the requested node name"
    UNSCHEDULABLE = "node(s) were unschedulable"
    UNTOLERATED_TAINT = "node(s) had untolerated taint(s)"
    AFFINITY = "node(s) didn't match Pod's node affinity/selector"
    HOST_PORTS = "node(s) didn't have free ports for the requested pod ports"
    TOO_MANY_PODS = "Too many pods"
    INSUFFICIENT = "Insufficient {}"


class Unfit(msgspec.Struct, frozen=True, gc=False):
    """One refusal.

    `detail` names what stands in the way: the taint as `key=value:Effect`, the resource, the port. `resolvable` tells
    whether the node could take the pod if other pods left it.
    """

    reason: Reason
    detail: str = ""
    resolvable: bool = False

    def __str__(self) -> str:
        return self.reason.value.format(self.detail)


FITS: None = None
