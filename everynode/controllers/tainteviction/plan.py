"""How long a pod may stay on its node, and what its status says before it goes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from everynode.controllers.tainteviction.observe import Pod
from everynode.fit.taints import tolerates
from everynode.fit.views import Taint, Toleration

FOR_EVER = math.inf
_CONDITION, _REASON = "DisruptionTarget", "DeletionByTaintManager"


def patience(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> float:
    """Seconds that the pod may stay with these NoExecute taints: 0 if it tolerates one of them not at all.

    Of each taint the first toleration that covers it counts, and of these the shortest `tolerationSeconds`.
    """
    shortest = FOR_EVER
    for taint in taints:
        used = next((each for each in tolerations if tolerates(each, taint)), None)
        if used is None:
            return 0.0
        if used.toleration_seconds is not None:
            shortest = min(shortest, max(0.0, float(used.toleration_seconds)))
    return shortest


def marking(pod: Pod, now: str) -> dict[str, Any] | None:
    """The patch of the pod's status that says why it goes; None if it says so already."""
    for each in pod.status.conditions:
        if each.type == _CONDITION and each.status == "True" and each.reason == _REASON:
            return None
    condition = {
        "type": _CONDITION,
        "observedGeneration": pod.metadata.generation,
        "status": "True",
        "reason": _REASON,
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": now,
    }
    return {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
