"""Ends pods on nodes with NoExecute taints: those that do not tolerate them at once, those that do for a time when it is over.

A node that gains or loses such a taint has its pods read once; so has each pod that comes to it, or gains a toleration, later.
Only pods that really wait have a record and a timer. The time counts from when we learnt that the pod must go, by the
event loop's clock, and goes on counting while one taint takes the place of another (`not-ready`, `unreachable`). When the taint
goes first, the pod stays, and an event says so. Before a pod is ended it is read again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import NODES, PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import Pod as AnyPod
from everynode.controllers.nodelifecycle.observe import Node, Taint
from everynode.controllers.tainteviction.observe import Pod
from everynode.controllers.tainteviction.plan import FOR_EVER, marking, patience
from everynode.reconcile.informer import InformerSet, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import seconds_text

# Nodes and pods worked on at the same time (Kubernetes' UpdateWorkerSize).
WORKERS = 8
# Seconds that are no time to wait for: a timer may fire so much early.
MOMENT = 1e-6


@dataclass(slots=True, eq=False)
class _Waiting:
    """A pod that may stay for a time: since when it waits (loop time), and the timer for when that is over."""

    uid: str
    node: str
    since: float
    timer: asyncio.TimerHandle | None = None


class TaintEvictionController:
    """Carries out what NoExecute taints ask for."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder, clock: Clock) -> None:
        self._client, self._recorder, self._clock = client, recorder, clock
        self._nodes = informers.informer(NODES, Node)
        self._pods = informers.informer(PODS, AnyPod)
        self._node_queue, self._pod_queue = Queue(), Queue()
        self._tainted: dict[str, tuple[Taint, ...]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._waiting_on: dict[str, dict[str, None]] = {}

    async def run(self) -> None:
        """Works until cancelled."""
        for informer in (self._nodes, self._pods):
            await informer.synced.wait()
        # Pods that are there already are read with their nodes.
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        nodes = Runner("taint eviction of nodes", self._node_queue, self._read_node, workers=WORKERS)
        pods = Runner("taint eviction", self._pod_queue, self._read_pod, workers=WORKERS)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(nodes.run())
                group.create_task(pods.run())
        finally:
            for key in list(self._waiting):
                self._drop(key)

    # Events

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        name = (new or old).name  # type: ignore[union-attr]
        taints = tuple(new.executing) if new is not None else ()
        if taints == self._tainted.get(name, ()):
            return
        if taints:
            self._tainted[name] = taints
            self._node_queue.add(name)
            return
        del self._tainted[name]
        for key in list(self._waiting_on.get(name, ())):
            # Of a node that is gone the pods are collected (`podgc`); nobody reprieves them.
            self._drop(key) if new is None else self._reprieve(key)

    def _pod_changed(self, old: AnyPod | None, new: AnyPod | None) -> None:
        if new is None:
            if old is not None:
                self._reprieve(old.key)
        elif new.spec.node_name in self._tainted and (
            old is None or not old.bound or old.metadata.generation != new.metadata.generation
        ):
            self._pod_queue.add(new.key)

    # Judging

    async def _read_node(self, name: str) -> None:
        """Looks at every pod of a node whose taints have changed."""
        listing = await self._client.list(PODS, view=Pod, fields=f"spec.nodeName={name}")
        for pod in listing.items:
            if self._must_go(pod):
                self._pod_queue.add(pod.key)

    async def _read_pod(self, key: str) -> None:
        namespace, name = split_key(key)
        try:
            pod = await self._client.get(PODS, name, namespace, view=Pod)
            if self._must_go(pod):
                await self._evict(pod)
        except ApiError as error:
            if error.code != 404:
                raise

    def _must_go(self, pod: Pod) -> bool:
        """Whether the pod's time is over; if it is not but will be, it waits."""
        taints = self._tainted.get(pod.spec.node_name, ())
        if pod.metadata.deletion_timestamp is not None:
            self._drop(pod.key)
            return False
        seconds = patience(taints, pod.spec.tolerations)
        if seconds == FOR_EVER:
            self._reprieve(pod.key)
            return False
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(pod.key)
        if waiting is not None and waiting.uid != pod.metadata.uid:
            self._drop(pod.key)
            waiting = None
        since = waiting.since if waiting is not None else loop.time()
        if since + seconds <= loop.time() + MOMENT:
            return True
        self._wait(pod, since, since + seconds)
        return False

    def _wait(self, pod: Pod, since: float, until: float) -> None:
        waiting = self._waiting.get(pod.key)
        if waiting is None:
            waiting = self._waiting[pod.key] = _Waiting(pod.metadata.uid, pod.spec.node_name, since)
            self._waiting_on.setdefault(waiting.node, {})[pod.key] = None
        if waiting.timer is not None:
            waiting.timer.cancel()
        waiting.timer = asyncio.get_running_loop().call_at(until, self._pod_queue.add, pod.key)

    def _drop(self, key: str) -> bool:
        """The pod waits no more; tells whether it did."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return False
        if waiting.timer is not None:
            waiting.timer.cancel()
        on_node = self._waiting_on[waiting.node]
        del on_node[key]
        if not on_node:
            del self._waiting_on[waiting.node]
        return True

    def _reprieve(self, key: str) -> None:
        waiting = self._waiting.get(key)
        if waiting is not None:
            self._drop(key)
            self._tell(key, waiting.uid, f"Cancelling deletion of Pod {key}")

    async def _evict(self, pod: Pod) -> None:
        meta = pod.metadata
        mark = marking(pod, seconds_text(self._clock.now()))
        if mark is not None:
            await self._client.patch(PODS, meta.name, mark, meta.namespace, kind="strategic", subresource="status")
        await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
        self._drop(pod.key)
        self._tell(pod.key, meta.uid, f"Marking for deletion Pod {pod.key}")

    def _tell(self, key: str, uid: str, message: str) -> None:
        namespace, name = split_key(key)
        regarding = ObjectReference(kind="Pod", namespace=namespace, name=name, uid=uid, api_version="v1")
        self._recorder.event(regarding, "Normal", "TaintManagerEviction", message)
