"""What the store costs: writes, loading, ranges, fan-out and memory. Prints a table, then the same figures as JSON.

    python -m benchmarks.store [--nodes N]

Values are about as large as the real thing (a pod 2.9 KB, a node 2.2 KB, a lease 0.4 KB), and facets about as many.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.figures import tell
from everynode.store.contract import Facets, Store
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from everynode.store.memory import memory_store
from everynode.store.sqlite import sqlite_store

POD, NODE, LEASE = b"p" * 2900, b"n" * 2200, b"l" * 400


def facets_of(key: str, value: bytes) -> Facets:
    """What the API would tell: a pod's labels, node and owner, a node's labels; nothing of a lease."""
    kind, name = key.split("/")[1], key.rpartition("/")[2]
    if kind == "pods":
        node = f"f:spec.nodeName=node-{name}"
        return ("l:app=agent", "l:controller-revision-hash=5c9f7d", node, "f:status.phase=Running", "o:3f1c-agent")
    if kind == "nodes":
        return (f"l:kubernetes.io/hostname={name}", "l:kubernetes.io/os=linux", "l:kubernetes.io/arch=amd64")
    return ()


async def writes_per_second(store: Store, writers: int, seconds: float) -> float:
    end = time.perf_counter() + seconds
    written = 0

    async def write(writer: int) -> None:
        nonlocal written
        while time.perf_counter() < end:
            await store.write(f"core/pods/bench/{writer}", POD)
            written += 1

    start = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return written / (time.perf_counter() - start)


async def requests_per_second(store: Store, clients: int, turns: int, seconds: float) -> float:
    """Like `writes_per_second`, but each client spends some turns of the loop between its writes, as a request does."""
    end = time.perf_counter() + seconds
    written = 0

    async def serve(client: int) -> None:
        nonlocal written
        while time.perf_counter() < end:
            for _ in range(1 + client % turns):
                await asyncio.sleep(0)
            await store.write(f"core/pods/bench/{client}", POD)
            written += 1

    start = time.perf_counter()
    await asyncio.gather(*(serve(client) for client in range(clients)))
    return written / (time.perf_counter() - start)


async def fill(store: Store, nodes: int) -> None:
    for first in range(0, nodes, 500):
        batch: list[Awaitable[object]] = []
        for n in range(first, min(nodes, first + 500)):
            batch.append(store.write(f"core/nodes/{n:06d}", NODE))
            batch.append(store.write(f"coordination.k8s.io/leases/kube-node-lease/{n:06d}", LEASE))
            batch.append(store.write(f"core/pods/default/{n:06d}", POD))
        await asyncio.gather(*batch)


async def load_seconds(directory: Path, nodes: int) -> float:
    store = sqlite_store(directory, facets_of)
    await fill(store, nodes)
    await store.close()
    start = time.perf_counter()
    store = sqlite_store(directory, facets_of)
    taken = time.perf_counter() - start
    await store.close()
    return taken


async def memory_per_entry(nodes: int) -> float:
    """Bytes an entry costs beside its value (all share one here), without the history, which is bounded."""
    gc.collect()
    tracemalloc.start()
    store = LocalStore(NoJournal(), facets_of, history_events=0)
    await fill(store, nodes)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    await store.close()
    return used / (3 * nodes)


async def best_of(times: int, call: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the quickest call."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - start)
    return min(taken)


async def fan_out(watches: int, writes: int) -> tuple[float, float]:
    """Microseconds of an event with that many watches of one node's pods each, and with as many on all pods."""
    taken = []
    for mine in (True, False):
        store = memory_store(facets_of)
        opened = [
            store.watch("core/pods/", term=f"f:spec.nodeName=node-{n:06d}" if mine else "") for n in range(watches)
        ]
        start = time.perf_counter()
        await asyncio.gather(*(store.write(f"core/pods/default/{n:06d}", POD) for n in range(writes)))
        taken.append((time.perf_counter() - start) / writes * 1e6)
        assert len(await opened[0].next()) == (1 if mine else writes)
        await store.close()
    return taken[0], taken[1]


async def measure(nodes: int, scratch: Path) -> dict[tuple[str, str], float]:
    """The figures by (name, unit)."""
    figures: dict[tuple[str, str], float] = {}
    for kind in ("memory", "sqlite"):
        for writers in (1, 1000):
            store = memory_store(facets_of) if kind == "memory" else sqlite_store(scratch / f"w{writers}", facets_of)
            figures[f"{kind}: writes, {writers} at once", "/s"] = await writes_per_second(store, writers, 1.5)
            await store.close()
    store = sqlite_store(scratch / "requests", facets_of)
    figures["sqlite: writes, 50 clients spread over 20 turns", "/s"] = await requests_per_second(store, 50, 20, 1.5)
    await store.close()
    figures[f"sqlite: load {3 * nodes} entries", "ms"] = 1e3 * await load_seconds(scratch / "load", nodes)

    store = memory_store(facets_of)
    await fill(store, 10_000)
    figures["range of 10,000", "ms"] = 1e3 * await best_of(5, lambda: store.range("core/pods/"))
    figures["range of 10,000 by label", "ms"] = 1e3 * await best_of(
        5, lambda: store.range("core/pods/", terms=["l:app=agent"])
    )
    figures["page of 500 in 10,000", "ms"] = 1e3 * await best_of(5, lambda: store.range("core/pods/", limit=500))
    figures["page of 500, 15,000 writes back", "ms"] = 1e3 * await best_of(
        5, lambda: store.range("core/pods/", limit=500, revision=store.revision - 15_000)
    )
    figures["pods of one node", "us"] = 1e6 * await best_of(
        5, lambda: store.range("core/pods/", terms=["f:spec.nodeName=node-005000"])
    )
    await store.close()
    (
        figures["event, 2,000 watches of a node each", "us"],
        figures["event, 2,000 watches of everything", "us"],
    ) = await fan_out(2000, 500)
    figures["memory an entry beside its value", "bytes"] = await memory_per_entry(nodes // 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="What the store costs")
    parser.add_argument(
        "--nodes", type=int, default=20_000, help="nodes, each with a lease and a pod, to load and weigh"
    )
    nodes = parser.parse_args().nodes
    with tempfile.TemporaryDirectory() as scratch:
        figures = asyncio.run(measure(nodes, Path(scratch)))
    for (name, unit), value in figures.items():
        tell(f"store, {name}", value, unit)


if __name__ == "__main__":
    main()
