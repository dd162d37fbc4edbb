"""The disruption controller on the real API server: statuses that follow pods, and evictions that are never forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import DAEMON_SETS, NAMESPACES, POD_DISRUPTION_BUDGETS, PODS, SERVICE_ACCOUNTS
from everynode.api.status import ApiError
from everynode.client.client import Client
from everynode.controllers.disruption.shell import STATUS_RATE, DisruptionController
from everynode.wire.message import Peer, Request, Response
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

DEFAULT = "default"
LABELS = {"app": "web"}
READY = {"type": "Ready", "status": "True"}
CONTAINERS = [{"name": "c", "image": "registry.example/web:v1"}]


def controller(api: RealApi) -> DisruptionController:
    return DisruptionController(api.controller, api.informers, api.recorder, api.clock)


async def daemon_set(api: RealApi, desired: int) -> dict[str, Any]:
    """A DaemonSet that says how many pods it wants; the reference by which pods are its."""
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}}
    made = await api.put(DAEMON_SETS, "web", DEFAULT, spec={"selector": {"matchLabels": LABELS}, "template": template})
    await wants(api, desired)
    meta = made["metadata"]
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": meta["uid"], "controller": True}


async def wants(api: RealApi, desired: int) -> None:
    status = {"status": {"desiredNumberScheduled": desired}}
    await api.client.patch(DAEMON_SETS, "web", status, DEFAULT, subresource="status")


async def add(api: RealApi, name: str, by: dict[str, Any] | None = None, namespace: str = DEFAULT) -> None:
    owners = {"ownerReferences": [by]} if by else {}
    spec = {"containers": CONTAINERS, "nodeName": "n"}
    await api.put(PODS, name, namespace, labels=LABELS, spec=spec, **owners)
    await report(api, name, READY, namespace)


async def report(api: RealApi, name: str, condition: dict[str, Any], namespace: str = DEFAULT) -> None:
    status = {"status": {"phase": "Running", "conditions": [condition]}}
    await api.client.patch(PODS, name, status, namespace, subresource="status")


async def budget(api: RealApi, name: str = "web", selector: Any = None, **spec: Any) -> None:
    spec = {"selector": {"matchLabels": LABELS} if selector is None else selector, **spec}
    await api.put(POD_DISRUPTION_BUDGETS, name, DEFAULT, spec=spec)


async def status(api: RealApi, name: str = "web") -> dict[str, Any]:
    found = await api.get(POD_DISRUPTION_BUDGETS, name, DEFAULT)
    assert found is not None
    told: dict[str, Any] = found["status"]
    return told


async def counts(api: RealApi, name: str = "web") -> tuple[int, int, int, int]:
    """expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed; once all is quiet."""
    await asyncio.sleep(A_MOMENT)
    told = await status(api, name)
    return told["expectedPods"], told["desiredHealthy"], told["currentHealthy"], told["disruptionsAllowed"]


async def evict(api: RealApi, name: str) -> int:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    try:
        await api.client.create_sub(PODS, name, "eviction", body, DEFAULT)
    except ApiError as error:
        return error.code
    return 201


def test_a_share_of_a_daemon_sets_pods_follows_its_pods_and_its_wish() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            by = await daemon_set(api, 4)
            await budget(api, maxUnavailable="50%")
            assert await counts(api) == (0, 0, 0, 0)
            for name in ("a", "b", "c"):
                await add(api, name, by)
            assert await counts(api) == (4, 2, 3, 1)
            await add(api, "d", by)
            assert await counts(api) == (4, 2, 4, 2)
            await report(api, "d", {**READY, "status": "False"})
            assert await counts(api) == (4, 2, 3, 1)
            await wants(api, 8)
            assert await counts(api) == (8, 4, 3, 0)
            await api.client.delete(PODS, "a", DEFAULT, grace_period_seconds=0)
            assert await counts(api) == (8, 4, 2, 0)

    virtually(main())


def test_an_eviction_counts_until_the_pod_is_gone_and_its_successor_ready() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            by = await daemon_set(api, 3)
            for name in ("a", "b", "c"):
                await add(api, name, by)
            await budget(api, maxUnavailable=1)
            assert await counts(api) == (3, 2, 3, 1)
            assert await evict(api, "a") == 201
            assert await evict(api, "b") == 429
            assert await counts(api) == (3, 2, 2, 0)
            assert "disruptedPods" not in await status(api), "it is seen to be going"
            await api.client.delete(PODS, "a", DEFAULT, grace_period_seconds=0)
            assert await evict(api, "b") == 429
            await add(api, "d", by)
            assert await counts(api) == (3, 2, 3, 1)
            assert await evict(api, "b") == 201

    virtually(main())


def test_evictions_amid_changes_are_never_forgotten() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            names = [f"p{number}" for number in range(30)]
            for name in names:
                await add(api, name)
            await budget(api, minAvailable=20)
            assert await counts(api) == (30, 20, 30, 10)
            answers = await asyncio.gather(
                *(evict(api, name) for name in names), *(report(api, name, READY) for name in names[:20])
            )
            assert answers.count(201) == 10
            assert await counts(api) == (30, 20, 20, 0)

    virtually(main())


def test_an_eviction_between_working_a_status_out_and_writing_it_is_kept() -> None:
    async def main() -> None:
        async with real_api() as api:
            for name in ("a", "b", "c"):
                await add(api, name)
            await budget(api, minAvailable=2)
            granted: dict[str, int] = {}

            async def amid_an_eviction(request: Request) -> Response:
                # The next status, for one pod more, has been worked out and is on its way.
                amid = request.method == "PATCH" and not granted and (await status(api))["disruptionsAllowed"] == 1
                if amid:
                    granted["a"] = await evict(api, "a")
                answer = await api.server(request)
                if amid:
                    granted["b"] = await evict(api, "b")
                return answer

            client = Client(amid_an_eviction, peer=Peer("tester", ("system:masters",)))
            at_work = DisruptionController(client, api.informers, api.recorder, api.clock)
            api.start(at_work.run())
            await api.informers.synced()
            assert await counts(api) == (3, 2, 3, 1)
            await add(api, "d")
            await asyncio.sleep(A_MOMENT)
            assert granted == {"a": 201, "b": 429}

    virtually(main())


def test_a_granted_pod_that_stays_is_told_of_and_counts_again() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await add(api, "a")
            await budget(api, minAvailable=0)
            assert await counts(api) == (1, 0, 1, 1)
            now = "2027-01-15T08:00:00Z"
            change = {"status": {"disruptedPods": {"a": now}}}
            await api.client.patch(POD_DISRUPTION_BUDGETS, "web", change, DEFAULT, subresource="status")
            assert await counts(api) == (1, 0, 0, 0)
            await asyncio.sleep(115)
            assert await counts(api) == (1, 0, 0, 0)
            await asyncio.sleep(10)
            assert await counts(api) == (1, 0, 1, 1)
            assert "disruptedPods" not in await status(api)
            said = "Warning NotDeleted Pod was expected by PDB default/web to be deleted but it wasn't"
            assert said in await api.events()

    virtually(main())


def test_a_new_selector_is_counted_anew() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await add(api, "a")
            await add(api, "b")
            await budget(api, minAvailable=1, selector={"matchLabels": {"app": "db"}})
            assert await counts(api) == (0, 1, 0, 0)
            for selector, expected in (({"matchLabels": LABELS}, 2), (None, 0), ({}, 2)):
                change = [{"op": "add", "path": "/spec/selector", "value": selector}]
                await api.client.patch(POD_DISRUPTION_BUDGETS, "web", change, DEFAULT, kind="json")
                assert (await counts(api))[0] == expected
            assert (await status(api))["observedGeneration"] == 4
            relabelled = {"metadata": {"labels": {"app": "db"}}}
            await api.client.patch(PODS, "a", relabelled, DEFAULT)
            assert await counts(api) == (2, 1, 2, 1)

    virtually(main())


def test_what_cannot_be_counted_is_told_once_and_then_all_is_quiet() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            by = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": True}
            await add(api, "a", by)
            await budget(api, maxUnavailable=1)
            await asyncio.sleep(A_MOMENT)
            (condition,) = (await status(api))["conditions"]
            why = 'no matches for kind "ReplicaSet" in version "apps/v1"'
            assert (condition["reason"], condition["message"]) == ("SyncFailed", why)
            said = f"Warning CalculateExpectedPodCountFailed Failed to calculate the number of expected pods: {why}"
            assert await api.events() == [said]
            before = list(api.calls)
            await asyncio.sleep(600)
            assert api.calls == before

    virtually(main())


def test_a_pod_under_two_budgets_is_told_of() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await budget(api, "one", minAvailable=1)
            await budget(api, "two", minAvailable=1, selector={})
            await add(api, "a")
            await asyncio.sleep(A_MOMENT)
            said = 'Pod "default"/"a" matches multiple PodDisruptionBudgets.  Chose "one" arbitrarily.'
            assert f"Warning MultiplePodDisruptionBudgets {said}" in await api.events()
            assert await evict(api, "a") == 500

    virtually(main())


def test_pods_of_other_namespaces_and_many_changes_cost_few_writes() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NAMESPACES, "other")
            await api.put(SERVICE_ACCOUNTS, "default", "other")
            await budget(api, minAvailable=1)
            await asyncio.sleep(A_MOMENT)
            before = len(api.calls)
            await add(api, "stranger", namespace="other")
            await asyncio.sleep(A_MOMENT)
            assert len(api.calls) == before
            for number in range(50):
                await add(api, f"p{number}")
                await asyncio.sleep(0.01)
            assert await counts(api) == (50, 1, 50, 49)
            # In half a second the changes came; the first is answered at once, and the last within its turn.
            assert len(api.calls) - before <= STATUS_RATE // 2 + 2

    virtually(main())


def test_a_budget_that_is_gone_is_forgotten_and_one_that_is_made_again_is_new() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await add(api, "a")
            await budget(api, minAvailable=1)
            assert await counts(api) == (1, 1, 1, 0)
            await api.client.delete(POD_DISRUPTION_BUDGETS, "web", DEFAULT)
            await add(api, "b")
            await asyncio.sleep(A_MOMENT)
            await budget(api, minAvailable=1)
            assert await counts(api) == (2, 1, 2, 1)

    virtually(main())


def test_a_pod_that_was_to_go_and_stays_is_spared() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            condemned = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "EvictionByEvictionAPI",
                "message": "m",
            }
            told = {**condemned, "lastTransitionTime": "2027-01-15T08:00:00Z"}
            for name in ("stays", "goes", "kubelet"):
                await add(api, name)
                await report(api, name, {**told, "reason": "TerminationByKubelet"} if name == "kubelet" else told)
            await api.client.delete(PODS, "goes", DEFAULT)

            async def conditions(name: str) -> list[tuple[str, str, str]]:
                found: Any = await api.get(PODS, name, DEFAULT)
                listed = found["status"]["conditions"]
                return [(each["status"], each.get("reason", ""), each["lastTransitionTime"]) for each in listed]

            await asyncio.sleep(118)
            assert (await conditions("stays"))[0][0] == "True"
            await asyncio.sleep(5)
            assert await conditions("stays") == [("False", "", "2027-01-15T08:02:00Z")]
            assert (await conditions("goes"))[0][0] == (await conditions("kubelet"))[0][0] == "True"
            before = list(api.calls)
            await asyncio.sleep(600)
            assert api.calls == before

    virtually(main())
