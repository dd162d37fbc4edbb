"""A disk that is full for ten minutes in the middle of a rollout: a whole cluster in virtual time.

Everybody goes on trying, quietly and not too often; nobody is declared dead, nothing is done twice; and when there is room
again the rollout goes on within seconds, whatever was refused last and however often.
"""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from everynode.api.scheme import DAEMON_SETS, NODES, PODS
from everynode.apiserver.facets import facets
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from tests.assemble.test_flat import NAME, NAMESPACE, manifest, rolled_out
from tests.store.filling import Filling
from tests.virtual_time import LoopClock, virtually

FLEET = 150
MINUTES = 10
# Seconds in which work goes on after there is room: the longest wait of what was refused, and a look for room.
GOES_ON = 15.0


class _Status(msgspec.Struct, rename="camel"):
    updated_number_scheduled: int = 0


class _DaemonSet(msgspec.Struct):
    status: _Status


class _Condition(msgspec.Struct):
    type: str
    status: str


class _NodeStatus(msgspec.Struct):
    conditions: list[_Condition]


class _Node(msgspec.Struct):
    status: _NodeStatus


async def updated(client: Client) -> int:
    return (await client.get(DAEMON_SETS, NAME, NAMESPACE, view=_DaemonSet)).status.updated_number_scheduled


async def silent(client: Client) -> int:
    """Nodes that are not Ready."""
    nodes = (await client.list(NODES, view=_Node)).items
    return sum(
        not any(one.type == "Ready" and one.status == "True" for one in node.status.conditions) for node in nodes
    )


def refusals(cluster: Cluster) -> int:
    return sum(number for (*_, code), number in cluster.api.answered.items() if code == 503)


async def scenario(medium: Filling, rules: Path, log: pytest.LogCaptureFixture) -> None:
    config = Config(store="memory", nodes=FLEET, simulation=rules)
    async with Cluster(config, clock=LoopClock(), dice=random.Random(1)) as cluster:
        await cluster.ready()
        client = cluster.client()
        await client.create(DAEMON_SETS, manifest(), NAMESPACE)
        await rolled_out(client, FLEET)
        template: dict[str, Any] = {"spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v2"}]}}
        await client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")
        await asyncio.sleep(5)
        begun = await updated(client)
        assert 0 < begun < FLEET

        log.clear()
        medium.full = True
        await asyncio.sleep(60 * MINUTES)
        told = [record for record in log.records if record.levelno >= logging.INFO]
        assert len(told) < 3 * MINUTES, [record.getMessage() for record in told]
        # Leases ask once in their period, and each pod in motion once in its longest delay.
        assert refusals(cluster) < 60 * MINUTES * FLEET / 5
        stuck = await updated(client)
        assert stuck < FLEET
        assert await silent(client) == 0

        medium.full = False
        await asyncio.sleep(GOES_ON)
        assert await updated(client) > stuck
        async with asyncio.timeout(120):
            await rolled_out(client, FLEET)
        await asyncio.sleep(60)
        assert await silent(client) == 0
        assert len((await client.list(PODS, NAMESPACE, view=_Node)).items) == FLEET


def test_ten_minutes_without_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    medium = Filling(NoJournal())
    monkeypatch.setattr("everynode.assemble.cluster.open_store", lambda *_: LocalStore(medium, facets))
    caplog.set_level(logging.INFO)
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n- readySeconds: 2\n")
    virtually(scenario(medium, rules, caplog))
