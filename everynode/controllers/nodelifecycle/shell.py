"""Listens for every node, and writes what its silence, its conditions and the state of its zone ask for.

Informers tell of nodes and of their Leases; each renewal and each report is filed in `health` at a constant price. Once a
second, whatever the number of nodes, the first in its rows are looked at: a node that is overdue is asked for once more, by
its stored Lease, and then its conditions become Unknown. Zones are settled at the same beat, and the next nodes admitted to the
taint that makes pods leave.

Silence proves nothing while we could not listen. A node whose stored Lease is newer than the one our watch has shown has a
fresh grace. A beat that comes late (this process was stopped), and a write or a question that the API could not answer, give
one to every node; after such a failure, so does the first node that is heard of again.

A write of taints or conditions rests on the resourceVersion it was decided on, so nobody else's word is lost; if the node has
changed meanwhile, the write is refused and decided anew.
"""

from __future__ import annotations

import asyncio
import logging

from everynode.api.scheme import LEASES, NODES, PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import Pod
from everynode.controllers.nodelifecycle.health import Health, grace_of
from everynode.controllers.nodelifecycle.observe import LEASE_NAMESPACE, Lease, Node
from everynode.controllers.nodelifecycle.plan import is_evicting, silence_of, standing_of, taints_of
from everynode.controllers.nodelifecycle.readiness import PodReadiness
from everynode.controllers.nodelifecycle.zones import Shift, Zones
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import seconds_text

log = logging.getLogger(__name__)

# Nodes written at the same time, so that a fleet that comes up shares commits.
WORKERS = 16
# Seconds between two looks at who is overdue, and how late a beat may be before it means that we were not listening.
BEAT, LATE = 1.0, 5.0
# Nodes up to which their coming and going is told of in events; beyond it that would be most of all writes at a start.
MOST_NARRATED = 100


class NodeLifecycleController:
    """Notices nodes that fail and come back, and taints them by condition."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder, clock: Clock) -> None:
        self._client, self._recorder, self._clock = client, recorder, clock
        self._queue = Queue()
        self._runner = Runner("node lifecycle controller", self._queue, self._reconcile, workers=WORKERS)
        self._nodes = informers.informer(NODES, Node)
        self._leases = informers.informer(LEASES, Lease, namespace=LEASE_NAMESPACE)
        self._pods = informers.informer(PODS, Pod)
        self._readiness = PodReadiness(client, self._nodes, self._pods, recorder, clock)
        self._health, self._zones = Health(), Zones()
        self._evicting: set[str] = set()
        # Whether the API failed us and nobody has been heard of since: others may not have been able to speak either.
        self._deaf = False
        # Whether the nodes that stood when we began are known: they were registered before, and a restart is no news of them.
        self._found_all = False

    async def run(self) -> None:
        """Works until cancelled."""
        for informer in (self._nodes, self._leases, self._pods):
            await informer.synced.wait()
        self._nodes.on_change(self._node_changed)
        self._found_all = True
        self._leases.on_change(self._lease_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._runner.run())
            group.create_task(self._readiness.run())
            group.create_task(self._beat())

    # Events

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        now = _loop_time()
        if new is None:
            assert old is not None
            self._forget(old, now)
            return
        name = new.name
        if old is None and self._found_all:
            self._narrate(new, "RegisteredNode", f"Registered Node {name} in Controller")
        if old is None or new.reports_after(old):
            self._heard(new, now)
        if old is None or not new.stands_like(old):
            self._zones.put(name, standing_of(new), now)
            (self._evicting.add if is_evicting(new) else self._evicting.discard)(name)
            # Heartbeats come often and mean nothing here; only what asks for a write is queued.
            if self._taints_of(new) is not None:
                self._queue.add(name)

    def _forget(self, node: Node, now: float) -> None:
        self._health.forget(node.name)
        self._zones.put(node.name, None, now)
        self._evicting.discard(node.name)
        self._narrate(node, "RemovingNode", f"Removing Node {node.name} from Controller")

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> None:
        if new is None or (old is not None and old.spec.renew_time == new.spec.renew_time):
            return
        node = self._nodes.get("", new.metadata.name)
        if node is not None:
            self._heard(node, _loop_time())

    def _heard(self, node: Node, now: float) -> None:
        if self._deaf:
            self._deaf = False
            self._health.amnesty(now)
        lease = self._leases.get(LEASE_NAMESPACE, node.name)
        duration = lease.spec.lease_duration_seconds if lease is not None else None
        self._health.hear(node.name, grace_of(reports=bool(node.ready), lease_duration=duration), now)

    def _narrate(self, node: Node, reason: str, what: str) -> None:
        if len(self._nodes.objects) <= MOST_NARRATED:
            self._recorder.event(node.reference, "Normal", reason, f"Node {node.name} event: {what}")

    # The beat

    async def _beat(self) -> None:
        while True:
            before = _loop_time()
            await asyncio.sleep(BEAT)
            now = _loop_time()
            if now - before > BEAT + LATE:
                log.warning("stood still for %.0f s: every node has a fresh grace", now - before)
                self._health.amnesty(now)
            self._look(now)

    def _look(self, now: float) -> None:
        """Has everything written that the passing of time asks for."""
        for name in self._health.overdue(now):
            self._queue.add(name)
        match self._zones.settle(now):
            case Shift.ALL_DOWN:
                for name in sorted(self._evicting):
                    self._queue.add(name)
            case Shift.SOME_UP:
                self._health.amnesty(now)
        for name in self._zones.admit(now):
            self._queue.add(name)

    # Writes

    async def _reconcile(self, name: str) -> None:
        try:
            await self._write(name)
        except ApiError as error:
            if error.code == 404:
                return
            if error.code >= 500:
                self._excuse_all(f"the API could not be used: {error}")
                self._deaf = True
            raise

    async def _write(self, name: str) -> None:
        node = self._nodes.get("", name)
        if node is None:
            return
        if self._health.is_silent(name) and node.ready != "Unknown":
            if await self._is_really_silent(name):
                await self._declare_silent(node)
            return
        taints = self._taints_of(node)
        if taints is not None:
            await self._client.patch(NODES, name, {"metadata": _seen(node), "spec": {"taints": taints}})

    async def _is_really_silent(self, name: str) -> bool:
        """Whether the Lease that is stored is the one that we were shown. If not, our watch is behind and the node is alive."""
        shown = self._leases.get(LEASE_NAMESPACE, name)
        try:
            stored = await self._client.get(LEASES, name, LEASE_NAMESPACE, view=Lease)
        except ApiError as error:
            if error.code != 404:
                raise
            return True
        if shown is not None and shown.metadata.resource_version == stored.metadata.resource_version:
            # It may have been heard of while we asked.
            return self._health.is_silent(name)
        duration = stored.spec.lease_duration_seconds
        self._health.hear(name, grace_of(reports=True, lease_duration=duration), _loop_time())
        return False

    async def _declare_silent(self, node: Node) -> None:
        conditions = silence_of(node, seconds_text(self._clock.now()))
        if conditions is None:
            return
        change = {"metadata": _seen(node), "status": {"conditions": conditions}}
        await self._client.patch(NODES, node.name, change, kind="strategic", subresource="status")
        log.info("node %s is not heard of any more", node.name)
        if node.ready == "True":
            message = f"Node {node.name} status is now: NodeNotReady"
            self._recorder.event(node.reference, "Normal", "NodeNotReady", message)

    def _taints_of(self, node: Node) -> object | None:
        return taints_of(node, self._zones.eviction(node.name), seconds_text(self._clock.now()))

    def _excuse_all(self, why: str) -> None:
        log.info("every node has a fresh grace: %s", why)
        self._health.amnesty(_loop_time())


def _seen(node: Node) -> dict[str, str]:
    return {"uid": node.metadata.uid, "resourceVersion": node.metadata.resource_version}


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
