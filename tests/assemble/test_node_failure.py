"""A whole cluster in virtual time whose nodes fail and come back as a simulation file says; three zones of ten nodes."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from everynode.api.scheme import DAEMON_SETS, EVENTS, NODES, PODS
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

NODE_COUNT, ZONES = 30, ("a", "b", "c")
# Longer than the grace, a beat, and the time in which a new rule is read.
UNTIL_UNKNOWN = 45.0

Json = dict[str, Any]


def zone_of(name: str) -> str:
    return ZONES[int(name.removeprefix("node-")) % len(ZONES)]


NAMES = [f"node-{number:05d}" for number in range(NODE_COUNT)]


def of_zone(zone: str) -> list[str]:
    return [name for name in NAMES if zone_of(name) == zone]


class Fleet:
    """The cluster as a test sees it."""

    def __init__(self, cluster: Cluster, rules: Path) -> None:
        self.cluster, self._rules = cluster, rules
        self.client: Client = cluster.client()

    def silence(self, *names: str) -> None:
        """From now on just these nodes are silent."""
        rule = f"rules: [{{match: {{node: [{', '.join(names)}]}}, silent: true}}]\n" if names else "rules: []\n"
        # Another length each time: files may be written faster than their time stamps tell.
        self._rules.write_text(rule + "#" * (len(self._rules.read_text()) + 1))

    async def node(self, name: str) -> Json:
        return await self.client.get(NODES, name, view=Json)

    async def nodes(self) -> dict[str, Json]:
        listing = await self.client.list(NODES, view=Json)
        return {node["metadata"]["name"]: node for node in listing.items}

    async def pods(self, name: str = "") -> list[Json]:
        fields = f"spec.nodeName={name}" if name else ""
        return (await self.client.list(PODS, view=Json, fields=fields)).items

    async def status(self) -> Json:
        found = await self.client.get(DAEMON_SETS, "agent", "default", view=Json)
        status: Json = found["status"]
        return status

    async def daemon_set(self, **strategy: Any) -> None:
        template = {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "agent", "image": "agent:v1"}]},
        }
        spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": template}
        spec["updateStrategy"] = {"rollingUpdate": strategy or {"maxUnavailable": 3}}
        body = {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "agent"}, "spec": spec}
        await self.client.create(DAEMON_SETS, body, "default")
        await asyncio.sleep(10)
        assert (await self.status())["numberAvailable"] == NODE_COUNT

    async def update(self, image: str) -> None:
        template = {"spec": {"containers": [{"name": "agent", "image": image}]}}
        await self.client.patch(DAEMON_SETS, "agent", {"spec": {"template": template}}, "default", kind="strategic")

    async def pod(self, name: str, node: str, **spec: Any) -> None:
        body = {"nodeName": node, "containers": [{"name": "c", "image": "c"}], **spec}
        await self.client.create(
            PODS, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": body}, "default"
        )


def run(tmp_path: Path, story: Callable[[Fleet], Coroutine[Any, Any, None]]) -> None:
    rules = tmp_path / "simulation.yaml"
    rules.write_text("rules: []\n")
    config = Config(store="memory", nodes=NODE_COUNT, simulation=rules)

    async def main() -> None:
        async with Cluster(config, clock=LoopClock(), dice=random.Random(1)) as cluster:
            await cluster.ready()
            fleet = Fleet(cluster, rules)
            for name in NAMES:
                labels = {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": zone_of(name)}
                await fleet.client.patch(NODES, name, {"metadata": {"labels": labels}})
            await asyncio.sleep(20)
            await story(fleet)

    virtually(main())


def ready(thing: Json) -> str:
    return next(each["status"] for each in thing["status"]["conditions"] if each["type"] == "Ready")


def evicting(node: Json) -> list[str]:
    return [
        taint["key"].rpartition("/")[2] for taint in node["spec"].get("taints", []) if taint["effect"] == "NoExecute"
    ]


def test_a_node_that_fails_and_comes_back(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set()
        await fleet.pod("ordinary", "node-00004")
        await asyncio.sleep(5)
        fleet.silence("node-00004")
        await asyncio.sleep(UNTIL_UNKNOWN)
        node = await fleet.node("node-00004")
        assert ready(node) == "Unknown"
        assert evicting(node) == ["unreachable"]
        assert {ready(pod) for pod in await fleet.pods("node-00004")} == {"False"}
        status = await fleet.status()
        # The taint unreachable:NoSchedule is not tolerated: a DaemonSet does not want a pod there, and lets the one stay.
        assert (status["numberAvailable"], status["desiredNumberScheduled"], status["numberMisscheduled"]) == (
            29,
            29,
            1,
        )
        await asyncio.sleep(310)
        daemon, ordinary = sorted(await fleet.pods("node-00004"), key=lambda pod: pod["metadata"]["name"])
        # What the node does not confirm is not gone.
        assert "deletionTimestamp" in ordinary["metadata"]
        assert "deletionTimestamp" not in daemon["metadata"]
        fleet.silence()
        await asyncio.sleep(5)
        node = await fleet.node("node-00004")
        assert (ready(node), node["spec"].get("taints", [])) == ("True", [])
        (pod,) = await fleet.pods("node-00004")
        assert pod["metadata"]["uid"] == daemon["metadata"]["uid"]
        assert ready(pod) == "True"
        assert (await fleet.status())["numberAvailable"] == 30

    run(tmp_path, story)


def test_a_rollout_counts_a_dead_node_and_finishes_when_it_is_back(tmp_path: Path) -> None:
    """maxUnavailable 3: one dead node leaves two; its own pod waits for it (kubernetes#117204)."""

    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set(maxUnavailable=3)
        fleet.silence("node-00007")
        await asyncio.sleep(UNTIL_UNKNOWN)
        fewest = NODE_COUNT
        await fleet.update("agent:v2")
        for _ in range(600):
            await asyncio.sleep(0.1)
            fewest = min(fewest, (await fleet.status())["numberAvailable"])
        assert fewest == NODE_COUNT - 3
        status = await fleet.status()
        assert (status["updatedNumberScheduled"], status["numberAvailable"]) == (29, 29)
        assert "deletionTimestamp" in (await fleet.pods("node-00007"))[0]["metadata"]
        fleet.silence()
        await asyncio.sleep(10)
        status = await fleet.status()
        assert (status["updatedNumberScheduled"], status["numberAvailable"]) == (30, 30)
        assert {pod["spec"]["containers"][0]["image"] for pod in await fleet.pods()} == {"agent:v2"}

    run(tmp_path, story)


def test_a_rollout_stands_still_while_dead_nodes_use_up_its_budget(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set(maxUnavailable=2)
        fleet.silence("node-00001", "node-00002")
        await asyncio.sleep(UNTIL_UNKNOWN)
        await fleet.update("agent:v2")
        await asyncio.sleep(300)
        images = Counter(pod["spec"]["containers"][0]["image"] for pod in await fleet.pods())
        assert images == {"agent:v1": 30}
        fleet.silence("node-00002")
        await asyncio.sleep(60)
        assert (await fleet.status())["updatedNumberScheduled"] == 29

    run(tmp_path, story)


def test_a_zone_that_is_mostly_gone_keeps_its_pods_and_the_others_are_not_touched(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        fleet.silence(*of_zone("b")[:6])
        await asyncio.sleep(600)
        nodes = await fleet.nodes()
        silent = [name for name in NAMES if ready(nodes[name]) == "Unknown"]
        assert silent == of_zone("b")[:6]
        # A few were tainted before it was clear how many had failed, at one in ten seconds.
        assert len([name for name in NAMES if evicting(nodes[name])]) <= 2
        fleet.silence(*of_zone("b")[:5])
        await asyncio.sleep(60)
        nodes = await fleet.nodes()
        assert [name for name in NAMES if evicting(nodes[name])] == of_zone("b")[:5]

    run(tmp_path, story)


def test_a_zone_that_is_gone_as_a_whole_loses_its_pods_in_turn(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        fleet.silence(*of_zone("c"))
        await asyncio.sleep(UNTIL_UNKNOWN)
        seen = []
        for _ in range(6):
            nodes = await fleet.nodes()
            seen.append(len([name for name in NAMES if evicting(nodes[name])]))
            await asyncio.sleep(20)
        assert seen == sorted(seen)
        assert seen[-1] == len(of_zone("c"))
        assert all(after - before <= 2 for before, after in itertools.pairwise(seen))

    run(tmp_path, story)


def test_when_all_is_lost_nobody_has_to_leave_and_all_recovers(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set()
        await fleet.pod("ordinary", "node-00004")
        fleet.silence(*NAMES)
        await asyncio.sleep(1000)
        nodes = await fleet.nodes()
        assert {ready(node) for node in nodes.values()} == {"Unknown"}
        assert not any(evicting(node) for node in nodes.values())
        assert (await fleet.status())["numberMisscheduled"] == 30
        fleet.silence()
        await asyncio.sleep(30)
        nodes = await fleet.nodes()
        assert {ready(node) for node in nodes.values()} == {"True"}
        assert not any(node["spec"].get("taints") for node in nodes.values())
        pods = await fleet.pods()
        assert len(pods) == 31
        assert {ready(pod) for pod in pods} == {"True"}
        assert not any("deletionTimestamp" in pod["metadata"] for pod in pods)

    run(tmp_path, story)


def test_a_node_that_is_deleted_and_made_again(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set()
        await fleet.pod("ordinary", "node-00004")
        kept = await fleet.node("node-00004")
        before = {pod["metadata"]["uid"] for pod in await fleet.pods("node-00004")}
        assert len(before) == 2
        await fleet.client.delete(NODES, "node-00004")
        await asyncio.sleep(60)
        # As with a kubelet: the machine does not register again by itself; its pods are collected.
        assert "node-00004" not in await fleet.nodes()
        assert await fleet.pods("node-00004") == []
        assert (await fleet.status())["desiredNumberScheduled"] == 29
        body = {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": "node-00004", "labels": kept["metadata"]["labels"]},
        }
        await fleet.client.create(NODES, body)
        await asyncio.sleep(10)
        node = await fleet.node("node-00004")
        assert (ready(node), node["spec"].get("taints", [])) == ("True", [])
        assert node["status"]["allocatable"] == kept["status"]["allocatable"]
        assert node["status"]["addresses"] == kept["status"]["addresses"]
        (pod,) = await fleet.pods("node-00004")
        assert pod["metadata"]["uid"] not in before
        assert ready(pod) == "True"
        assert (await fleet.status())["numberAvailable"] == 30
        await asyncio.sleep(100)
        assert ready(await fleet.node("node-00004")) == "True"

    run(tmp_path, story)


def test_a_user_s_noexecute_taint_takes_the_daemon_pod_and_nobody_fights(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set()
        taint = {"key": "maintenance", "value": "yes", "effect": "NoExecute"}
        await fleet.client.patch(NODES, "node-00004", {"spec": {"taints": [taint]}})
        await asyncio.sleep(10)
        assert await fleet.pods("node-00004") == []
        assert (await fleet.status())["desiredNumberScheduled"] == 29
        answered = Counter(fleet.cluster.api.answered)
        await asyncio.sleep(100)
        writes = Counter(fleet.cluster.api.answered) - answered
        assert not [key for key in writes if key[0] in ("create", "patch", "delete") and key[1] == "pods"]
        await fleet.client.patch(NODES, "node-00004", {"spec": {"taints": []}})
        await asyncio.sleep(10)
        assert (await fleet.status())["numberAvailable"] == 30

    run(tmp_path, story)


def test_in_a_quiet_cluster_nothing_is_written_but_heartbeats(tmp_path: Path) -> None:
    async def story(fleet: Fleet) -> None:
        await fleet.daemon_set()
        fleet.silence("node-00003", "node-00005")
        await asyncio.sleep(600)
        answered = Counter(fleet.cluster.api.answered)
        await asyncio.sleep(600)
        done = Counter(fleet.cluster.api.answered) - answered
        # Leases, and the status that each node reports every five minutes; no node, pod or event beside them.
        assert {(verb, plural) for verb, plural, _ in done if verb not in ("get", "list", "watch")} == {
            ("patch", "leases"),
            ("patch", "nodes"),
        }
        assert (
            sum(number for (verb, plural, _), number in done.items() if (verb, plural) == ("patch", "nodes")) <= 2 * 28
        )
        with_events = await fleet.client.list(EVENTS, view=Json)
        assert sum(event["reason"] == "NodeNotReady" and event["type"] == "Normal" for event in with_events.items) <= 2

    run(tmp_path, story)
