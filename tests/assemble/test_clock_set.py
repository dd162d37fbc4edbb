"""The machine's clock is set while a rollout waits, back or forward by hours: everything goes on by the time that passes."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from everynode.api.scheme import DAEMON_SETS, EVENTS
from everynode.api.views import Identity, View
from everynode.apiserver.expiry import LIFE_SECONDS, NAP_SECONDS
from everynode.assemble import pki
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.assemble.test_flat import NAME, NAMESPACE, manifest, rolled_out
from tests.virtual_time import LoopClock, virtually

NODES, MIN_READY = 4, 30
# For a node's change: ending the old pod, making the new one, and telling the status.
SLACK = 2.5
HOUR = 3600.0
RULES = "rules:\n- startSeconds: 1\n  readySeconds: 0.5\n"


class Settable(LoopClock):
    """Wall time that somebody may set."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class _Event(View):
    metadata: Identity


async def update(client: Client) -> None:
    template = {"spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v2"}]}}
    await client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")


async def seconds_of_an_update(rules: Path, by: float) -> float:
    """How long an update takes that goes from node to node, when the clock is set again and again."""
    clock = Settable()
    config = Config(store="memory", nodes=NODES, simulation=rules)
    async with Cluster(config, clock=clock, dice=random.Random(1)) as cluster:
        await cluster.ready()
        client = cluster.client()
        daemon_set = manifest()
        daemon_set["spec"] |= {
            "minReadySeconds": MIN_READY,
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}},
        }
        await client.create(DAEMON_SETS, daemon_set, NAMESPACE)
        await rolled_out(client, NODES)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await update(client)
        async with asyncio.timeout(10 * HOUR):
            rolling = asyncio.ensure_future(rolled_out(client, NODES))
            while not rolling.done():
                await asyncio.wait([rolling], timeout=10.7)
                clock.ahead += by
        return loop.time() - started


@pytest.mark.parametrize("by", [-HOUR, HOUR, -20.0, 20.0, -400 * 24 * HOUR])
def test_an_update_takes_as_long_as_it_takes(tmp_path: Path, by: float) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    took = virtually(seconds_of_an_update(rules, by))
    assert NODES * MIN_READY <= took <= NODES * (MIN_READY + SLACK)


@pytest.mark.parametrize("by", [-5 * HOUR, 5 * HOUR])
def test_events_live_their_hour_and_no_longer(by: float) -> None:
    async def scenario() -> None:
        clock = Settable()
        async with Cluster(Config(store="memory", nodes=2), clock=clock, dice=random.Random(1)) as cluster:
            await cluster.ready()
            client = cluster.client()
            await client.create(DAEMON_SETS, manifest(), NAMESPACE)
            await rolled_out(client, 2)
            await asyncio.sleep(1)
            told = await client.list(EVENTS, NAMESPACE, view=_Event)
            assert len(told.items) > 4
            clock.ahead += by
            await asyncio.sleep(LIFE_SECONDS / 2)
            assert len((await client.list(EVENTS, NAMESPACE, view=_Event)).items) == len(told.items)
            await asyncio.sleep(LIFE_SECONDS / 2 + NAP_SECONDS)
            assert not (await client.list(EVENTS, NAMESPACE, view=_Event)).items

    virtually(scenario())


def test_certificates_of_the_future_are_issued_anew(tmp_path: Path) -> None:
    """A machine that first starts before its clock is right makes certificates that nobody else would take yet."""
    ahead, right = 1_800_000_000.0 + 30 * 24 * HOUR, 1_800_000_000.0
    made = pki.ensure(tmp_path, (), ahead).ca.read_bytes()
    again = pki.ensure(tmp_path, (), right).ca.read_bytes()
    assert made != again
    assert pki.ensure(tmp_path, (), right + 1).ca.read_bytes() == again
    assert pki.ensure(tmp_path, (), right - pki.BACKDATE_SECONDS).ca.read_bytes() == again
