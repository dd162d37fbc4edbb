"""What one more object costs to delete does not depend on how many go with it: counted, not timed.

One cluster in virtual time goes through it all: a DaemonSet lets its pods go, another takes them over, both ways of going with
them, a whole collection of pods, and a namespace that is full. What goes by the clock is left out, as in `test_flat`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from everynode.api.scheme import CONFIG_MAPS, DAEMON_SETS, NAMESPACES, PODS
from everynode.api.status import ApiError
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.assemble.test_flat import NAME, NAMESPACE, SMALL, counters, manifest, rolled_out
from tests.virtual_time import LoopClock, virtually

# More than a page of a collection, and more than one plan of a DaemonSet.
LARGE = 520
ELSEWHERE = "elsewhere"
# Loop seconds after which nothing is under way any more.
REST = 60.0


class Story:
    """A cluster, and what was done in it at each step for each of its nodes."""

    def __init__(self, cluster: Cluster, nodes: int) -> None:
        self.cluster, self.nodes = cluster, nodes
        self.client: Client = cluster.client()
        self.costs: dict[str, Counter[str]] = {}
        self._before = counters(cluster)

    async def rest(self, step: str = "") -> None:
        """Lets everything settle; what was done since the last time is what `step` cost."""
        await asyncio.sleep(REST)
        done = counters(self.cluster)
        if step:
            self.costs[step] = done - self._before
        self._before = done

    async def rolled_out(self) -> None:
        await self.client.create(DAEMON_SETS, manifest(), NAMESPACE)
        await rolled_out(self.client, self.nodes)

    async def without(self, policy: str) -> None:
        await self.client.delete(DAEMON_SETS, NAME, NAMESPACE, propagation_policy=policy)


async def told(nodes: int) -> dict[str, Counter[str]]:
    async with Cluster(Config(store="memory", nodes=nodes), clock=LoopClock(), dice=random.Random(1)) as cluster:
        await cluster.ready()
        story = Story(cluster, nodes)
        await story.rolled_out()
        await story.rest()
        await story.without("Orphan")
        await story.rest("orphan")
        await story.rolled_out()
        await story.rest("adopt")
        await story.without("Background")
        await story.rest("background")
        await story.rolled_out()
        await story.rest()
        await story.without("Foreground")
        await story.rest("foreground")
        await story.rolled_out()
        await story.without("Orphan")
        await story.rest()
        await story.client.delete_collection(PODS, NAMESPACE)
        await story.rest("collection")
        await story.client.create(NAMESPACES, {"metadata": {"name": ELSEWHERE}})
        await asyncio.sleep(1)
        await story.client.create(DAEMON_SETS, manifest(), ELSEWHERE)
        for number in range(nodes):
            await story.client.create(CONFIG_MAPS, {"metadata": {"name": f"c{number}"}}, ELSEWHERE)
        await story.rest()
        await story.client.delete(NAMESPACES, ELSEWHERE)
        await story.rest("namespace")
        with pytest.raises(ApiError, match="not found"):
            await story.client.get(NAMESPACES, ELSEWHERE, view=dict)
        return story.costs


def test_a_deletion_costs_an_object_the_same_however_many_go() -> None:
    small, large = virtually(told(SMALL)), virtually(told(LARGE))
    grown = {
        (step, what): (small[step][what] / SMALL, number / LARGE)
        for step, costs in large.items()
        for what, number in costs.items()
        if number / LARGE > small[step][what] / SMALL + 0.05
    }
    assert not grown, "for each node, in the small fleet and in the large one"
    writes = {step: {what: round(number / LARGE) for what, number in costs.items()} for step, costs in large.items()}
    # An adoption or a release is one write; a pod is marked and then ended by its node, whoever began it.
    assert {step: {what: number for what, number in each.items() if number} for step, each in writes.items()} == {
        "orphan": {"patch pods 200": 1},
        "adopt": {"patch pods 200": 1, "nodes examined": 1},
        "background": {"delete pods 200": 2},
        "foreground": {"delete pods 200": 2},
        "collection": {"delete pods 200": 1},
        "namespace": {"delete pods 200": 1},
    }
