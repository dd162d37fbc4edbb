"""A DaemonSet that runs into a quota: it tells, waits without asking much, and goes on when there is room.

Whole clusters in virtual time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from everynode.api.scheme import CONFIG_MAPS, DAEMON_SETS, EVENTS, LIMIT_RANGES, PODS, RESOURCE_QUOTAS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

NS = "default"
AGENT = {"app": "agent"}


@asynccontextmanager
async def cluster(nodes: int) -> AsyncIterator[Cluster]:
    config = Config(store="memory", nodes=nodes)
    async with Cluster(config, clock=LoopClock(), dice=random.Random(1)) as made:
        await made.ready()
        yield made


def daemon_set(image: str = "agent:1", **rolling: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": AGENT}, "spec": {"containers": [{"name": "c", "image": image}]}}
    strategy = {"rollingUpdate": rolling or {"maxUnavailable": 2}}
    spec = {"selector": {"matchLabels": AGENT}, "updateStrategy": strategy, "template": template}
    return {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "agent"}, "spec": spec}


def quota(pods: int) -> dict[str, Any]:
    spec = {"hard": {"pods": str(pods)}}
    return {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec": spec}


async def raise_to(client: Client, pods: int) -> None:
    await client.patch(RESOURCE_QUOTAS, "q", {"spec": {"hard": {"pods": str(pods)}}}, NS)


async def status(client: Client) -> tuple[int, int, int]:
    """How many pods are wanted, are there, and are of the newest template."""
    ds: Any = await client.get(DAEMON_SETS, "agent", NS, view=dict[str, Any])
    told = ds["status"]
    counts = [told.get(f"{what}NumberScheduled", 0) for what in ("desired", "current", "updated")]
    return counts[0], counts[1], counts[2]


async def until(client: Client, wanted: tuple[int, int, int], seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while (told := await status(client)) != wanted:
        assert asyncio.get_running_loop().time() < deadline, told
        await asyncio.sleep(0.25)


async def failures(client: Client) -> set[str]:
    """What FailedCreate events say of why, without the names of the pods that were never made."""
    listing = await client.list(EVENTS, NS, view=dict[str, Any])
    said: list[str] = [each["message"] for each in listing.items if each["reason"] == "FailedCreate"]
    return {f"{message.split('agent-')[0]}…{message[message.index(' is forbidden') :]}" for message in said}


def refused(made: Cluster) -> int:
    return made.api.answered["create", "pods", 403]


def test_it_fills_the_quota_tells_why_it_stands_and_goes_on_when_the_quota_is_raised() -> None:
    async def main() -> None:
        async with cluster(100) as made:
            client = made.client()
            await client.create(RESOURCE_QUOTAS, quota(50), NS)
            await client.create(DAEMON_SETS, daemon_set(), NS)
            await until(client, (100, 50, 50), 30)
            await asyncio.sleep(60)
            assert await status(client) == (100, 50, 50)

            before = refused(made)
            await asyncio.sleep(600)
            assert refused(made) - before <= 10  # in ten minutes

            short = "exceeded quota: q, requested: pods=1, used: pods=50, limited: pods=50"
            # Of each kind of event of one object, the first 25 are told, and then one in five minutes.
            assert {why.partition(" is forbidden: ")[2] for why in await failures(client)} == {short}

            await raise_to(client, 70)
            await until(client, (100, 70, 70), 5)
            await client.delete(RESOURCE_QUOTAS, "q", NS)
            await until(client, (100, 100, 100), 5)

    virtually(main())


def test_it_takes_the_place_of_another_pod_that_goes() -> None:
    async def main() -> None:
        async with cluster(3) as made:
            client = made.client()
            other = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "other"}}
            await client.create(PODS, {**other, "spec": {"containers": [{"name": "c", "image": "x"}]}}, NS)
            await client.create(RESOURCE_QUOTAS, quota(3), NS)
            await client.create(DAEMON_SETS, daemon_set(), NS)
            await until(client, (3, 2, 2), 10)
            await asyncio.sleep(600)  # by now it tries every few minutes
            await client.delete(PODS, "other", NS)
            await until(client, (3, 3, 3), 5)

    virtually(main())


def test_where_pods_come_and_go_it_does_not_try_all_the_time() -> None:
    async def main() -> None:
        async with cluster(3) as made:
            client = made.client()
            await client.create(RESOURCE_QUOTAS, {**quota(0), "spec": {"hard": {"pods": "0", "configmaps": "9"}}}, NS)
            await client.create(DAEMON_SETS, daemon_set(), NS)
            await asyncio.sleep(60)
            before = refused(made)
            for number in range(600):
                body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": f"c{number}"}}
                await client.create(CONFIG_MAPS, body, NS)
                await asyncio.sleep(0.05)
                await client.delete(CONFIG_MAPS, f"c{number}", NS)
                await asyncio.sleep(0.05)
            assert 10 < refused(made) - before <= 75  # in a minute

    virtually(main())


def test_an_update_passes_under_a_quota_of_just_its_pods_and_one_with_surge_waits_for_room() -> None:
    async def main() -> None:
        async with cluster(10) as made:
            client, worst = made.client(), [0]
            await client.create(RESOURCE_QUOTAS, quota(10), NS)
            await client.create(DAEMON_SETS, daemon_set(), NS)
            await until(client, (10, 10, 10), 10)
            watching = asyncio.create_task(_watch(client, worst.append))
            await client.update(DAEMON_SETS, "agent", daemon_set("agent:2"), NS)
            await until(client, (10, 10, 10), 60)
            assert max(worst) <= 2
            surging = daemon_set("agent:3", maxSurge=1, maxUnavailable=0)
            await client.update(DAEMON_SETS, "agent", surging, NS)
            await asyncio.sleep(120)
            assert await status(client) == (10, 10, 0)
            await raise_to(client, 11)
            await until(client, (10, 10, 10), 120)
            assert max(worst) <= 2
            watching.cancel()

    virtually(main())


def test_a_limit_range_keeps_its_pods_out_until_it_changes() -> None:
    async def main() -> None:
        async with cluster(3) as made:
            client = made.client()
            item = {"type": "Pod", "min": {"cpu": "1"}}
            limits = {"kind": "LimitRange", "apiVersion": "v1", "metadata": {"name": "l"}, "spec": {"limits": [item]}}
            await client.create(LIMIT_RANGES, limits, NS)
            await client.create(DAEMON_SETS, daemon_set(), NS)
            await asyncio.sleep(5)
            assert await status(client) == (3, 0, 0)
            why = "minimum cpu usage per Pod is 1.  No request is specified"
            assert f'Error creating: pods "… is forbidden: {why}' in await failures(client)
            await client.patch(LIMIT_RANGES, "l", {"spec": {"limits": []}}, NS)
            await until(client, (3, 3, 3), 30)

    virtually(main())


async def _watch(client: Client, tell: Callable[[int], None]) -> None:
    while True:
        ds: Any = await client.get(DAEMON_SETS, "agent", NS, view=dict[str, Any])
        tell(ds["status"].get("numberUnavailable", 0))
        await asyncio.sleep(0.05)
