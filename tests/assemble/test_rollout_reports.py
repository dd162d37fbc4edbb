"""A DaemonSet tells of its rollout itself, in conditions and events: the whole control plane in virtual time."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec

from everynode.api.scheme import DAEMON_SETS, EVENTS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

NAME, NAMESPACE = "agent", "default"
RULES = 'rules:\n- match: {image: "*:missing"}\n  imagePullBackOff: true\n- readySeconds: 2\n'


def manifest() -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v1"}]},
            },
        },
    }


class Watched:
    """The DaemonSet over the API."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def roll(self, tag: str) -> None:
        template = {"spec": {"containers": [{"name": NAME, "image": f"registry.example/agent:{tag}"}]}}
        await self.client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")

    async def conditions(self) -> dict[str, tuple[str, str]]:
        ds = await self.client.get(DAEMON_SETS, NAME, NAMESPACE, view=dict[str, Any])
        return {one["type"]: (one["status"], one["reason"]) for one in ds["status"]["conditions"]}

    async def version(self) -> str:
        ds = await self.client.get(DAEMON_SETS, NAME, NAMESPACE, view=dict[str, Any])
        version: str = ds["metadata"]["resourceVersion"]
        return version

    async def told(self) -> list[str]:
        """The reasons of its events that tell of the rollout."""
        events = await self.client.list(EVENTS, NAMESPACE, view=msgspec.Raw)
        ours = [msgspec.json.decode(one) for one in events.items]
        ours = [one for one in ours if one["involvedObject"]["kind"] == "DaemonSet"]
        ours.sort(key=lambda one: one["metadata"]["resourceVersion"].zfill(12))
        return [one["reason"] for one in ours if one["reason"] not in ("SuccessfulCreate", "SuccessfulDelete")]


async def rolled_out(cluster: Cluster) -> Watched:
    await cluster.ready()
    ds = Watched(cluster.client())
    await ds.client.create(DAEMON_SETS, manifest(), NAMESPACE)
    await asyncio.sleep(20)
    return ds


def test_a_rollout_that_breaks_and_is_mended_is_told_from_its_start_to_its_end(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)

    async def story() -> None:
        config = Config(store="memory", nodes=3, simulation=rules)
        async with Cluster(config, clock=LoopClock(), dice=random.Random(1)) as cluster:
            ds = await rolled_out(cluster)
            done = {
                "Available": ("True", "MinimumPodsAvailable"),
                "Progressing": ("True", "RolloutComplete"),
                "Degraded": ("False", "AsExpected"),
            }
            assert await ds.conditions() == done
            assert await ds.told() == ["RolloutStarted", "RolloutCompleted"]

            await ds.roll("missing")
            await asyncio.sleep(1.5)
            assert (await ds.conditions())["Progressing"] == ("True", "RolloutProgressing")
            await asyncio.sleep(20)
            assert await ds.conditions() == {
                "Available": ("True", "MinimumPodsAvailable"),
                "Progressing": ("False", "ImagePullBackOff"),
                "Degraded": ("True", "ImagePullBackOff"),
            }
            assert (await ds.told())[2:] == ["RolloutStarted", "BudgetUsedUp", "ImagePullBackOff"]

            # Nothing is written while nothing changes.
            before = await ds.version()
            await asyncio.sleep(900)
            assert await ds.version() == before
            told = {(one.metric, one.labels.get("cause")): one.value for one in cluster.daemon_sets.samples()}
            assert told["everynode_daemonset_available_nodes", None] == 2
            assert told["everynode_daemonset_budget_used_nodes", None] == 1
            assert 880 < told["everynode_daemonset_blocked_seconds_total", "ImagePullBackOff"] < 920

            await ds.roll("v2")
            await asyncio.sleep(20)
            assert await ds.conditions() == done
            assert sorted((await ds.told())[5:]) == ["RolloutCompleted", "RolloutStarted", "RolloutSuperseded"]

    virtually(story())


def test_conditions_of_others_stay() -> None:
    async def story() -> None:
        async with Cluster(Config(store="memory", nodes=2), clock=LoopClock(), dice=random.Random(1)) as cluster:
            ds = await rolled_out(cluster)
            foreign = {"type": "example.com/Audited", "status": "True", "reason": "Fine"}
            change = {"status": {"conditions": [foreign]}}
            await ds.client.patch(DAEMON_SETS, NAME, change, NAMESPACE, kind="strategic", subresource="status")
            await ds.roll("v2")
            await asyncio.sleep(20)
            assert (await ds.conditions())["example.com/Audited"] == ("True", "Fine")
            assert (await ds.conditions())["Progressing"] == ("True", "RolloutComplete")

    virtually(story())
