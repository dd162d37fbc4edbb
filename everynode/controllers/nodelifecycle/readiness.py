"""Pods of a node that nobody hears of are marked as not ready, so that services and DaemonSets stop counting on them.

That is so for every pod that is ready when its node becomes Unknown, and for one that is bound to such a node and says that
it is ready. It is written on the version of the pod that was seen: a kubelet that is back speaks last.
"""

from __future__ import annotations

from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import Pod
from everynode.controllers.nodelifecycle.observe import Node
from everynode.reconcile.informer import Informer, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import seconds_text

# The informer's index of pods by the node that they are bound to; all node controllers share it.
BY_NODE = "node"
# Pods written at the same time.
WORKERS = 16


def by_node(pod: Pod) -> tuple[str, ...]:
    return (pod.spec.node_name,) if pod.spec.node_name else ()


class PodReadiness:
    """Marks the pods of unreachable nodes."""

    def __init__(
        self, client: Client, nodes: Informer[Node], pods: Informer[Pod], recorder: Recorder, clock: Clock
    ) -> None:
        self._client, self._recorder, self._clock = client, recorder, clock
        self._nodes, self._pods = nodes, pods
        self._queue = Queue()
        self._runner = Runner("pods of unreachable nodes", self._queue, self._reconcile, workers=WORKERS)
        pods.add_index(BY_NODE, by_node)

    async def run(self) -> None:
        """Works until cancelled; both informers have their lists by then."""
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)
        await self._runner.run()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is not None and new.ready == "Unknown" and (old is None or old.ready != "Unknown"):
            for pod in self._pods.by_index(BY_NODE, new.name):
                if pod.ready:
                    self._queue.add(pod.key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.ready and new.bound and (old is None or not old.bound) and self._is_lost(new):
            self._queue.add(new.key)

    def _is_lost(self, pod: Pod) -> bool:
        node = self._nodes.get("", pod.spec.node_name)
        return node is not None and node.ready == "Unknown"

    async def _reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        pod = self._pods.get(namespace, name)
        if pod is None or not pod.ready or not self._is_lost(pod):
            return
        meta = pod.metadata
        unready = {"type": "Ready", "status": "False", "lastTransitionTime": seconds_text(self._clock.now())}
        change = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": {"conditions": [unready]},
        }
        try:
            await self._client.patch(PODS, name, change, namespace, kind="strategic", subresource="status")
        except ApiError as error:
            if error.code != 404:
                raise
            return
        regarding = ObjectReference(kind="Pod", namespace=namespace, name=name, uid=meta.uid, api_version="v1")
        self._recorder.event(regarding, "Warning", "NodeNotReady", "Node is not ready")
