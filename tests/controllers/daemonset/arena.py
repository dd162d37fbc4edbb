"""The controller on the real API server over the memory store, in virtual time; the test plays scheduler and kubelets."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from everynode.api.scheme import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
)
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.base.ids import Ids
from everynode.client.client import Client, ClientUnreachable
from everynode.controllers.daemonset.observe import HASH_LABEL
from everynode.controllers.daemonset.shell import COMPONENT, DaemonSetController
from everynode.fit.affinity import pinned_node
from everynode.fit.views import PodSpec
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.recorder import Recorder
from everynode.store.memory import memory_store
from everynode.values.timestamps import seconds_text
from everynode.wire.message import Handler, Peer, Request, Response
from tests.virtual_time import LoopClock, virtually

NS = "default"
Json = dict[str, Any]
Scenario = Callable[["Arena"], Coroutine[Any, Any, None]]


class Wire:
    """The API server as the controller reaches it; a test may look at each request and answer it itself."""

    def __init__(self, api: Handler) -> None:
        self._api = api
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.refuse: Any = None
        # Requests that are carried out, and whose answer then gets lost.
        self.lose: Any = None
        # Seconds by which a watch of that resource lags behind.
        self.lag: dict[str, float] = {}

    async def __call__(self, request: Request) -> Response:
        if request.method != "GET" and "/events" not in request.path:
            self.requests.append(f"{request.method} {request.path.rpartition('/v1')[2]}")
            self.bodies.append(request.body)
        if self.refuse is not None and (answer := self.refuse(request)) is not None:
            return answer
        response = await self._api(request)
        if self.lose is not None and self.lose(request):
            raise ClientUnreachable("the connection broke")
        if response.stream is not None:
            response.stream = self._late(response.stream, request.path.rpartition("/")[2])
        return response

    async def _late(self, stream: AsyncGenerator[bytes, None], plural: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if lag := self.lag.get(plural):
                    await asyncio.sleep(lag)
                yield chunk


class Arena:
    """A cluster of one controller. All names are of namespace `default`."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.store = memory_store(facets)
        self.api = ApiServer(self.store, clock=self.clock, ids=Ids(random.Random(1)))
        self.client = Client(self.api, peer=Peer("test", ("system:masters",)))
        self.wire = Wire(self.api)
        self.controller: DaemonSetController
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts a controller that knows nothing yet."""
        own = Client(self.wire, peer=Peer(f"system:serviceaccount:kube-system:{COMPONENT}", ("system:masters",)))
        informers = InformerSet(own, dice=random.Random(1))
        recorder = Recorder(own, COMPONENT, clock=self.clock, dice=random.Random(1))
        self.controller = DaemonSetController(own, informers, recorder, self.clock)
        running = (informers.run(), recorder.run(), self.controller.run())
        self._tasks = [asyncio.ensure_future(one) for one in running]
        await self.settle()

    async def stop(self) -> None:
        """Stops it, as a crash between two requests would."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self, seconds: float = 0.5) -> None:
        """Lets the controller do what it can in this much time."""
        await asyncio.sleep(seconds)
        for task in self._tasks:
            assert not task.done(), task.result()

    # Objects

    async def add_nodes(self, *names: str, labels: Json | None = None, taints: list[Json] | None = None) -> None:
        for name in names:
            body = {
                "kind": "Node",
                "apiVersion": "v1",
                "metadata": {"name": name, "labels": labels or {}},
                "spec": {"taints": taints or []},
            }
            await self.client.create(NODES, body)
            await self.client.patch(NODES, name, {"spec": {"taints": taints or None}})

    async def patch_node(self, name: str, change: Json) -> None:
        await self.client.patch(NODES, name, change)

    async def create(self, name: str = "ds", image: str = "app:1", template: Json | None = None, **spec: Any) -> None:
        pod_spec = {"containers": [{"name": "c", "image": image}], **(template or {})}
        body = {
            "kind": "DaemonSet",
            "apiVersion": "apps/v1",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": pod_spec},
                **spec,
            },
        }
        await self.client.create(DAEMON_SETS, body, NS)
        await self.settle()

    async def change(self, change: Json, name: str = "ds") -> None:
        await self.client.patch(DAEMON_SETS, name, change, NS, kind="strategic")
        await self.settle()

    async def roll(self, image: str) -> None:
        await self.change({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})

    async def ds(self, name: str = "ds") -> Json:
        return await self.client.get(DAEMON_SETS, name, NS, view=dict)

    async def status(self, name: str = "ds") -> Json:
        found: Json = (await self.ds(name))["status"]
        return found

    async def counts(self, name: str = "ds") -> tuple[int, ...]:
        """(desired, current, ready, updated, available, unavailable, misscheduled)"""
        status = await self.status(name)
        fields = (
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "numberMisscheduled",
        )
        return tuple(status.get(field, 0) for field in fields)

    async def pods(self, **labels: str) -> list[Json]:
        chosen = ",".join(f"{key}={value}" for key, value in labels.items())
        listing = await self.client.list(PODS, NS, view=dict, labels=chosen)
        return sorted(listing.items, key=lambda one: (target(one), one["metadata"]["name"]))

    async def on(self, node: str) -> list[Json]:
        return [one for one in await self.pods() if target(one) == node]

    async def revisions(self) -> list[Json]:
        listing = await self.client.list(CONTROLLER_REVISIONS, NS, view=dict)
        return sorted(listing.items, key=lambda one: one["revision"])

    async def events(self) -> set[str]:
        listing = await self.client.list(EVENTS, NS, view=dict)
        return {f"{one['type']} {one['reason']} {one['message']}" for one in listing.items}

    # Scheduler and kubelets

    async def bind(self, pod: Json) -> None:
        name = pod["metadata"]["name"]
        target_ref = {"apiVersion": "v1", "kind": "Node", "name": target(pod)}
        body = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": name}, "target": target_ref}
        await self.client.create_sub(PODS, name, "binding", body, NS)

    async def report(
        self, pod: Json, *, ready: bool = True, phase: str = "Running", changed: float | None = None
    ) -> None:
        when = seconds_text(self.clock.now() if changed is None else changed)
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": when}
        change = {"status": {"phase": phase, "conditions": [condition]}}
        await self.client.patch(PODS, pod["metadata"]["name"], change, NS, subresource="status")

    async def run_pods(self) -> None:
        """Binds what is unbound, makes ready what is not, and ends what is terminating."""
        for pod in await self.pods():
            if pod["metadata"].get("deletionTimestamp"):
                await self.end(pod)
                continue
            if not pod["spec"].get("nodeName"):
                await self.bind(pod)
            if not is_ready(pod):
                await self.report(pod)
        await self.settle()

    async def end(self, pod: Json) -> None:
        meta = pod["metadata"]
        await self.client.delete(PODS, meta["name"], NS, uid=meta["uid"], grace_period_seconds=0)

    async def roll_out(self, most: int = 60) -> None:
        """Plays until nothing changes any more."""
        before: list[Json] = []
        for _ in range(most):
            await self.run_pods()
            after = await self.pods()
            if after == before:
                return
            before = after
        raise AssertionError("it does not come to rest")


def target(pod: Json) -> str:
    return pinned_node(msgspec.convert(pod["spec"], PodSpec))


def is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def hash_of(pod: Json) -> str:
    found: str = pod["metadata"]["labels"][HASH_LABEL]
    return found


def image(pod: Json) -> str:
    found: str = pod["spec"]["containers"][0]["image"]
    return found


@asynccontextmanager
async def arena(nodes: int = 0) -> AsyncIterator[Arena]:
    """A running controller and this many nodes, `n00` upwards."""
    logging.getLogger("everynode").setLevel(logging.WARNING)
    here = Arena()
    await here.client.create(NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NS}})
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    await here.client.create(SERVICE_ACCOUNTS, account, NS)
    await here.add_nodes(*(f"n{number:02}" for number in range(nodes)))
    await here.start()
    try:
        yield here
    finally:
        await here.stop()
        await here.store.close()


def played(nodes: int) -> Callable[[Scenario], Callable[[], None]]:
    """A scenario in a cluster of this many nodes, in virtual time."""

    def decorate(scenario: Scenario) -> Callable[[], None]:
        async def main() -> None:
            async with arena(nodes) as here:
                await scenario(here)

        def test() -> None:
            virtually(main())

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        return test

    return decorate
