"""Nodes whose clocks are wrong, and minReadySeconds: a whole cluster in virtual time, where 30 seconds cost nothing.

Kubernetes counts from the time that the node wrote. Then pods of a node that is behind are available at once, before they have
proved anything, and those of a node that is ahead hold the update up until the controller's clock has caught up.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from everynode.api.scheme import DAEMON_SETS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from tests.assemble.test_flat import NAME, NAMESPACE, manifest, rolled_out
from tests.virtual_time import LoopClock, virtually

NODES, MIN_READY = 4, 30
# For a node's change: ending the old pod, making the new one, and telling the status.
SLACK = 2.0


async def seconds_of_an_update(rules: Path) -> float:
    """How long an update takes that goes from node to node."""
    config = Config(store="memory", nodes=NODES, simulation=rules)
    async with Cluster(config, clock=LoopClock(), dice=random.Random(1)) as cluster:
        await cluster.ready()
        client = cluster.client()
        daemon_set = manifest()
        daemon_set["spec"] |= {
            "minReadySeconds": MIN_READY,
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}},
        }
        await client.create(DAEMON_SETS, daemon_set, NAMESPACE)
        await rolled_out(client, NODES)
        started = asyncio.get_running_loop().time()
        template = {"spec": {"containers": [{"name": NAME, "image": "registry.example/agent:v2"}]}}
        await client.patch(DAEMON_SETS, NAME, {"spec": {"template": template}}, NAMESPACE, kind="strategic")
        await rolled_out(client, NODES)
        return asyncio.get_running_loop().time() - started


@pytest.mark.parametrize("offsets", [[300], [-300], [300, -300, 3600, -86_400]])
def test_an_update_takes_as_long_as_with_clocks_that_are_right(tmp_path: Path, offsets: list[int]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n"
        + "".join(
            f"- match: {{node: node-{number:05d}}}\n  clockOffsetSeconds: {offset}\n"
            for number, offset in enumerate(offsets)
        )
    )
    took = virtually(seconds_of_an_update(rules))
    assert NODES * MIN_READY <= took <= NODES * (MIN_READY + SLACK)
