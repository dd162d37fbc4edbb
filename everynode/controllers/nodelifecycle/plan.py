"""What must be written to a node: its taints, and the conditions of one that fell silent. Pure.

The NoSchedule taints of Kubernetes' node lifecycle controller follow the node's conditions and its spec.unschedulable, at once.
The NoExecute taints `not-ready` and `unreachable` follow its condition Ready: they change into each other at once, but a node
that has neither waits for its turn (`zones`). All other taints are somebody else's and stay as they are. A node that has never
reported Ready keeps the taint `not-ready` with which the API server let it in.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from everynode.controllers.nodelifecycle.observe import NO_EXECUTE, NO_SCHEDULE, READY, Node, Taint
from everynode.controllers.nodelifecycle.zones import Eviction, Standing

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"

# Condition type → status → taint.
_TAINTS = {
    READY: {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
_OURS = {
    NO_SCHEDULE: frozenset(key for keys in _TAINTS.values() for key in keys.values()) | {UNSCHEDULABLE},
    NO_EXECUTE: frozenset((NOT_READY, UNREACHABLE)),
}
# What a kubelet reports and nobody knows any more once it is silent.
_REPORTED = (READY, "MemoryPressure", "DiskPressure", "PIDPressure")


def taints_of(node: Node, eviction: Eviction, now: str) -> Sequence[Taint] | None:
    """All taints the node must have, in a stable order, new ones with the time `now`; None if it has just these."""
    taints = node.spec.taints
    wanted = dict.fromkeys((*_keeping_away(node), *_evicting(node, eviction)))
    if not wanted and not taints:
        return None
    kept = [taint for taint in taints if not _is_ours(taint) or (taint.key, taint.effect) in wanted]
    present = {(taint.key, taint.effect) for taint in kept}
    added = [Taint(key, "", effect, now) for key, effect in wanted if (key, effect) not in present]
    return [*kept, *added] if added or len(kept) < len(taints) else None


def is_evicting(node: Node) -> bool:
    """Whether it has one of the NoExecute taints that are ours."""
    return any(_is_ours(taint) for taint in node.executing)


def standing_of(node: Node) -> Standing:
    """What the node is to its zone."""
    waits = node.ready in ("False", "Unknown") and not is_evicting(node)
    return _standing(node.metadata.zone, not node.metadata.excluded, node.ready == "True", waits)


# Most nodes are the same to their zone, and share what they are.
_standing = functools.lru_cache(maxsize=1024)(Standing)


def silence_of(node: Node, now: str) -> Sequence[dict[str, Any]] | None:
    """The conditions to write to a node that is not heard of, each as far as it changes; None if that has been done."""
    if node.ready == "Unknown":
        return None
    told = dict(node.status.told)
    changed: list[dict[str, Any]] = []
    # In the order in which they stand, which the patch would otherwise change.
    for type in sorted(_REPORTED, key=lambda each: list(told).index(each) if each in told else len(told)):
        if type not in told:
            never = {
                "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": node.metadata.creation_timestamp,
            }
            changed.append({"type": type, "status": "Unknown", **never, "lastTransitionTime": now})
        elif told[type] != "Unknown":
            stopped = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
            changed.append({"type": type, "status": "Unknown", **stopped, "lastTransitionTime": now})
    return changed


def _keeping_away(node: Node) -> Sequence[tuple[str, str]]:
    wanted = [key for type, status in node.status.told if (key := _TAINTS.get(type, _NONE).get(status))]
    if node.spec.unschedulable:
        wanted.append(UNSCHEDULABLE)
    if not node.ready:
        wanted += [taint.key for taint in node.spec.taints if taint.key == NOT_READY and taint.effect == NO_SCHEDULE]
    return [(key, NO_SCHEDULE) for key in wanted]


_NONE: dict[str, str] = {}


def _evicting(node: Node, eviction: Eviction) -> Sequence[tuple[str, str]]:
    if not node.ready:
        return [(taint.key, NO_EXECUTE) for taint in node.executing if _is_ours(taint)]
    wanted = _TAINTS[READY].get(node.ready)
    if wanted is None or eviction is Eviction.OFF:
        return ()
    return ((wanted, NO_EXECUTE),) if eviction is Eviction.DUE or is_evicting(node) else ()


def _is_ours(taint: Taint) -> bool:
    return taint.effect in _OURS and taint.key in _OURS[taint.effect]
