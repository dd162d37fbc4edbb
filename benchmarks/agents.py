"""Agents of machines that are not simulated, from outside of the server's process; see `benchmarks.outside`."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable

from benchmarks.caller import MERGE, STRATEGIC, Far, Refused, Wire
from benchmarks.figures import tell
from benchmarks.served import served

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
RENEWAL_SECONDS, STATUS_SECONDS = 10.0, 300.0
# How long the steady state is looked at.
STEADY_SECONDS = 30.0


class Agent:
    """One machine that is not simulated: three watches, a lease, a status."""

    def __init__(self, far: Far, number: int) -> None:
        self.name = f"agent-{number:05}"
        self._wire = Wire(far)
        self._watches = [Wire(far) for _ in range(3)]
        self._dice = random.Random(number)
        self.renewed = 0
        self.tries = 0

    async def register(self) -> None:
        labels = {"kubernetes.io/hostname": self.name}
        node = {"metadata": {"name": self.name, "labels": labels}}
        await self._wire.call("POST", "/api/v1/nodes", node)
        lease = {"metadata": {"name": self.name}, "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40}}
        await self._wire.call("POST", LEASES, lease)
        await self.report()
        self._wire.close()

    async def connect(self, far: Far) -> None:
        """As an agent does that has lost its server: everything anew, until all of it is there."""
        self._wire = Wire(far)
        await self._insistently(self._wire, self.renew)
        paths = (
            f"/api/v1/nodes?watch=1&allowWatchBookmarks=true&fieldSelector=metadata.name%3D{self.name}",
            f"/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector=spec.nodeName%3D{self.name}",
            "/api/v1/services?watch=1&allowWatchBookmarks=true",
        )
        for wire, path in zip(self._watches, paths, strict=True):
            await self._insistently(wire, functools.partial(wire.watch, path))

    async def _insistently(self, wire: Wire, act: Callable[[], Awaitable[None]]) -> None:
        """Tries again after a pause, as every client does, when the server takes no connection or has too many requests."""
        while True:
            try:
                return await act()
            except (OSError, Refused, asyncio.IncompleteReadError):
                self.tries += 1
                wire.close()
                await asyncio.sleep(self._dice.uniform(0.5, 1.5))

    async def renew(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        await self._wire.call("PATCH", f"{LEASES}/{self.name}", {"spec": {"renewTime": now}}, MERGE)
        self.renewed += 1

    async def report(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        path = f"/api/v1/nodes/{self.name}/status"
        await self._wire.call("PATCH", path, {"status": {"conditions": [ready]}}, STRATEGIC)

    async def live(self) -> None:
        """Renews and reports until it is cancelled."""
        report_at = time.perf_counter() + self._dice.uniform(0, STATUS_SECONDS)
        await asyncio.sleep(self._dice.uniform(0, RENEWAL_SECONDS))
        while True:
            began = time.perf_counter()
            await self.renew()
            if began >= report_at:
                report_at += STATUS_SECONDS
                await self.report()
            await asyncio.sleep(RENEWAL_SECONDS - (time.perf_counter() - began))

    async def listen(self, watch: int) -> None:
        async for _ in self._watches[watch].chunks():
            pass


async def agents(count: int) -> None:
    """So many agents against a server that simulates none."""
    async with served(0) as server:
        all_ = [Agent(server.far, number) for number in range(count)]
        for some in _hundreds(all_):
            await asyncio.gather(*(agent.register() for agent in some))
        before, began, burnt = server.megabytes(), time.perf_counter(), server.cpu()
        await asyncio.gather(*(agent.connect(server.far) for agent in all_))
        tell(f"{count} agents: all connected", time.perf_counter() - began, "s", 30.0)
        tell(f"{count} agents: tries again until then", sum(agent.tries for agent in all_), "tries")
        tell(f"{count} agents: CPU of the server until then", server.cpu() - burnt, "s")
        lives = [agent.live() for agent in all_]
        ears = [agent.listen(watch) for agent in all_ for watch in range(3)]
        tasks = [asyncio.ensure_future(each) for each in (*lives, *ears)]
        # One period, so that the renewals are spread.
        await asyncio.sleep(RENEWAL_SECONDS)
        began, burnt, renewed = time.perf_counter(), server.cpu(), sum(agent.renewed for agent in all_)
        await asyncio.sleep(STEADY_SECONDS)
        wall = time.perf_counter() - began
        tell(f"{count} agents: steady CPU of the server", (server.cpu() - burnt) / wall * 100, "%", 50.0)
        tell(f"{count} agents: renewals", (sum(agent.renewed for agent in all_) - renewed) / wall, "1/s")
        tell(f"{count} agents: memory of the server, each", (server.megabytes() - before) / count * 1024, "KB")
        ended = [task for task in tasks if task.done()]
        if ended:
            raise SystemExit(f"{len(ended)} tasks of agents ended: {ended[0]!r}")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _hundreds(all_: list[Agent]) -> list[list[Agent]]:
    return [all_[at : at + 100] for at in range(0, len(all_), 100)]
