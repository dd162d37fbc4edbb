"""What clients outside of the process see of a large fleet: `python -m benchmarks.outside [--nodes N] [--agents N]`.

`everynode up` runs as a process of its own, with SQLite and TLS; this one measures, over several connections:

- at rest: how long a list of all pods takes (in one answer, in pages, compressed, as the first state of a watch), what it
  costs the server in memory, and what readers that stall in the middle of one cost;
- while a DaemonSet rolls over all nodes: gets, lists, and how long after a write was sent a watch tells of it (one watch of a
  quiet namespace, one of every pod there is);
- agents: so many nodes that are not simulated, each with three watches on connections of their own, a lease to renew every 10 s
  and a status to report every five minutes: how long until all are connected, and what they cost the server from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import re
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks.agents import agents
from benchmarks.caller import MERGE, STRATEGIC, Far, Refused, Taken, Wire, read_list
from benchmarks.figures import tell
from benchmarks.rollout import NAME, NAMESPACE, manifest
from benchmarks.served import Server, served

NODES, AGENTS = 2000, 2000
PODS = "/api/v1/pods"
DAEMON_SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets"
MARK = "bench.example/mark"
# A bench that takes longer has found a fault.
LONGEST_SECONDS = 900.0
# Connections that get, and seconds between two gets and between two marks of each.
GETTERS, GET_PAUSE, MARK_PAUSE = 4, 0.02, 0.05
# Rollouts follow one another until so much time has been measured; so many lists are read meanwhile.
ROLLING_SECONDS, LISTS = 20.0, 3
STALLED = 4


@dataclass(slots=True)
class Seen:
    """What the probes saw, in seconds."""

    gets: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    # By name of a watch: how long after a mark was sent to be written it told of it.
    delays: dict[str, list[float]] = field(default_factory=dict)
    lists: list[Taken] = field(default_factory=list)


def p99(seconds: list[float]) -> float:
    """In milliseconds."""
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1000 if seconds else 0.0


class Probes:
    """Gets, marks and watches that go on until they are left."""

    def __init__(self, server: Server, nodes: int) -> None:
        self._far = server.far
        self._nodes = nodes
        self.seen = Seen()
        self._sent: list[float] = []
        self._told: dict[str, dict[int, float]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Seen:
        wire = Wire(self._far)
        await _if_new(wire, "/api/v1/namespaces", {"metadata": {"name": "quiet"}})
        spec = {"schedulerName": "nobody", "containers": [{"name": "mark", "image": "registry.example/mark"}]}
        await _if_new(wire, "/api/v1/namespaces/quiet/pods", {"metadata": {"name": "mark"}, "spec": spec})
        wire.close()
        for name, path in (("one quiet namespace", "/api/v1/namespaces/quiet/pods"), ("all pods", PODS)):
            await self._watch(name, path)
        self._tasks += [asyncio.create_task(self._get(), name="getter") for _ in range(GETTERS)]
        self._tasks.append(asyncio.create_task(self._write_marks()))
        return self.seen

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise SystemExit(f"a probe ended: {outcome!r}")
        for name, told in self._told.items():
            self.seen.delays[name] = [when - self._sent[number] for number, when in told.items()]

    async def _get(self) -> None:
        wire, dice = Wire(self._far), random.Random(0)
        while True:
            path = f"/api/v1/nodes/node-{dice.randrange(self._nodes):05}"
            began = time.perf_counter()
            await wire.call("GET", path)
            self.seen.gets.append(time.perf_counter() - began)
            await asyncio.sleep(GET_PAUSE)

    async def _write_marks(self) -> None:
        wire = Wire(self._far)
        for number in itertools.count():
            change = {"metadata": {"annotations": {MARK: str(number)}}}
            began = time.perf_counter()
            self._sent.append(began)
            await wire.call("PATCH", "/api/v1/namespaces/quiet/pods/mark", change, MERGE)
            self.seen.writes.append(time.perf_counter() - began)
            await asyncio.sleep(MARK_PAUSE)

    async def _watch(self, name: str, path: str) -> None:
        wire, told = Wire(self._far), self._told.setdefault(name, {})
        revision = (await wire.get(f"{path}?limit=1"))["metadata"]["resourceVersion"]
        await wire.watch(f"{path}?watch=1&resourceVersion={revision}")

        async def listen() -> None:
            marks = re.compile(rb'"%b":"(\d+)"' % MARK.encode())
            async for chunk in wire.chunks():
                if MARK.encode() in chunk:
                    now = time.perf_counter()
                    for number in marks.findall(chunk):
                        told.setdefault(int(number), now)

        self._tasks.append(asyncio.create_task(listen()))


async def _if_new(wire: Wire, path: str, body: dict[str, Any]) -> None:
    try:
        await wire.call("POST", path, body)
    except Refused as error:
        if ": 409 " not in str(error):
            raise


async def rolled_out(far: Far, nodes: int) -> None:
    """Waits until every node has an available pod of the newest template."""
    wire, deadline = Wire(far), time.perf_counter() + LONGEST_SECONDS
    while time.perf_counter() < deadline:
        ds = await wire.get(f"{DAEMON_SETS}/{NAME}")
        told = ds.get("status", {})
        counts = [told.get(f"{what}", 0) for what in ("updatedNumberScheduled", "numberAvailable")]
        if told.get("observedGeneration") == ds["metadata"]["generation"] and counts == [nodes, nodes]:
            wire.close()
            return
        await asyncio.sleep(0.25)
    raise SystemExit("the rollout does not end")


async def at_rest(server: Server, nodes: int) -> None:
    """Lists of all pods, and their readers that stall."""
    far, what = server.far, f"list of {nodes} pods"
    ways: dict[str, dict[str, Any]] = {
        "in one answer": {},
        "in pages of 500": {"limit": 500},
        "in one answer, compressed": {"gzip": True},
    }
    for name, way in ways.items():
        before = server.megabytes()
        server.forget_peak()
        burnt = server.cpu()
        async with Probes(server, nodes) as seen:
            taken = await asyncio.to_thread(read_list, far, PODS, **way)
        tell(f"{what}, {name}", taken.seconds, "s", 6.0)
        tell(f"{what}, {name}: size", taken.size / 1e6, "MB")
        tell(f"{what}, {name}: CPU of the server", server.cpu() - burnt, "s")
        tell(f"{what}, {name}: memory of the server", server.megabytes("VmHWM") - before, "MB")
        tell(f"{what}, {name}: get p99 meanwhile", p99(seen.gets), "ms", 100.0)
    before = server.megabytes()
    server.forget_peak()
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    wire, began = Wire(far), time.perf_counter()
    await wire.watch(f"{PODS}?watch=1&{query}")
    async for chunk in wire.chunks():
        if b"initial-events-end" in chunk:
            break
    tell(f"first state of a watch of {nodes} pods", time.perf_counter() - began, "s", 6.0)
    tell(f"first state of a watch of {nodes} pods: memory of the server", server.megabytes("VmHWM") - before, "MB")
    wire.close()
    await stalled(server, nodes)


async def stalled(server: Server, nodes: int) -> None:
    """What readers cost that ask for everything and take nothing."""
    await asyncio.sleep(1)
    before = server.megabytes()
    server.forget_peak()
    async with Probes(server, nodes) as seen:
        readers = [
            await asyncio.open_connection(server.far.host, server.far.port, ssl=server.far.tls) for _ in range(STALLED)
        ]
        for reader, writer in readers:
            reader._limit = 1024  # type: ignore[attr-defined]  # what asyncio itself reads ahead
            writer.write(b"GET %b HTTP/1.1\r\nhost: bench\r\n\r\n" % PODS.encode())
        await asyncio.sleep(5)
        for _, writer in readers:
            writer.close()
    each = (server.megabytes("VmHWM") - before) / STALLED
    tell(f"a stalled reader of a list of {nodes} pods: memory of the server", each, "MB")
    tell(f"stalled readers of a list of {nodes} pods: get p99 meanwhile", p99(seen.gets), "ms", 100.0)


async def rolling(server: Server, nodes: int) -> None:
    """One rollout after another; what the probes saw meanwhile."""
    wire, what = Wire(server.far), f"rolling update of {nodes} nodes, from outside"
    began, burnt = time.perf_counter(), server.cpu()
    async with Probes(server, nodes) as seen:
        lists = asyncio.create_task(_list_now_and_then(server.far, seen))
        for round_ in itertools.count(2):
            image = {"name": NAME, "image": f"registry.example/agent:v{round_}"}
            change = {"spec": {"template": {"spec": {"containers": [image]}}}}
            await wire.call("PATCH", f"{DAEMON_SETS}/{NAME}", change, STRATEGIC)
            await rolled_out(server.far, nodes)
            if time.perf_counter() - began > ROLLING_SECONDS and lists.done():
                break
        await lists
    wall = time.perf_counter() - began
    tell(f"{what}: wall of one", wall / (round_ - 1), "s")
    tell(f"{what}: CPU of the server", (server.cpu() - burnt) / wall * 100, "%")
    tell(f"{what}: get p50", sorted(seen.gets)[len(seen.gets) // 2] * 1000, "ms")
    tell(f"{what}: get p99", p99(seen.gets), "ms", 100.0)
    tell(f"{what}: get at most", max(seen.gets) * 1000, "ms")
    tell(f"{what}: patch p99", p99(seen.writes), "ms")
    for name, delays in seen.delays.items():
        tell(f"{what}: watch delay p99, {name}", p99(delays), "ms", 300.0)
    tell(f"{what}: list of all pods, the slowest", max(each.seconds for each in seen.lists), "s", 6.0)


async def _list_now_and_then(far: Far, seen: Seen) -> None:
    for _ in range(LISTS):
        await asyncio.sleep(2)
        seen.lists.append(await asyncio.to_thread(read_list, far, PODS))


async def fleet(nodes: int) -> None:
    async with served(nodes) as server:
        wire = Wire(server.far)
        await wire.call("POST", DAEMON_SETS, manifest("10%"))
        wire.close()
        await rolled_out(server.far, nodes)
        await at_rest(server, nodes)
        await rolling(server, nodes)


async def main() -> None:
    words = argparse.ArgumentParser(prog="benchmarks.outside")
    words.add_argument("--nodes", type=int, default=NODES, help="0: that part is left out")
    words.add_argument("--agents", type=int, default=AGENTS, help="0: that part is left out")
    given = words.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.nodes:
        await fleet(given.nodes)
    if given.agents:
        await agents(given.agents)


if __name__ == "__main__":
    uvloop.run(main())
