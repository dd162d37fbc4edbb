"""What one more node costs does not depend on how many there are: counted, not timed.

A rolling update over a whole cluster in virtual time. What goes by the clock (leases, heartbeats, the DaemonSet's status at its
bounded rate) is left out; all the rest must be the same number for each node, whatever the size of the fleet.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from everynode.api.scheme import DAEMON_SETS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

# Both above the size up to which simulated nodes narrate every start and stop in events.
SMALL, LARGE = 120, 480
NAME, NAMESPACE = "agent", "default"
BY_THE_CLOCK = {"leases", "nodes", "daemonsets"}


class _Status(msgspec.Struct, rename="camel"):
    observed_generation: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class _Metadata(msgspec.Struct):
    generation: int = 0


class _DaemonSet(msgspec.Struct):
    metadata: _Metadata
    status: _Status


def manifest() -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v1"}]},
            },
        },
    }


async def rolled_out(client: Client, nodes: int) -> None:
    while True:
        ds = await client.get(DAEMON_SETS, NAME, NAMESPACE, view=_DaemonSet)
        counts = (ds.status.updated_number_scheduled, ds.status.number_available)
        if ds.status.observed_generation == ds.metadata.generation and counts == (nodes, nodes):
            return
        await asyncio.sleep(0.5)


def counters(cluster: Cluster) -> Counter[str]:
    """All that has been done so far, the clock's part left out."""
    found = Counter({"nodes examined": cluster.daemon_sets.examined})
    for (verb, plural, code), number in cluster.api.answered.items():
        if plural not in BY_THE_CLOCK:
            found[f"{verb} {plural} {code}"] += number
    return found


def traffic(cluster: Cluster) -> Counter[str]:
    """What has been written and sent so far, the clock's part left out of all but the commits."""
    api, found = cluster.api, Counter({"commits": cluster.api.written.commits})
    for what, counts in (
        ("writes", api.written.events),
        ("bytes written", api.written.value_bytes),
        ("events handed to watches", api.written.delivered),
    ):
        found[what] = sum(number for kind, number in counts.items() if kind.split("/")[1] not in BY_THE_CLOCK)
    found["events sent"] = sum(number for kind, number in api.sent.items() if kind.plural not in BY_THE_CLOCK)
    return found


async def cost_of_an_update(nodes: int) -> dict[str, float]:
    """What was done for each node of a fleet of this size while an update rolled over it."""
    clock, dice = LoopClock(), random.Random(1)
    async with Cluster(Config(store="memory", nodes=nodes), clock=clock, dice=dice) as cluster:
        await cluster.ready()
        client = cluster.client()
        await client.create(DAEMON_SETS, manifest(), NAMESPACE)
        await rolled_out(client, nodes)
        await asyncio.sleep(2)
        before = counters(cluster) + traffic(cluster)
        template = {"spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v2"}]}}
        await client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")
        await rolled_out(client, nodes)
        await asyncio.sleep(2)
        return {what: number / nodes for what, number in (counters(cluster) + traffic(cluster) - before).items()}


def test_an_update_costs_a_node_the_same_in_any_fleet() -> None:
    small, large = virtually(cost_of_an_update(SMALL)), virtually(cost_of_an_update(LARGE))
    grown = {what: (small.get(what, 0.0), cost) for what, cost in large.items() if cost > small.get(what, 0.0) + 0.05}
    assert not grown, "for each node, in the small fleet and in the large one"
    # A pod is marked, removed, made, bound and reported, and its binding told of: nothing is done twice.
    assert large["delete pods 200"] == 2
    assert large["create pods 201"] == 2
    assert large["patch pods 200"] == 1
    assert large["nodes examined"] < 6
    # Made, bound, reported, marked, removed; and the event that tells of the binding.
    assert large["writes"] == pytest.approx(6, abs=0.1)
    assert large["bytes written"] < 12_000
    # The five writes of pods go to five informers at most, the event to nobody.
    assert large["events handed to watches"] < 24
    assert large["events sent"] < 22
