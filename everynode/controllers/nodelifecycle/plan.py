"""Which NoSchedule taints a node must have. Pure.

The taints of Kubernetes' node lifecycle controller follow the node's conditions and its spec.unschedulable; all others, and
those with another effect, are somebody else's and stay as they are. A node that has never reported Ready keeps the taint
`not-ready` with which the API server let it in.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everynode.api.views import Identity, View

NO_SCHEDULE = "NoSchedule"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

# Condition type → status → taint.
_TAINTS = {
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
_OURS = frozenset(key for keys in _TAINTS.values() for key in keys.values()) | {UNSCHEDULABLE}


class Taint(View):
    key: str = ""
    value: str = ""
    effect: str = ""
    time_added: str | None = None


class Spec(View):
    taints: list[Taint] = []
    unschedulable: bool = False


class Condition(View):
    type: str = ""
    status: str = ""


class Status(View):
    conditions: list[Condition] = []


class Node(View):
    metadata: Identity = msgspec.field(default_factory=Identity)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


def taints_of(node: Node) -> Sequence[Taint] | None:
    """All taints the node must have, in a stable order; None if it has just these."""
    wanted = [key for each in node.status.conditions if (key := _TAINTS.get(each.type, {}).get(each.status))]
    if node.spec.unschedulable:
        wanted.append(UNSCHEDULABLE)
    if not any(each.type == "Ready" for each in node.status.conditions):
        wanted += [taint.key for taint in node.spec.taints if taint.key == NOT_READY]
    kept = [taint for taint in node.spec.taints if not _is_ours(taint) or taint.key in wanted]
    present = {taint.key for taint in kept if _is_ours(taint)}
    added = [Taint(key=key, effect=NO_SCHEDULE) for key in wanted if key not in present]
    return [*kept, *added] if added or len(kept) < len(node.spec.taints) else None


def _is_ours(taint: Taint) -> bool:
    return taint.effect == NO_SCHEDULE and taint.key in _OURS
