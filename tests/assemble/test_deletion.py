"""What is deleted goes with all that belongs to it, and nothing else: whole clusters in virtual time, hundreds of pods.

docs/deletion.md tells the same to a person.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from everynode.api.scheme import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    EVENTS,
    NAMESPACES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESOURCE_QUOTAS,
    SERVICE_ACCOUNTS,
    Resource,
)
from everynode.api.status import ApiError
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.client.client import Client
from tests.virtual_time import LoopClock, virtually

Json = dict[str, Any]
NS = "default"
NODES = 300
# Loop time in which a rollout over all nodes, or their deletion, comes to rest.
A_WHILE = 30.0


def daemon_set(name: str = "agent", image: str = "agent:v1", app: str = "agent", **spec: Any) -> Json:
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "agent", "image": f"registry.example/{image}"}]},
            },
            **spec,
        },
    }


class Fleet:
    """A cluster of simulated nodes, and what a person would ask it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client: Client = cluster.client()

    @property
    def answered(self) -> Counter[tuple[str, str, int]]:
        return Counter(self.cluster.api.answered)

    def writes(self) -> Counter[str]:
        """All that was written so far, heartbeats left out."""
        found: Counter[str] = Counter()
        for (verb, plural, _), number in self.answered.items():
            if verb not in ("get", "list", "watch") and plural not in ("leases", "nodes"):
                found[f"{verb} {plural}"] += number
        return found

    async def create(self, body: Json, resource: Resource = DAEMON_SETS, namespace: str = NS) -> Json:
        made: Json = await self.client.create(resource, body, namespace, view=dict)
        return made

    async def rest(self, seconds: float = A_WHILE) -> None:
        await asyncio.sleep(seconds)

    async def all(self, resource: Resource = PODS, namespace: str = NS) -> list[Json]:
        return (await self.client.list(resource, namespace, view=dict)).items

    async def uids(self, resource: Resource = PODS) -> set[str]:
        return {each["metadata"]["uid"] for each in await self.all(resource)}

    async def owners(self, resource: Resource = PODS) -> set[str]:
        found = await self.all(resource)
        return {ref["uid"] for each in found for ref in each["metadata"].get("ownerReferences", [])}

    async def images(self) -> Counter[str]:
        return Counter(pod["spec"]["containers"][0]["image"] for pod in await self.all())

    async def is_there(self, name: str = "agent", resource: Resource = DAEMON_SETS, namespace: str = NS) -> bool:
        try:
            await self.client.get(resource, name, namespace, view=dict)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    async def witness(self, note: Callable[[list[Json]], None]) -> None:
        """Follows the pods, and hands all there are to `note` at every change, until it is cancelled."""
        listing = await self.client.list(PODS, NS, view=dict)
        pods: dict[str, Json] = {each["metadata"]["uid"]: each for each in listing.items}
        async for change in self.client.watch(PODS, NS, since=listing.resource_version, view=dict):
            if change.type == "BOOKMARK":
                continue
            if change.type == "DELETED":
                del pods[change.object["metadata"]["uid"]]
            else:
                pods[change.object["metadata"]["uid"]] = change.object
            note(list(pods.values()))

    async def delete(self, policy: str, name: str = "agent", namespace: str = NS) -> None:
        await self.client.delete(DAEMON_SETS, name, namespace, propagation_policy=policy)

    async def hold(self, resource: Resource, name: str, namespace: str = NS, *, held: bool = True) -> None:
        """Gives the object a finalizer that nobody serves, or takes it away."""
        finalizers = ["example.com/hold"] if held else None
        await self.client.patch(resource, name, {"metadata": {"finalizers": finalizers}}, namespace)


@asynccontextmanager
async def fleet(
    nodes: int, *, data_dir: Path | None = None, clock: LoopClock | None = None, rules: Path | None = None
) -> AsyncIterator[Fleet]:
    store = "memory" if data_dir is None else "sqlite"
    config = Config(store=store, nodes=nodes, data_dir=data_dir, simulation=rules)
    async with Cluster(config, clock=clock or LoopClock(), dice=random.Random(1)) as cluster:
        await cluster.ready()
        yield Fleet(cluster)


Scenario = Callable[[Fleet], Coroutine[Any, Any, None]]


def played(nodes: int = NODES) -> Callable[[Scenario], Callable[[], None]]:
    """A scenario in a cluster of this many nodes over which the DaemonSet `agent` has been rolled out."""

    def decorate(scenario: Scenario) -> Callable[[], None]:
        async def main() -> None:
            async with fleet(nodes) as here:
                await here.create(daemon_set())
                await here.rest()
                assert len(await here.all()) == nodes
                await scenario(here)

        def test() -> None:
            virtually(main())

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        return test

    return decorate


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_daemon_set_goes_with_its_pods_and_revisions(policy: str) -> None:
    @played()
    async def scenario(here: Fleet) -> None:
        before = here.answered
        await here.delete(policy)
        assert await here.is_there() == (policy == "Foreground")
        await here.rest()
        assert not await here.is_there()
        assert await here.all() == []
        assert await here.all(CONTROLLER_REVISIONS) == []
        # Each pod is asked to go once, and ended by its node once; none is made again.
        done = here.answered - before
        assert done["create", "pods", 201] == 0
        assert done["delete", "pods", 200] == 2 * NODES

    scenario()


@played(20)
async def test_in_the_foreground_the_last_pod_goes_before_the_daemon_set(here: Fleet) -> None:
    pods = await here.all()
    held = pods[0]["metadata"]["name"]
    await here.hold(PODS, held)
    await here.delete("Foreground")
    await here.rest()
    assert [each["metadata"]["name"] for each in await here.all()] == [held]
    (ds,) = await here.all(DAEMON_SETS)
    assert ds["metadata"]["finalizers"] == ["foregroundDeletion"]
    # The controller does nothing for it any more, and nobody tries again and again.
    before = here.writes()
    await here.rest(600)
    assert here.writes() == before
    await here.hold(PODS, held, held=False)
    await here.rest()
    assert await here.all() == await here.all(DAEMON_SETS) == []


@played()
async def test_orphans_are_adopted_by_an_equal_daemon_set_and_nothing_restarts(here: Fleet) -> None:
    pods, revisions = await here.uids(), await here.uids(CONTROLLER_REVISIONS)
    await here.delete("Orphan")
    await here.rest()
    assert not await here.is_there()
    assert (await here.uids(), await here.owners()) == (pods, set())
    assert (await here.uids(CONTROLLER_REVISIONS), await here.owners(CONTROLLER_REVISIONS)) == (revisions, set())
    before = here.answered
    heir = await here.create(daemon_set())
    await here.rest()
    assert (await here.uids(), await here.owners()) == (pods, {heir["metadata"]["uid"]})
    assert await here.uids(CONTROLLER_REVISIONS) == revisions
    done = here.answered - before
    assert done["create", "pods", 201] == done["delete", "pods", 200] == 0
    assert done["patch", "pods", 200] == NODES
    (ds,) = await here.all(DAEMON_SETS)
    assert (ds["status"]["numberAvailable"], ds["status"]["updatedNumberScheduled"]) == (NODES, NODES)


@played(40)
async def test_orphans_are_adopted_and_rolled_by_a_different_one(here: Fleet) -> None:
    await here.delete("Orphan")
    await here.rest()
    lowest = 40

    def note(pods: list[Json]) -> None:
        nonlocal lowest
        lowest = min(lowest, sum("deletionTimestamp" not in pod["metadata"] for pod in pods))

    watching = asyncio.create_task(here.witness(note))
    await here.create(daemon_set(image="agent:v2", updateStrategy={"rollingUpdate": {"maxUnavailable": 4}}))
    await here.rest()
    watching.cancel()
    assert await here.images() == {"registry.example/agent:v2": 40}
    assert lowest >= 36
    assert sorted(each["revision"] for each in await here.all(CONTROLLER_REVISIONS)) == [1, 2]


@pytest.mark.parametrize("stop_seconds", [0, 5])
def test_a_name_that_comes_back_at_once_gets_pods_of_its_own_one_a_node(stop_seconds: int, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"rules:\n- stopSeconds: {stop_seconds}\n")
    crowded: set[str] = set()

    def note(pods: list[Json]) -> None:
        crowded.update(node for node, count in Counter(map(target, pods)).items() if count > 1)

    async def main() -> None:
        async with fleet(100, rules=rules) as here:
            await here.create(daemon_set())
            await here.rest()
            old = await here.uids()
            watching = asyncio.create_task(here.witness(note))
            await here.rest(0.1)
            await here.delete("Background")
            made = await here.create(daemon_set())
            await here.rest()
            watching.cancel()
            new = await here.uids()
            assert len(new) == 100
            assert not old & new
            assert await here.owners() == {made["metadata"]["uid"]}
            assert await here.owners(CONTROLLER_REVISIONS) == {made["metadata"]["uid"]}

    virtually(main())
    assert not crowded


def target(pod: Json) -> str:
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    name: str = terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return name


@played(10)
async def test_a_daemon_set_that_a_finalizer_holds_keeps_its_pods_and_makes_none(here: Fleet) -> None:
    await here.hold(DAEMON_SETS, "agent")
    await here.delete("Background")
    await here.rest()
    assert len(await here.all()) == 10
    victim = (await here.all())[0]["metadata"]["name"]
    await here.client.delete(PODS, victim, NS)
    await here.rest()
    assert len(await here.all()) == 9
    before = here.writes()
    await here.rest(600)
    assert here.writes() == before
    await here.hold(DAEMON_SETS, "agent", held=False)
    await here.rest()
    assert await here.all() == []


@played(10)
async def test_a_config_map_that_a_finalizer_holds_is_at_rest(here: Fleet) -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    await here.create(body, CONFIG_MAPS)
    await here.client.delete(CONFIG_MAPS, "held", NS, propagation_policy="Foreground")
    await here.rest()
    before = here.writes()
    await here.rest(600)
    assert here.writes() == before
    await here.hold(CONFIG_MAPS, "held", held=False)
    await here.rest()
    assert not await here.is_there("held", CONFIG_MAPS)


@played(10)
async def test_a_rollout_goes_past_a_pod_that_has_ended_and_is_held_by_a_finalizer(here: Fleet) -> None:
    first = min(await here.all(), key=target)
    await here.hold(PODS, first["metadata"]["name"])
    change = {"spec": {"template": {"spec": {"containers": [{"name": "agent", "image": "registry.example/agent:v2"}]}}}}
    await here.client.patch(DAEMON_SETS, "agent", change, NS, kind="strategic")
    await here.rest()
    # Its node has ended it, so it holds its place no more; only its name stays until somebody takes the finalizer away.
    assert await here.images() == {"registry.example/agent:v1": 1, "registry.example/agent:v2": 10}
    before = here.writes()
    await here.rest(600)
    assert here.writes() == before
    await here.hold(PODS, first["metadata"]["name"], held=False)
    await here.rest()
    assert await here.images() == {"registry.example/agent:v2": 10}


@pytest.mark.parametrize("during_a_rollout", [False, True])
def test_a_collection_of_pods_comes_back_whole(during_a_rollout: bool) -> None:
    @played(100)
    async def scenario(here: Fleet) -> None:
        if during_a_rollout:
            template = {"spec": {"containers": [{"name": "agent", "image": "registry.example/agent:v2"}]}}
            await here.client.patch(DAEMON_SETS, "agent", {"spec": {"template": template}}, NS, kind="strategic")
            await here.rest(1)
        old = await here.uids()
        await here.client.delete_collection(PODS, NS, labels="app=agent")
        await here.rest()
        new = await here.all()
        assert len(new) == len({target(pod) for pod in new}) == 100
        assert not old & {pod["metadata"]["uid"] for pod in new}
        image = "registry.example/agent:v2" if during_a_rollout else "registry.example/agent:v1"
        assert await here.images() == {image: 100}

    scenario()


@played(50)
async def test_a_collection_of_daemon_sets_goes_with_all_their_pods(here: Fleet) -> None:
    for number in range(4):
        await here.create(daemon_set(f"extra{number}", app=f"extra{number}"))
    await here.rest()
    assert len(await here.all()) == 250
    await here.client.delete_collection(DAEMON_SETS, NS)
    await here.rest()
    assert await here.all() == await here.all(CONTROLLER_REVISIONS) == await here.all(DAEMON_SETS) == []


async def empty_a_namespace(daemon_sets: int, nodes: int) -> Counter[str]:
    """Deletes a namespace full of DaemonSets; what was asked of the API meanwhile, by verb and kind."""
    async with fleet(nodes) as here:
        await here.client.create(NAMESPACES, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "full"}})
        await here.rest(1)
        quota = {"metadata": {"name": "quota"}, "spec": {"hard": {"pods": "100000"}}}
        await here.create({"kind": "ResourceQuota", "apiVersion": "v1", **quota}, RESOURCE_QUOTAS, "full")
        for number in range(daemon_sets):
            name = f"agent{number:02}"
            await here.create(daemon_set(name, app=name), namespace="full")
            budget = {
                "metadata": {"name": name},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": name}}},
            }
            document = {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", **budget}
            await here.create(document, POD_DISRUPTION_BUDGETS, "full")
        held = {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": "held", "finalizers": ["example.com/hold"]},
        }
        await here.create(held, CONFIG_MAPS, "full")
        await here.rest()
        assert len(await here.all(PODS, "full")) == daemon_sets * nodes
        assert await here.all(EVENTS, "full")
        before = here.answered
        await here.client.delete(NAMESPACES, "full")
        await here.rest()
        namespace: Json = await here.client.get(NAMESPACES, "full", view=dict)
        told = {each["type"]: (each["status"], each["message"]) for each in namespace["status"]["conditions"]}
        assert told["NamespaceContentRemaining"] == (
            "True",
            "Some resources are remaining: configmaps. has 1 resource instances",
        )
        assert told["NamespaceFinalizersRemaining"] == (
            "True",
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
        )
        assert told["NamespaceDeletionContentFailure"][0] == "False"
        for resource in (PODS, DAEMON_SETS, CONTROLLER_REVISIONS, POD_DISRUPTION_BUDGETS, RESOURCE_QUOTAS, EVENTS):
            assert await here.all(resource, "full") == []
        assert await here.all(SERVICE_ACCOUNTS, "full") == []
        await here.hold(CONFIG_MAPS, "held", "full", held=False)
        await here.rest()
        assert not await here.is_there("full", NAMESPACES, "")
        asked: Counter[str] = Counter()
        for (verb, plural, code), number in (here.answered - before).items():
            if plural not in ("leases", "nodes"):
                asked[f"{verb} {plural} {code}"] += number
        return asked


def test_a_namespace_full_of_daemon_sets_goes_at_a_price_that_is_linear() -> None:
    small, large = virtually(empty_a_namespace(10, 15)), virtually(empty_a_namespace(20, 30))
    for asked in (small, large):
        assert asked["create pods 201"] == 0
    # Four times as many pods, and no more requests for each.
    assert large["delete pods 200"] == 4 * small["delete pods 200"]
    assert large.total() <= 4.2 * small.total(), (small, large)


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_a_restart_in_the_middle_of_a_deletion_goes_on_with_it(policy: str, tmp_path: Path) -> None:
    async def main() -> None:
        clock = LoopClock()
        async with fleet(60, data_dir=tmp_path, clock=clock) as here:
            await here.create(daemon_set())
            await here.rest()
            await here.delete(policy)
        async with fleet(60, data_dir=tmp_path, clock=clock) as here:
            await here.rest()
            assert not await here.is_there()
            assert len(await here.all()) == (60 if policy == "Orphan" else 0)
            assert await here.owners() == set()

    virtually(main())
