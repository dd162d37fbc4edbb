"""Which pods are to be collected, and what is written to them before. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Any

from everynode.controllers.daemonset.observe import FAILED, Pod
from everynode.controllers.nodelifecycle.observe import Node

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
# Pods with other phases have finished.
_UNFINISHED = frozenset(("Pending", "Running", "Unknown"))


def is_out_of_service(node: Node) -> bool:
    """Whether somebody has declared a node dead: its terminating pods need not wait for it."""
    return node.ready != "True" and any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)


def is_finished(pod: Pod) -> bool:
    return pod.status.phase not in _UNFINISHED


def surplus(finished: Iterable[Pod], most: int) -> Sequence[Pod]:
    """The finished pods beyond `most`: evicted ones first, then the oldest, then by name."""
    pods = list(finished)
    return heapq.nsmallest(len(pods) - most, pods, key=_order) if len(pods) > most else ()


def marking(pod: Pod, *, orphaned: bool, now: str) -> dict[str, Any] | None:
    """The patch of the status of a pod that is about to go; None if it has ended already."""
    if pod.terminal:
        return None
    meta = pod.metadata
    status: dict[str, Any] = {"phase": FAILED, "observedGeneration": meta.generation}
    if orphaned:
        condition = {
            "type": "DisruptionTarget",
            "observedGeneration": meta.generation,
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": "PodGC: node no longer exists",
            "lastTransitionTime": now,
        }
        status["conditions"] = [condition]
    return {"metadata": {"uid": meta.uid}, "status": status}


def _order(pod: Pod) -> tuple[bool, str, str, str]:
    evicted = pod.status.phase == FAILED and pod.status.reason == "Evicted"
    meta = pod.metadata
    return not evicted, meta.creation_timestamp or "", meta.name, meta.namespace
