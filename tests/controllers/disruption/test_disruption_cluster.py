"""A whole cluster in virtual time: however daemon pods are evicted, never are fewer left than their budget says."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from everynode.api.scheme import DAEMON_SETS, POD_DISRUPTION_BUDGETS, PODS
from everynode.api.status import ApiError
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client, Listing
from tests.virtual_time import LoopClock, virtually

NAMESPACE, NODES = "default", 20
LABELS = {"app": "agent"}


class Meta(msgspec.Struct, rename="camel"):
    name: str
    deletion_timestamp: str | None = None


class Condition(msgspec.Struct):
    type: str
    status: str


class Status(msgspec.Struct):
    conditions: list[Condition] = []


class Pod(msgspec.Struct):
    metadata: Meta
    status: Status

    @property
    def healthy(self) -> bool:
        ready = any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)
        return ready and self.metadata.deletion_timestamp is None


class Healthy:
    """How many pods are healthy, after every change of any of them, and the fewest that ever were."""

    def __init__(self, listed: Listing[Pod]) -> None:
        self.names = {pod.metadata.name for pod in listed.items if pod.healthy}
        self.fewest = len(self.names)
        self._since = listed.resource_version

    async def follow(self, client: Client) -> None:
        async for change in client.watch(PODS, NAMESPACE, since=self._since, view=Pod):
            pod = change.object
            if change.type != "DELETED" and pod.healthy:
                self.names.add(pod.metadata.name)
            else:
                self.names.discard(pod.metadata.name)
            self.fewest = min(self.fewest, len(self.names))


async def evict(client: Client, pod: str) -> bool:
    """Whether it was granted; a pod that is gone needs none."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    try:
        await client.create_sub(PODS, pod, "eviction", body, NAMESPACE)
    except ApiError as error:
        if error.code not in (404, 429):
            raise
        return error.code == 404
    return True


async def renewed(spec: dict[str, object]) -> int:
    """Evicts every pod of a DaemonSet as fast as its budget lets them go; the fewest that were healthy meanwhile."""
    config = Config(store="memory", nodes=NODES)
    async with Cluster(config, clock=LoopClock(), dice=random.Random(7)) as cluster:
        await cluster.ready()
        client = cluster.client()
        template = {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "a", "image": "registry.example/a"}]},
        }
        daemon_set = {
            "metadata": {"name": "agent"},
            "spec": {"selector": {"matchLabels": LABELS}, "template": template},
        }
        await client.create(DAEMON_SETS, daemon_set, NAMESPACE)
        budget = {"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": LABELS}, **spec}}
        await client.create(POD_DISRUPTION_BUDGETS, budget, NAMESPACE)
        await asyncio.sleep(30)
        healthy = Healthy(await client.list(PODS, NAMESPACE, view=Pod))
        assert healthy.fewest == NODES
        following = asyncio.create_task(healthy.follow(client))
        left = sorted(healthy.names)
        while left:
            granted = await asyncio.gather(*(evict(client, pod) for pod in left))
            left = [pod for pod, gone in zip(left, granted, strict=True) if not gone]
            await asyncio.sleep(0.05)
        await asyncio.sleep(10)
        following.cancel()
        assert len(healthy.names) == NODES
        return healthy.fewest


@pytest.mark.parametrize(
    ("spec", "least"),
    [
        ({"maxUnavailable": 1}, 19),
        ({"maxUnavailable": "25%"}, 15),
        ({"minAvailable": "90%"}, 18),
        ({"minAvailable": 12}, 12),
    ],
)
def test_no_more_daemon_pods_are_missing_than_the_budget_says(spec: dict[str, object], least: int) -> None:
    assert least <= virtually(renewed(spec)) < NODES
