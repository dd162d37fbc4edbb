"""A DaemonSet that matters more than what fills its nodes: it makes room everywhere, no more than it takes, and then rests."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from everynode.api.scheme import DAEMON_SETS, PODS, PRIORITY_CLASSES
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

NODES, FILLING = 30, 4
# Nobody ends at once: victims take a good part of their grace period.
SLOW = "rules:\n- match: {image: filling}\n  stopSeconds: 20\n"


def filling(number: int, node: int) -> dict[str, Any]:
    container = {"name": "c", "image": "filling", "resources": {"requests": {"cpu": "1"}}}
    spec = {"nodeName": f"node-{node:05}", "containers": [container]}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": f"filling-{node}-{number}"}, "spec": spec}


def agents(surge: bool) -> dict[str, Any]:
    container = {"name": "agent", "image": "agent:v1", "resources": {"requests": {"cpu": "1500m"}}}
    rolling = {"maxSurge": "20%", "maxUnavailable": 0} if surge else {"maxUnavailable": "20%"}
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": {"rollingUpdate": rolling},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"priorityClassName": "important", "containers": [container]},
            },
        },
    }


async def on_each_node(client: Client) -> Counter[tuple[str, str]]:
    """How many pods of which image are on which node; nobody waits and nobody is leaving."""
    listing = await client.list(PODS, "default", view=dict[str, Any])
    assert not [pod for pod in listing.items if "deletionTimestamp" in pod["metadata"]]
    assert not [pod for pod in listing.items if "nominatedNodeName" in pod["status"]]
    return Counter((pod["spec"]["nodeName"], pod["spec"]["containers"][0]["image"]) for pod in listing.items)


async def everywhere(client: Client, left: int, image: str) -> None:
    found = await on_each_node(client)
    names = [f"node-{node:05}" for node in range(NODES)]
    assert found == Counter({(name, image): 1 for name in names} | {(name, "filling"): left for name in names})


@pytest.mark.parametrize("surge", [False, True])
def test_a_daemon_set_makes_room_on_every_node_and_no_more_than_it_takes(tmp_path: Path, surge: bool) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(SLOW)

    async def main() -> None:
        clock, dice = LoopClock(), random.Random(1)
        config = Config(store="memory", nodes=NODES, simulation=rules)
        async with Cluster(config, clock=clock, dice=dice) as cluster:
            await cluster.ready()
            client = cluster.client()
            for node in range(NODES):
                for number in range(FILLING):
                    await client.create(PODS, filling(number, node), "default")
            important = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "value": 1000}
            await client.create(PRIORITY_CLASSES, important | {"metadata": {"name": "important"}})
            await client.create(DAEMON_SETS, agents(surge), "default")
            await asyncio.sleep(60)
            await everywhere(client, FILLING - 2, "agent:v1")
            template = {"spec": {"containers": [{"name": "agent", "image": "agent:v2"}]}}
            await client.patch(DAEMON_SETS, "agent", {"spec": {"template": template}}, "default", kind="strategic")
            await asyncio.sleep(300)
            # In their own place the new pods fit; beside the old ones more has to go, but only as much as two together take.
            await everywhere(client, FILLING - 3 if surge else FILLING - 2, "agent:v2")
            before = dict(cluster.api.answered)
            await asyncio.sleep(400)
            moved = {what for what, number in cluster.api.answered.items() if number != before.get(what, 0)}
            assert not [what for what in moved if what[1] in ("pods", "daemonsets", "events")]

    virtually(main())
