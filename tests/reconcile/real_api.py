"""The real API server over a memory store, in process and on virtual time, for tests of whatever runs on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from everynode.api import scheme
from everynode.api.scheme import Resource
from everynode.api.status import ApiError
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.base.ids import Ids
from everynode.client.client import Client
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.recorder import Recorder
from everynode.store.memory import memory_store
from everynode.wire.message import Peer, Request, Response
from tests.virtual_time import LoopClock

# Loop time that lets everything settle that is not waiting for something.
A_MOMENT = 0.5


class RealApi:
    """An API server, a client of it, and what controllers stand on. `calls` keeps every write as `VERB path`."""

    def __init__(self) -> None:
        self.clock, dice = LoopClock(), random.Random(1)
        self.store = memory_store(facets)
        self.server = ApiServer(self.store, clock=self.clock, ids=Ids(dice))
        self.calls: list[str] = []
        self.client = Client(self.server, peer=Peer("tester", ("system:masters",)))
        self.controller = Client(self._noted, peer=Peer("system:controller", ("system:masters",)))
        self.informers = InformerSet(self.controller, dice=dice)
        self.recorder = Recorder(self.client, "tester", clock=self.clock, dice=dice)
        self._tasks: list[asyncio.Task[None]] = []

    async def _noted(self, request: Request) -> Response:
        if request.method != "GET":
            self.calls.append(f"{request.method} {request.path}")
        return await self.server(request)

    def start(self, *work: Coroutine[Any, Any, None]) -> None:
        self._tasks += [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        for task in self._tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()

    async def put(self, resource: Resource, name: str, namespace: str = "", **body: Any) -> dict[str, Any]:
        """Creates an object of these top-level fields (`labels`, `annotations`, … go to its metadata)."""
        meta: dict[str, Any] = {"name": name}
        for field in ("labels", "annotations", "ownerReferences", "finalizers"):
            if field in body:
                meta[field] = body.pop(field)
        body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta, **body}
        return await self.client.create(resource, body, namespace, view=dict[str, Any])

    async def get(self, resource: Resource, name: str, namespace: str = "") -> dict[str, Any] | None:
        try:
            return await self.client.get(resource, name, namespace, view=dict[str, Any])
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def names(self, resource: Resource, namespace: str = "") -> list[str]:
        listing = await self.client.list(resource, namespace, view=dict[str, Any])
        return [item["metadata"]["name"] for item in listing.items]

    async def node(self, name: str, *, taints: Any = (), labels: Any = None, cpu: str = "4", pods: str = "110") -> None:
        """A Ready node without the taint that it is born with."""
        allocatable = {"cpu": cpu, "memory": "16Gi", "pods": pods}
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": None, "lastTransitionTime": None}
        status = {"allocatable": allocatable, "capacity": allocatable, "conditions": [ready]}
        await self.put(scheme.NODES, name, labels=labels or {})
        await self.client.patch(scheme.NODES, name, {"status": status}, subresource="status")
        await self.client.patch(scheme.NODES, name, {"spec": {"taints": list(taints)}})

    async def events(self) -> list[str]:
        listing = await self.client.list(scheme.EVENTS, view=dict[str, Any])
        return [f"{event['type']} {event['reason']} {event['message']}" for event in listing.items]


@asynccontextmanager
async def real_api(*controllers: Callable[[RealApi], Any]) -> AsyncIterator[RealApi]:
    """A running API with namespace `default` and these controllers (each made by its callable) at work."""
    api = RealApi()
    for namespace in ("default", "kube-system"):
        await api.put(scheme.NAMESPACES, namespace)
        await api.put(scheme.SERVICE_ACCOUNTS, "default", namespace)
    made = [make(api) for make in controllers]
    api.start(api.informers.run(), api.recorder.run(), *(each.run() for each in made))
    await api.informers.synced()
    yield api
    await api.stop()
