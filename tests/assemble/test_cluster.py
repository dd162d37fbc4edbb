"""A whole cluster in this process: what it has from the start, what outlasts it, and that it falls with its parts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from everynode.api.scheme import CONFIG_MAPS, NAMESPACES, NODES, PRIORITY_CLASSES, SERVICE_ACCOUNTS, SERVICES
from everynode.assemble.cluster import CannotStart, Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client

FIRST = ["default", "kube-node-lease", "kube-public", "kube-system"]
DEADLINE = 20.0


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Named(msgspec.Struct):
    metadata: _Metadata


async def versions(client: Client) -> dict[str, str]:
    """What stands in the cluster from the start, and the version of each."""
    found = {}
    for resource in (NAMESPACES, SERVICES, PRIORITY_CLASSES, SERVICE_ACCOUNTS, CONFIG_MAPS):
        for one in (await client.list(resource, view=_Named)).items:
            found[f"{resource.plural}/{one.metadata.namespace}/{one.metadata.name}"] = one.metadata.resource_version
    return found


async def test_what_every_cluster_has() -> None:
    async with Cluster(Config(store="memory", nodes=2)) as cluster:
        await asyncio.wait_for(cluster.ready(), DEADLINE)
        client = cluster.client()
        found = set(await versions(client))
        nodes = [one.metadata.name for one in (await client.list(NODES, view=_Named)).items]
    assert found == {
        *(f"namespaces//{name}" for name in FIRST),
        *(f"serviceaccounts/{name}/default" for name in FIRST),
        *(f"configmaps/{name}/kube-root-ca.crt" for name in FIRST),
        "services/default/kubernetes",
        "priorityclasses//system-cluster-critical",
        "priorityclasses//system-node-critical",
    }
    assert nodes == ["node-00000", "node-00001"]


async def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path / "data", nodes=1)
    async with Cluster(config) as cluster:
        await asyncio.wait_for(cluster.ready(), DEADLINE)
        before = await versions(cluster.client())
    async with Cluster(config) as cluster:
        await asyncio.wait_for(cluster.ready(), DEADLINE)
        assert await versions(cluster.client()) == before


async def test_a_part_that_fails_is_the_clusters_failure() -> None:
    async def fail() -> None:
        raise ValueError("boom")

    async with Cluster(Config(store="memory", nodes=0)) as cluster:
        cluster._tasks.start("a part", fail())
        failure = await asyncio.wait_for(cluster.failure(), DEADLINE)
    assert str(failure) == "a part failed: ValueError: boom"


async def test_one_cluster_in_a_data_dir(tmp_path: Path) -> None:
    async with Cluster(Config(store="memory", data_dir=tmp_path, nodes=0)):
        for store in ("memory", "sqlite"):
            with pytest.raises(CannotStart, match="is in use"):
                async with Cluster(Config(store=store, data_dir=tmp_path, nodes=0)):
                    pass
    async with Cluster(Config(data_dir=tmp_path, nodes=0)):
        pass
