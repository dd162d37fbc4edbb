"""What a DaemonSet costs in a fleet of each size: first creation, a rolling update, deletion; CPU, memory, pauses, counters.

    python -m benchmarks.rollout [NODES …]

The whole cluster runs in this process, over SQLite, without a socket; pods start at once. Heartbeats go on meanwhile: what they
cost is measured at rest just before, told, and taken off for as many seconds as the step took. During the update one more watch
of all pods counts those that are available. Each size is measured in a process of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.figures import MARK, draw, tell
from benchmarks.pauses import Pauses
from everynode.api.scheme import DAEMON_SETS, PODS
from everynode.api.views import Identity, View
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.base import collector
from everynode.client.client import Client

# The smallest is just above the size up to which simulated nodes tell of every start and stop in events.
SIZES = (128, 1_000, 10_000)
LARGEST = 100_000
NAME, NAMESPACE = "agent", "default"
# Nobody waits longer for any step; a bench that does has found a fault.
LONGEST_SECONDS = 1_500.0
# Seconds of rest over which heartbeats are measured, and between two points of the curve of progress.
REST, POINT = 6.0, 0.5
# What the whole house takes without any node, in MB.
BARE_MEGABYTES = 60.0
# Requests that go by the clock, not by the node.
BY_THE_CLOCK = {"leases", "nodes", "daemonsets"}


class _Status(View):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class _Metadata(View):
    generation: int = 0
    resource_version: str = ""


class _DaemonSet(View):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status = msgspec.field(default_factory=_Status)


class _Condition(View):
    type: str = ""
    status: str = ""


class _PodStatus(View):
    conditions: list[_Condition] = []


class _Pod(View):
    """What tells whether a pod serves its node."""

    metadata: Identity = msgspec.field(default_factory=Identity)
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)

    @property
    def ready(self) -> bool:
        return any(one.type == "Ready" and one.status == "True" for one in self.status.conditions)


def manifest(max_unavailable: str | int) -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": max_unavailable}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v1"}]},
            },
        },
    }


async def roll(client: Client, tag: str) -> None:
    """Gives the DaemonSet another image."""
    template = {"spec": {"containers": [{"name": NAME, "image": f"registry.example/agent:{tag}"}]}}
    await client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")


async def until(client: Client, done: Callable[[_DaemonSet], bool]) -> None:
    """Waits until the DaemonSet is so."""
    ds = await client.get(DAEMON_SETS, NAME, NAMESPACE, view=_DaemonSet)
    since = ds.metadata.resource_version
    async with asyncio.timeout(LONGEST_SECONDS):
        while not done(ds):
            async with aclosing(client.watch(DAEMON_SETS, NAMESPACE, since=since, view=_DaemonSet)) as changes:
                async for change in changes:
                    ds = change.object
                    since = ds.metadata.resource_version
                    if done(ds):
                        break


async def rolled_out(client: Client, nodes: int) -> None:
    """Waits until every node has an available pod of the newest template."""

    def done(ds: _DaemonSet) -> bool:
        status = ds.status
        counts = (status.desired_number_scheduled, status.updated_number_scheduled, status.number_available)
        return status.observed_generation == ds.metadata.generation > 0 and counts == (nodes, nodes, nodes)

    await until(client, done)


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_megabytes() -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


class Available:
    """Counts, by a watch of the pods, how many serve their node; `fewest` is the least since `reset`.

    `counted` is set once all that are there have been."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ready: set[str] = set()
        self.counted = asyncio.Event()
        self.fewest = 0

    async def run(self) -> None:
        """Counts until cancelled."""
        listing = await self._client.list(PODS, NAMESPACE, view=_Pod, limit=500)
        self._ready = {pod.metadata.uid for pod in listing.items if pod.ready}
        since = listing.resource_version
        self.counted.set()
        async with aclosing(self._client.watch(PODS, NAMESPACE, since=since, view=_Pod)) as changes:
            async for change in changes:
                uid = change.object.metadata.uid
                if change.type == "DELETED" or not change.object.ready:
                    self._ready.discard(uid)
                elif change.type != "BOOKMARK":
                    self._ready.add(uid)
                self.fewest = min(self.fewest, len(self._ready))

    def reset(self) -> None:
        self.fewest = len(self._ready)


@dataclass(slots=True)
class Step:
    """What one step took: seconds, CPU without heartbeats (ms a node), and what was done for each node."""

    wall: float
    cpu: float
    counted: dict[str, float]


class Bench:
    """One fleet, measured step by step."""

    def __init__(self, cluster: Cluster, nodes: int, pauses: Pauses) -> None:
        self._cluster, self._nodes, self._pauses = cluster, nodes, pauses
        self._client = cluster.client()

    async def run(self) -> float:
        """Everything; the CPU of an update, in milliseconds a node."""
        nodes, client = self._nodes, self._client
        await self._cluster.ready()
        await asyncio.sleep(2)
        await self._step("first creation", self._create, must=self._largest(200.0), aim=self._largest(100.0))
        kilobytes = (resident_megabytes() - BARE_MEGABYTES) * 1024 / nodes
        tell(self._name("memory a node"), kilobytes, "KB", self._largest(16.0), self._largest(12.0))
        available = Available(client)
        watching = asyncio.ensure_future(available.run())
        await available.counted.wait()
        available.reset()
        points: list[tuple[float, float]] = []
        drawing = asyncio.ensure_future(self._progress(points))
        update = await self._step(
            "rolling update at 10%", self._update, must=self._largest(300.0), aim=self._largest(150.0)
        )
        for task in (watching, drawing):
            task.cancel()
        draw("progress", f"{nodes:,} nodes", points)
        beyond = nodes - available.fewest - -(-nodes // 10)
        tell(self._name("unavailable beyond the budget, at any event"), max(0, beyond), "pods", 0.0, 0.0)
        for what, number in sorted(update.counted.items()):
            tell(self._name(f"update, each node: {what}"), number, "")
        await self._step("deletion", self._delete)
        return update.cpu

    async def _step(
        self, what: str, act: Callable[[], Awaitable[None]], must: float | None = None, aim: float | None = None
    ) -> Step:
        burnt = cpu()
        await asyncio.sleep(REST)
        at_rest = (cpu() - burnt) / REST
        self._pauses.reset()
        before, began, burnt = self._counters(), time.perf_counter(), cpu()
        await act()
        wall = time.perf_counter() - began
        own = (cpu() - burnt - at_rest * wall) / self._nodes * 1000
        counted = {name: number / self._nodes for name, number in (self._counters() - before).items()}
        tell(self._name(f"{what}: wall"), wall, "s", must, aim)
        tell(self._name(f"{what}: CPU a node"), own, "ms")
        tell(self._name(f"{what}: longest turn of the loop"), self._pauses.longest_turn, "ms")
        tell(self._name(f"{what}: longest collection"), self._pauses.longest_collection, "ms", 50.0)
        tell(self._name(f"heartbeats before {what}"), at_rest * 100, "% CPU", self._largest(50.0), self._largest(20.0))
        return Step(wall, own, counted)

    async def _create(self) -> None:
        await self._client.create(DAEMON_SETS, manifest("10%"), NAMESPACE)
        await rolled_out(self._client, self._nodes)

    async def _update(self) -> None:
        await roll(self._client, "v2")
        await rolled_out(self._client, self._nodes)

    async def _delete(self) -> None:
        await self._client.delete(DAEMON_SETS, NAME, NAMESPACE)
        async with asyncio.timeout(LONGEST_SECONDS):
            while self._cluster.api.stored(PODS):  # noqa: ASYNC110 - nothing else tells, without a cost of its own
                await asyncio.sleep(0.05)

    async def _progress(self, points: list[tuple[float, float]]) -> None:
        began = time.perf_counter()
        while True:
            ds = await self._client.get(DAEMON_SETS, NAME, NAMESPACE, view=_DaemonSet)
            points.append((time.perf_counter() - began, 100 * ds.status.updated_number_scheduled / self._nodes))
            await asyncio.sleep(POINT)

    def _counters(self) -> Counter[str]:
        """All that has been done so far, the clock's part of the requests left out."""
        cluster = self._cluster
        writes = cluster.api.written.events.items()
        found = Counter({"nodes examined": cluster.daemon_sets.examined})
        found["writes"] = sum(number for kind, number in writes if kind.split("/")[1] not in BY_THE_CLOCK)
        for (verb, plural, code), number in cluster.api.answered.items():
            if code < 400 and verb not in ("get", "list", "watch") and plural not in BY_THE_CLOCK:
                found[f"{verb} {plural}"] += number
        return found

    def _name(self, what: str) -> str:
        return f"{self._nodes:,} nodes: {what}"

    def _largest(self, limit: float) -> float | None:
        """A limit that is stated for the largest fleet."""
        return limit if self._nodes == LARGEST else None


async def measure(nodes: int) -> None:
    pauses = Pauses()
    watching = asyncio.ensure_future(pauses.run())
    with tempfile.TemporaryDirectory() as scratch:
        async with Cluster(Config(data_dir=Path(scratch) / "data", nodes=nodes)) as cluster:
            tell(f"{nodes:,} nodes: update, CPU a node", await Bench(cluster, nodes, pauses).run(), "ms")
    watching.cancel()


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    if len(sizes) == 1:
        logging.basicConfig(level=logging.WARNING)
        collector.tune()  # as `everynode up` does
        uvloop.run(measure(sizes[0]))
        return
    costs: list[tuple[float, float]] = []
    for size in sizes:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.rollout", str(size)], stdout=subprocess.PIPE, text=True, check=True
        )
        print(done.stdout, end="", flush=True)
        last = done.stdout.rstrip().splitlines()[-1]
        costs.append((size, msgspec.json.decode(last.removeprefix(MARK))["value"]))
    draw("cpu", "rolling update", costs)
    tell(
        f"update, CPU a node: {sizes[-1]:,} against {sizes[0]:,} nodes", costs[-1][1] / costs[0][1], "ratio", 1.25, 1.1
    )


if __name__ == "__main__":
    main()
