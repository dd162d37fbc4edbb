"""Nodes whose kubelet is the test: they are made, renew their Lease, report, and fall silent when told to."""

from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import LEASES, NODES, PODS
from everynode.controllers.nodelifecycle.shell import NodeLifecycleController
from everynode.values.timestamps import micro_text, seconds_text
from tests.reconcile.real_api import RealApi

LEASE_NAMESPACE = "kube-node-lease"
PERIOD = 10.0


def controller(api: RealApi) -> NodeLifecycleController:
    return NodeLifecycleController(api.controller, api.informers, api.recorder, api.clock)


class Machine:
    """A node with a Lease. Its clock may be wrong by `skew` seconds."""

    def __init__(self, api: RealApi, name: str, zone: str = "", *, skew: float = 0.0) -> None:
        self.api, self.name, self.zone, self.skew = api, name, zone, skew
        self._beats: asyncio.Task[None] | None = None

    async def start(self, *, duration: int = 40) -> None:
        labels = {"topology.kubernetes.io/zone": self.zone} if self.zone else {}
        await self.api.put(NODES, self.name, labels=labels)
        await self.api.put(LEASES, self.name, LEASE_NAMESPACE, spec=self._lease() | {"leaseDurationSeconds": duration})
        await self.wake()

    async def wake(self) -> None:
        await self.report("True")
        self._beats = asyncio.create_task(self._renew())

    def silence(self) -> None:
        assert self._beats is not None
        self._beats.cancel()

    async def report(self, ready: str, **others: str) -> None:
        now = self.stamp()
        told = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", **others, "Ready": ready}
        conditions = [
            {"type": type, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now}
            for type, status in told.items()
        ]
        await self.api.client.patch(NODES, self.name, {"status": {"conditions": conditions}}, subresource="status")

    async def renew(self) -> None:
        await self.api.client.patch(LEASES, self.name, {"spec": self._lease()}, LEASE_NAMESPACE)

    async def pod(self, name: str, *, ready: str = "True", **spec: Any) -> None:
        """A pod on this node that reports this readiness."""
        containers = [{"name": "c", "image": "i"}]
        await self.api.put(PODS, name, "default", spec={"nodeName": self.name, "containers": containers, **spec})
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}
        await self.api.client.patch(PODS, name, {"status": status}, "default", subresource="status")

    def stamp(self) -> str:
        return seconds_text(self.api.clock.now() + self.skew)

    def _lease(self) -> dict[str, Any]:
        return {"holderIdentity": self.name, "renewTime": micro_text(self.api.clock.now() + self.skew)}

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            await self.renew()


async def machines(api: RealApi, count: int, zone: str = "") -> list[Machine]:
    """Started, and each with its taints settled."""
    found = [Machine(api, f"{zone or 'n'}{number}", zone) for number in range(count)]
    for each in found:
        await each.start()
    return found


async def conditions(api: RealApi, name: str) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    node: Any = await api.get(NODES, name)
    return {each["type"]: (each["status"], each.get("reason", "")) for each in node["status"].get("conditions", [])}


async def ready(api: RealApi, name: str) -> str:
    return (await conditions(api, name)).get("Ready", ("", ""))[0]


async def taints(api: RealApi, name: str, effect: str = "") -> list[str]:
    """`KEY:EFFECT` of each taint, without the keys' prefix."""
    node: Any = await api.get(NODES, name)
    found = [
        (taint["key"].removeprefix("node.kubernetes.io/"), taint["effect"]) for taint in node["spec"].get("taints", [])
    ]
    return [f"{key}:{one}" for key, one in found if effect in ("", one)]


async def pod_ready(api: RealApi, name: str) -> str:
    pod: Any = await api.get(PODS, name, "default")
    return next(each["status"] for each in pod["status"]["conditions"] if each["type"] == "Ready")
