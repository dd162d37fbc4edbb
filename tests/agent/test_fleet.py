"""The fleet over a real API server: nodes, leases, pods, restarts, rules and silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from everynode.agent import rules
from everynode.agent.fleet import SimulatedFleet
from everynode.agent.node import MOST_NODES, Round, SimulatedNode, lease_duration, node_name, report_period
from everynode.agent.rulebook import RuleBook
from everynode.api.scheme import EVENTS, LEASES, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, Resource
from everynode.api.status import ApiError
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.base.clock import SystemClock
from everynode.base.ids import Ids
from everynode.client.client import Client
from everynode.reconcile.recorder import Recorder
from everynode.store.contract import Store
from everynode.store.memory import memory_store
from everynode.values import timestamps
from everynode.wire.message import Peer

DEADLINE = 20.0


class LaterClock(SystemClock):
    """A clock that may be moved on."""

    later = 0.0

    def now(self) -> float:
        return super().now() + self.later


class World:
    """An API without controllers, and fleets that come and go."""

    def __init__(self, store: Store) -> None:
        self.clock = LaterClock()
        self.api = ApiServer(store, clock=SystemClock(), ids=Ids())
        self.client = Client(self.api, peer=Peer("tester", ("system:masters",)))

    async def set_up(self) -> None:
        for name in ("default", "kube-node-lease"):
            await self.create(NAMESPACES, "", {"metadata": {"name": name}})
        await self.create(SERVICE_ACCOUNTS, "default", {"metadata": {"name": "default"}})

    async def create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> None:
        whole = {"kind": resource.kind, "apiVersion": resource.api_version, **body}
        await self.client.create(resource, whole, namespace)

    async def pod(self, name: str, node: str = "node-00000", image: str = "app:v1", **container: Any) -> None:
        spec = {"nodeName": node, "containers": [{"name": "app", "image": image, **container}]}
        await self.create(PODS, "default", {"metadata": {"name": name}, "spec": spec})

    async def get(self, resource: Resource, name: str, namespace: str = "default") -> dict[str, Any]:
        return await self.client.get(resource, name, namespace, view=dict[str, Any])

    async def items(self, resource: Resource) -> list[dict[str, Any]]:
        return (await self.client.list(resource, view=dict[str, Any])).items

    async def reasons(self) -> set[str]:
        return {event["reason"] for event in await self.items(EVENTS)}

    @asynccontextmanager
    async def fleet(
        self, count: int, book: RuleBook | None = None, *, later: float = 0.0, **options: Any
    ) -> AsyncIterator[SimulatedFleet]:
        """A fleet whose process runs `later` seconds after now."""
        client = Client(self.api, peer=Peer("system:nodes", ("system:masters",)))
        recorder = Recorder(client, "kubelet", clock=SystemClock())
        self.clock.later = later
        fleet = SimulatedFleet(client, recorder, self.clock, Ids(), count, book, **options)
        running = asyncio.ensure_future(fleet.run())
        opening = asyncio.ensure_future(self._open_nodes())
        try:
            yield fleet
        finally:
            for task in (opening, running):
                task.cancel()
            await asyncio.gather(opening, running, return_exceptions=True)

    async def _open_nodes(self) -> None:
        """Stands in for the node lifecycle controller: a node that reports Ready loses its taint."""
        while True:
            for node in await self.items(NODES):
                if node["spec"].get("taints"):
                    await self.client.patch(NODES, node["metadata"]["name"], {"spec": {"taints": None}})
            await asyncio.sleep(0.01)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = memory_store(facets)
    world = World(store)
    await world.set_up()
    yield world
    await store.close()


async def eventually(asked: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so; fails if it never is."""
    async with asyncio.timeout(DEADLINE):
        while not await asked():  # noqa: ASYNC110 - the API is asked, as a user would
            await asyncio.sleep(0.005)


async def is_phase(world: World, name: str, phase: str) -> bool:
    return bool((await world.get(PODS, name))["status"].get("phase") == phase)


async def is_ready(world: World, name: str) -> bool:
    found = (await world.get(PODS, name))["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


async def is_gone(world: World, name: str) -> bool:
    return name not in {pod["metadata"]["name"] for pod in await world.items(PODS)}


async def test_machines_register_and_hold_leases(world: World) -> None:
    async with world.fleet(3) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        nodes = await world.items(NODES)
        assert [node["metadata"]["name"] for node in nodes] == ["node-00000", "node-00001", "node-00002"]
        assert nodes[1]["metadata"]["labels"] == {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": "node-00001",
            "kubernetes.io/os": "linux",
            "everynode.dev/simulated": "true",
        }
        assert nodes[1]["status"]["allocatable"] == {
            "cpu": "4",
            "ephemeral-storage": "100Gi",
            "memory": "16Gi",
            "pods": "110",
        }
        assert [one["type"] for one in nodes[0]["status"]["conditions"]][-1] == "Ready"
        assert nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"] == "simulated://1.0"
        lease = await world.get(LEASES, "node-00001", "kube-node-lease")
        assert lease["spec"]["leaseDurationSeconds"] == 40
        assert lease["metadata"]["ownerReferences"][0]["uid"] == nodes[1]["metadata"]["uid"]


async def test_a_pod_starts_with_one_write_and_ends(world: World) -> None:
    async with world.fleet(1) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web")
        await eventually(lambda: is_ready(world, "web"))
        pod = await world.get(PODS, "web")
        assert pod["status"]["phase"] == "Running"
        assert pod["status"]["qosClass"] == "BestEffort"
        created = int(pod["metadata"]["resourceVersion"])
        await world.pod("other")
        await eventually(lambda: is_ready(world, "other"))
        assert (await world.get(PODS, "other"))["status"]["podIP"] != pod["status"]["podIP"]
        assert int((await world.get(PODS, "web"))["metadata"]["resourceVersion"]) == created
        assert sum(count for key, count in world.api.answered.items() if key[0] == "patch" and "pods" in key[1]) == 2
        await world.client.delete(PODS, "web", "default")
        await eventually(lambda: is_gone(world, "web"))
        await eventually(lambda: _has(world, {"Pulled", "Created", "Started", "Killing"}))


async def _has(world: World, reasons: set[str]) -> bool:
    return reasons <= await world.reasons()


async def test_a_large_fleet_tells_only_of_what_fails(world: World) -> None:
    book = RuleBook(rules.of({"rules": [{"match": {"image": "*:bad"}, "imagePullBackOff": True}]}))
    async with world.fleet(1, book, narrate=False) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("good")
        await world.pod("bad", image="app:bad")
        await eventually(lambda: _has(world, {"Failed"}))
        assert not await world.reasons() & {"Created", "Started", "Pulled", "Killing"}
        waiting = (await world.get(PODS, "bad"))["status"]["containerStatuses"][0]["state"]["waiting"]
        assert waiting["reason"] == "ErrImagePull"


async def test_a_settled_cluster_is_left_as_it_is_by_a_restart(world: World) -> None:
    async with world.fleet(2) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web")
        await eventually(lambda: is_ready(world, "web"))
        await eventually(lambda: _has(world, {"Started"}))
    before = [one["metadata"]["resourceVersion"] for kind in (NODES, PODS) for one in await world.items(kind)]
    async with world.fleet(2, later=100.0) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("late", node="node-00001")
        await eventually(lambda: is_ready(world, "late"))
        await world.client.delete(PODS, "late", "default")
        await eventually(lambda: is_gone(world, "late"))
        after = [one["metadata"]["resourceVersion"] for kind in (NODES, PODS) for one in await world.items(kind)]
        assert after == before


async def test_a_restart_ends_what_was_to_end_and_starts_what_was_bound(world: World) -> None:
    slow = RuleBook(rules.of({"rules": [{"stopSeconds": 3600}]}))
    async with world.fleet(1, slow) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("going")
        await eventually(lambda: is_ready(world, "going"))
        await world.client.delete(PODS, "going", "default")
    await world.pod("coming")
    async with world.fleet(1):
        await eventually(lambda: is_gone(world, "going"))
        await eventually(lambda: is_ready(world, "coming"))


async def test_what_does_not_fit_is_refused(world: World) -> None:
    async with world.fleet(1) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("large", resources={"requests": {"cpu": "3"}})
        await eventually(lambda: is_ready(world, "large"))
        await world.pod("larger", resources={"requests": {"cpu": "1500m"}})
        await eventually(lambda: is_phase(world, "larger", "Failed"))
        refused = (await world.get(PODS, "larger"))["status"]
        assert refused["reason"] == "OutOfcpu"
        assert refused["message"] == (
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000"
        )
        await world.pod("port", ports=[{"containerPort": 80, "hostPort": 80}])
        await eventually(lambda: is_ready(world, "port"))
        await world.pod("same-port", ports=[{"containerPort": 80, "hostPort": 80}])
        await eventually(lambda: is_phase(world, "same-port", "Failed"))
        assert (await world.get(PODS, "same-port"))["status"]["reason"] == "NodePorts"
        await world.client.delete(PODS, "larger", "default")
        await eventually(lambda: is_gone(world, "larger"))


async def test_nodes_of_others_are_left_alone(world: World) -> None:
    for name in ("node-00000", "hers"):
        await world.create(NODES, "", {"metadata": {"name": name}})
    async with world.fleet(2) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("waits", node="hers")
        await world.pod("waits-too", node="node-00000")
        await world.pod("runs", node="node-00001")
        await eventually(lambda: is_ready(world, "runs"))
        for name in ("waits", "waits-too"):
            assert not (await world.get(PODS, name))["status"].get("startTime")
        with pytest.raises(ApiError):
            await world.get(LEASES, "node-00000", "kube-node-lease")


async def test_a_silent_machine_does_nothing_and_catches_up(world: World, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [{match: {node: node-00001}, silent: true}]")
    book = RuleBook.open(path)
    async with world.fleet(2, book) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await eventually(lambda: _registered(world, 2))
        await world.pod("unheard", node="node-00001")
        await world.pod("heard")
        await eventually(lambda: is_ready(world, "heard"))
        assert not await is_ready(world, "unheard")
        world.clock.later, woken = 1000.0, time.time() + 900.0
        path.write_text("rules: []")
        book.look()
        await eventually(lambda: is_ready(world, "unheard"))
        started = (await world.get(PODS, "unheard"))["status"]["startTime"]
        assert timestamps.parse(started) > woken, "it heard of the pod only when it woke"


async def _registered(world: World, count: int) -> bool:
    return len(await world.items(NODES)) == count


async def test_a_pod_declared_unready_by_others_is_declared_ready_again(world: World) -> None:
    async with world.fleet(1) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web")
        await eventually(lambda: is_ready(world, "web"))
        lost = [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]
        await world.client.patch(PODS, "web", {"status": {"conditions": lost}}, "default", subresource="status")
        await eventually(lambda: is_ready(world, "web"))


async def test_a_pod_that_somebody_else_has_ended_stays_so(world: World) -> None:
    book = RuleBook()
    async with world.fleet(1, book) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        for name in ("web", "other"):
            await world.pod(name)
            await eventually(partial(is_ready, world, name))
        ended = {"status": {"phase": "Failed", "reason": "Evicted"}}
        await world.client.patch(PODS, "web", ended, "default", subresource="status")
        book.current = rules.of({"rules": [{"neverReady": True}]})
        book.changed()
        await eventually(lambda: _is_not_ready(world, "other"))
        assert await is_phase(world, "web", "Failed")
        await world.client.delete(PODS, "web", "default")
        await eventually(lambda: is_gone(world, "web"))


async def test_changed_rules_reach_pods_that_run(world: World) -> None:
    book = RuleBook()
    async with world.fleet(1, book) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web")
        await eventually(lambda: is_ready(world, "web"))
        book.current = rules.of({"rules": [{"neverReady": True}]})
        book.changed()
        await eventually(lambda: _is_not_ready(world, "web"))
        book.current = rules.NO_RULES
        book.changed()
        await eventually(lambda: is_ready(world, "web"))


async def test_a_machine_whose_node_is_gone_tells_of_nothing(world: World) -> None:
    """The pods there run on, as on a real machine; but nobody could tell whose events these were."""
    book = RuleBook()
    async with world.fleet(2, book) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("stays", node="node-00000")
        await world.pod("forsaken", node="node-00001")
        for name in ("stays", "forsaken"):
            await eventually(lambda name=name: is_ready(world, name))
            await eventually(lambda name=name: _is_told(world, name, "Started"))
        await world.client.delete(NODES, "node-00001")
        await eventually(lambda: _registered(world, 1))
        book.current = rules.of({"rules": [{"crashLoopBackOff": True, "exitAfterSeconds": 0}]})
        book.changed()
        await eventually(lambda: _is_told(world, "stays", "BackOff"))
        assert not await _is_told(world, "forsaken", "BackOff")


async def _is_told(world: World, pod: str, reason: str) -> bool:
    return (pod, reason) in {(one["involvedObject"]["name"], one["reason"]) for one in await world.items(EVENTS)}


async def _is_not_ready(world: World, name: str) -> bool:
    return not await is_ready(world, name)


async def test_a_finalizer_gets_to_see_how_the_pod_ended(world: World) -> None:
    async with world.fleet(1) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("held")
        await world.client.patch(PODS, "held", {"metadata": {"finalizers": ["example.com/hold"]}}, "default")
        await eventually(lambda: is_ready(world, "held"))
        await world.client.delete(PODS, "held", "default")
        await eventually(lambda: is_phase(world, "held", "Succeeded"))
        await world.client.patch(PODS, "held", {"metadata": {"finalizers": None}}, "default")
        await eventually(lambda: is_gone(world, "held"))


def test_rounds_give_everybody_a_turn() -> None:
    turn, turns = Round(7, 10.0, 0.0), []
    for tick in range(1, 201):
        turns += turn.due(tick * 0.1)
    assert turns == [index % 7 for index in range(14)]
    assert sorted(turn.due(1000.0)) == list(range(7))
    assert Round(0, 10.0, 0.0).due(5.0) == []


def test_addresses_are_each_ones_own() -> None:
    nodes = [SimulatedNode(index) for index in (0, 1, 49_151, 49_152, MOST_NODES - 1)]
    assert len({node.address for node in nodes}) == len(nodes)
    pods = {node.pod_address(place) for node in nodes for place in (1, 126)}
    assert len(pods) == 2 * len(nodes)
    assert not any(address.startswith("10.96.") for address in pods)
    assert [node.place_of(node.pod_address(9)) for node in nodes] == [9] * len(nodes)
    assert nodes[0].place_of(nodes[1].pod_address(3)) == nodes[0].place_of("") == 0
    assert node_name(MOST_NODES - 1) == "node-122879"
    assert (lease_duration(3), lease_duration(5_000), lease_duration(100_000)) == (40, 40, 800)
    assert (report_period(3), report_period(30_000), report_period(100_000)) == (300, 300, 1000)


async def test_another_image_restarts_the_container(world: World) -> None:
    async with world.fleet(1) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web")
        await eventually(lambda: is_ready(world, "web"))
        patch = {"spec": {"containers": [{"name": "app", "image": "app:v2"}]}}
        await world.client.patch(PODS, "web", patch, "default", kind="strategic")

        async def renewed() -> bool:
            found = (await world.get(PODS, "web"))["status"]
            container = found["containerStatuses"][0]
            return bool(
                (container["image"], container["restartCount"], container["ready"]) == ("app:v2", 1, True)
                and found["observedGeneration"] == 2
            )

        await eventually(renewed)


async def test_a_pod_that_vanished_while_its_machine_was_silent_is_forgotten(world: World) -> None:
    book = RuleBook()
    async with world.fleet(1, book) as fleet:
        await asyncio.wait_for(fleet.ready.wait(), DEADLINE)
        await world.pod("web", resources={"requests": {"cpu": "3"}})
        await eventually(lambda: is_ready(world, "web"))
        book.current = rules.of({"rules": [{"silent": True}]})
        book.changed()
        await world.client.delete(PODS, "web", "default", grace_period_seconds=0)
        await eventually(lambda: is_gone(world, "web"))
        await world.pod("next", resources={"requests": {"cpu": "3"}})
        book.current = rules.NO_RULES
        book.changed()
        await eventually(lambda: is_ready(world, "next"))
