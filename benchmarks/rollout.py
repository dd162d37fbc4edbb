"""What a rolling update costs: CPU a node on SQLite, and how many nodes the planner looks at for each node it updates.

    python -m benchmarks.rollout [NODES …]

The whole cluster runs in this process, without a socket; the DaemonSet's pods start at once.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.figures import tell
from everynode.api.scheme import DAEMON_SETS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.base import collector
from everynode.client.client import Client

# Both above the size up to which simulated nodes narrate every start and stop in events.
SIZES = (200, 1000)
NAME, NAMESPACE = "agent", "default"
# Nobody waits longer for a rollout of these sizes; a bench that does has found a fault.
LONGEST_SECONDS = 300.0


class _Status(msgspec.Struct, rename="camel"):
    observed_generation: int = 0
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class _Metadata(msgspec.Struct, rename="camel"):
    generation: int = 0
    resource_version: str = ""


class _DaemonSet(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status = msgspec.field(default_factory=_Status)


def manifest(max_unavailable: str) -> dict[str, Any]:
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


def is_rolled_out(ds: _DaemonSet, nodes: int) -> bool:
    """Whether every node has an available pod of the newest template."""
    status = ds.status
    counts = (status.desired_number_scheduled, status.updated_number_scheduled, status.number_available)
    return status.observed_generation == ds.metadata.generation > 0 and counts == (nodes, nodes, nodes)


async def rolled_out(client: Client, nodes: int) -> None:
    """Waits for it."""
    ds = await client.get(DAEMON_SETS, NAME, NAMESPACE, view=_DaemonSet)
    since = ds.metadata.resource_version
    async with asyncio.timeout(LONGEST_SECONDS):
        while not is_rolled_out(ds, nodes):
            async with aclosing(client.watch(DAEMON_SETS, NAMESPACE, since=since, view=_DaemonSet)) as changes:
                async for change in changes:
                    ds = change.object
                    since = ds.metadata.resource_version
                    if is_rolled_out(ds, nodes):
                        break


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(nodes: int) -> float:
    """Rolls one update over `nodes` nodes; the milliseconds of CPU a node."""
    with tempfile.TemporaryDirectory() as scratch:
        async with Cluster(Config(data_dir=Path(scratch) / "data", nodes=nodes)) as cluster:
            await cluster.ready()
            client = cluster.client()
            await client.create(DAEMON_SETS, manifest("10%"), NAMESPACE)
            await rolled_out(client, nodes)
            # The last heartbeats and events of the start are not the update's.
            await asyncio.sleep(2)
            examined, syncs = cluster.daemon_sets.examined, cluster.daemon_sets.syncs
            began, burnt = time.perf_counter(), cpu()
            patch = {
                "spec": {"template": {"spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v2"}]}}}
            }
            await client.patch(DAEMON_SETS, NAME, patch, NAMESPACE, kind="strategic")
            await rolled_out(client, nodes)
            milliseconds = (cpu() - burnt) / nodes * 1000
            what = f"rolling update, {nodes} nodes, maxUnavailable 10%, SQLite"
            tell(f"{what}: CPU a node", milliseconds, "ms", 3.0 if nodes == 1000 else None)
            tell(f"{what}: wall", time.perf_counter() - began, "s")
            tell(f"{what}: nodes examined a node updated", (cluster.daemon_sets.examined - examined) / nodes, "nodes")
            tell(f"{what}: syncs a node updated", (cluster.daemon_sets.syncs - syncs) / nodes, "syncs")
            return milliseconds


async def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    collector.tune()  # as `everynode up` does
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    costs = [await measure(nodes) for nodes in sizes]
    if len(costs) > 1:
        name = f"CPU a node, {sizes[-1]} against {sizes[0]} nodes"
        tell(name, costs[-1] / costs[0], "ratio", 1.25)


if __name__ == "__main__":
    uvloop.run(main())
