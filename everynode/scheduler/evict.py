"""Makes a victim of preemption give way: says on it why, deletes it with the time it has to end, and tells of it.

Each step may be repeated: a victim that is on its way already, or gone, is left alone.
"""

from __future__ import annotations

from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.reconcile.recorder import Recorder
from everynode.scheduler.observe import Occupant, PendingPod, PodMeta
from everynode.scheduler.preempt import BY_SCHEDULER, DISRUPTION_TARGET
from everynode.values.timestamps import seconds_text


class Evictor:
    """Carries preemption out, pod by pod."""

    def __init__(self, client: Client, recorder: Recorder, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock

    async def evict(self, victim: Occupant, preemptor: PendingPod, node: str) -> None:
        """The victim is to leave the node for the preemptor. Raises ApiError when that could not be said or done."""
        meta = victim.metadata
        if meta.deletion_timestamp is not None:
            return
        condition = {
            "type": DISRUPTION_TARGET,
            "status": "True",
            "observedGeneration": meta.generation,
            "lastProbeTime": None,
            "lastTransitionTime": seconds_text(self._clock.now()),
            "reason": BY_SCHEDULER,
            "message": f"{preemptor.spec.scheduler_name}: preempting to accommodate a higher priority pod",
        }
        change = {"metadata": {"uid": meta.uid}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(PODS, meta.name, change, meta.namespace, kind="strategic", subresource="status")
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        message = f"Preempted by pod {preemptor.metadata.uid} on node {node}"
        self._recorder.event(reference(meta), "Normal", "Preempted", message)


def reference(meta: PodMeta) -> ObjectReference:
    """What an event about the pod points at."""
    return ObjectReference(
        kind="Pod",
        api_version="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )
