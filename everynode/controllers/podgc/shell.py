"""Finds pods that nobody will end any more, as they come to be, and ends them: phase Failed, then gone without grace.

Four sorts: pods bound to a node that is gone (after a quarantine, and only when the API confirms it), terminating pods on a
node that was declared out of service, terminating pods that never came to a node, and finished pods beyond a number that
nobody clears away. An event about a pod or a node costs the same whatever the number of pods; only when there are too many
finished pods are these counted through, every PERIOD seconds at most.
"""

from __future__ import annotations

from everynode.api.scheme import NODES, PODS
from everynode.api.status import ApiError
from everynode.api.views import Identity, View
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import Pod
from everynode.controllers.nodelifecycle.observe import Node
from everynode.controllers.nodelifecycle.readiness import BY_NODE, by_node
from everynode.controllers.podgc.plan import is_finished, is_out_of_service, marking, surplus
from everynode.reconcile.informer import InformerSet, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import seconds_text

# Finished pods that are kept: Kubernetes' --terminated-pod-gc-threshold.
MOST_FINISHED = 12_500
# Seconds between two counts of finished pods, and for which a node must be missing before its pods are collected.
PERIOD, QUARANTINE = 20.0, 40.0
# Pods written at the same time.
WORKERS = 16

# Keys of the queue: one for all finished pods, and for one node or one pod each with what it is.
_FINISHED = "finished"
_NODE, _POD = "node ", "pod "


class _Named(View):
    metadata: Identity


class PodGarbageCollector:
    """Collects pods. `most_finished` is how many finished ones may stay."""

    def __init__(
        self, client: Client, informers: InformerSet, clock: Clock, *, most_finished: int = MOST_FINISHED
    ) -> None:
        self._client, self._clock = client, clock
        self._most_finished = most_finished
        self._nodes = informers.informer(NODES, Node)
        self._pods = informers.informer(PODS, Pod)
        self._pods.add_index(BY_NODE, by_node)
        self._queue = Queue()
        self._runner = Runner("pod garbage collector", self._queue, self._reconcile, workers=WORKERS)
        self._finished: dict[str, None] = {}
        self._out_of_service: set[str] = set()

    async def run(self) -> None:
        """Works until cancelled."""
        for informer in (self._nodes, self._pods):
            await informer.synced.wait()
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)
        await self._runner.run()

    # Events

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self._out_of_service.discard(old.name)
            self._queue.add_after(_NODE + old.name, QUARANTINE)
        elif not is_out_of_service(new):
            self._out_of_service.discard(new.name)
        elif new.name not in self._out_of_service:
            self._out_of_service.add(new.name)
            for pod in self._pods.by_index(BY_NODE, new.name):
                if pod.terminating:
                    self._queue.add(_POD + pod.key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None:
            assert old is not None
            self._finished.pop(old.key, None)
            return
        if is_finished(new):
            self._finished[new.key] = None
            if len(self._finished) > self._most_finished:
                self._queue.add_after(_FINISHED, PERIOD)
        node = new.spec.node_name
        if node and node not in self._nodes.objects and (old is None or not old.bound):
            self._queue.add_after(_NODE + node, QUARANTINE)
        if new.terminating and (old is None or not old.terminating) and self._has_nobody(new):
            self._queue.add(_POD + new.key)

    def _has_nobody(self, pod: Pod) -> bool:
        """Whether a terminating pod has no kubelet that would end it."""
        return not pod.bound or pod.spec.node_name in self._out_of_service

    # Collecting

    async def _reconcile(self, key: str) -> None:
        if key == _FINISHED:
            await self._collect_finished()
        elif key.startswith(_NODE):
            await self._collect_of_node(key.removeprefix(_NODE))
        else:
            pod = self._pods.get(*split_key(key.removeprefix(_POD)))
            if pod is not None and pod.terminating and self._has_nobody(pod):
                await self._collect(pod)

    async def _collect_finished(self) -> None:
        pods = [pod for key in self._finished if (pod := self._pods.get(*split_key(key))) is not None]
        for pod in surplus(pods, self._most_finished):
            await self._collect(pod)

    async def _collect_of_node(self, name: str) -> None:
        pods = self._pods.by_index(BY_NODE, name)
        if not pods or name in self._nodes.objects or await self._exists(name):
            return
        for pod in pods:
            await self._collect(pod, orphaned=True)

    async def _exists(self, name: str) -> bool:
        """Whether the API knows the node: our own view may be behind."""
        try:
            await self._client.get(NODES, name, view=_Named)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    async def _collect(self, pod: Pod, *, orphaned: bool = False) -> None:
        meta = pod.metadata
        mark = marking(pod, orphaned=orphaned, now=seconds_text(self._clock.now()))
        try:
            if mark is not None:
                await self._client.patch(PODS, meta.name, mark, meta.namespace, kind="strategic", subresource="status")
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except ApiError as error:
            # Gone already, or another pod has its name by now.
            if error.code not in (404, 409):
                raise
