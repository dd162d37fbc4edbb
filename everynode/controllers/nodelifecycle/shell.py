"""Keeps each node's NoSchedule taints as its conditions ask.

A write replaces the list of taints on the revision it was decided on, so nobody else's taint is lost; if the node has changed
meanwhile, the write is refused and decided anew.
"""

from __future__ import annotations

from everynode.api.scheme import NODES
from everynode.api.status import ApiError
from everynode.client.client import Client
from everynode.controllers.nodelifecycle.plan import Node, taints_of
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner

# Nodes written at the same time, so that a fleet that comes up shares commits.
WORKERS = 16


class NodeLifecycleController:
    """Taints nodes by condition."""

    def __init__(self, client: Client, informers: InformerSet) -> None:
        self._client = client
        self._queue = Queue()
        self._runner = Runner("node lifecycle controller", self._queue, self._reconcile, workers=WORKERS)
        self._nodes = informers.informer(NODES, Node)
        self._nodes.on_change(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await self._nodes.synced.wait()
        await self._runner.run()

    def _changed(self, _: Node | None, new: Node | None) -> None:
        # Heartbeats come often and mean nothing here; only what asks for a write is queued.
        if new is not None and taints_of(new) is not None:
            self._queue.add(new.metadata.name)

    async def _reconcile(self, name: str) -> None:
        node = self._nodes.get("", name)
        taints = taints_of(node) if node is not None else None
        if node is None or taints is None:
            return
        change = {"metadata": {"resourceVersion": node.metadata.resource_version}, "spec": {"taints": taints}}
        try:
            await self._client.patch(NODES, name, change)
        except ApiError as error:
            if error.code != 404:
                raise
