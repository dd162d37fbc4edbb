"""Pods that nobody ends any more; the controller against the real API in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from everynode.api.scheme import NODES, PODS
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import Pod
from everynode.controllers.podgc.plan import surplus
from everynode.controllers.podgc.shell import PodGarbageCollector
from everynode.wire.message import Peer, Request, Response
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

MOST_FINISHED = 5
HELD = ["test/held"]


def pod(name: str, created: int, phase: str = "Succeeded", reason: str = "") -> Pod:
    meta = {"name": name, "namespace": "default", "creationTimestamp": f"2027-01-01T00:00:{created:02d}Z"}
    return msgspec.convert({"metadata": meta, "status": {"phase": phase, "reason": reason}}, Pod)


def test_evicted_pods_go_first_then_the_oldest() -> None:
    pods = [
        pod("young", 9),
        pod("b", 1),
        pod("a", 1),
        pod("evicted", 8, "Failed", "Evicted"),
        pod("failed", 0, "Failed", "Other"),
    ]
    assert [each.metadata.name for each in surplus(pods, 1)] == ["evicted", "failed", "a", "b"]
    assert surplus(pods, 5) == ()


def run(story: Callable[[RealApi], Coroutine[Any, Any, None]]) -> None:
    def controller(api: RealApi) -> PodGarbageCollector:
        return PodGarbageCollector(api.controller, api.informers, api.clock, most_finished=MOST_FINISHED)

    async def main() -> None:
        async with real_api(controller) as api:
            await api.node("n")
            await story(api)

    virtually(main())


async def put_pod(api: RealApi, name: str, node: str = "n", **more: Any) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await api.put(PODS, name, "default", spec={**spec, "nodeName": node} if node else spec, **more)


async def set_phase(api: RealApi, name: str, phase: str, reason: str = "") -> None:
    body = {"status": {"phase": phase, "reason": reason}}
    await api.client.patch(PODS, name, body, "default", subresource="status")


def test_pods_of_a_node_that_is_gone_are_collected_after_a_quarantine() -> None:
    async def story(api: RealApi) -> None:
        await api.node("stays")
        await put_pod(api, "p")
        await put_pod(api, "held", finalizers=HELD)
        await put_pod(api, "elsewhere", node="stays")
        await set_phase(api, "held", "Running")
        await api.client.delete(NODES, "n")
        await asyncio.sleep(39)
        assert await api.names(PODS) == ["elsewhere", "held", "p"]
        await asyncio.sleep(2)
        assert await api.names(PODS) == ["elsewhere", "held"]
        held: Any = await api.get(PODS, "held", "default")
        assert held["status"]["phase"] == "Failed"
        assert held["metadata"]["deletionGracePeriodSeconds"] == 0
        (condition,) = held["status"]["conditions"]
        assert condition["type"] == "DisruptionTarget"
        assert (condition["reason"], condition["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")
        del api.calls[:]
        await asyncio.sleep(1000)
        assert api.calls == []

    run(story)


def test_a_node_that_is_back_in_time_keeps_its_pods() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p")
        await api.client.delete(NODES, "n")
        await asyncio.sleep(30)
        await api.node("n")
        await asyncio.sleep(1000)
        assert await api.names(PODS) == ["p"]

    run(story)


def test_a_node_that_only_our_view_is_missing_keeps_its_pods() -> None:
    async def main() -> None:
        async with real_api() as api:
            await put_pod(api, "p", node="new")

            async def knows_it(request: Request) -> Response:
                if request.path == "/api/v1/nodes/new":
                    return Response(200, body=b'{"metadata":{"name":"new"}}')
                return await api.server(request)

            client = Client(knows_it, peer=Peer("tester", ("system:masters",)))
            api.start(PodGarbageCollector(client, api.informers, api.clock).run())
            await asyncio.sleep(100)
            assert await api.names(PODS) == ["p"]

    virtually(main())


def test_a_pod_bound_to_a_node_that_never_was() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p", node="nowhere")
        await asyncio.sleep(39)
        assert await api.names(PODS) == ["p"]
        await asyncio.sleep(2)
        assert await api.names(PODS) == []

    run(story)


def test_terminating_pods_on_a_node_out_of_service_need_not_wait_for_it() -> None:
    async def story(api: RealApi) -> None:
        for name in ("early", "late", "living"):
            await put_pod(api, name)
        await api.client.delete(PODS, "early", "default")
        taint = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}
        await api.client.patch(NODES, "n", {"spec": {"taints": [taint]}})
        await asyncio.sleep(A_MOMENT)
        # The node is ready: its kubelet will see to it.
        assert await api.names(PODS) == ["early", "late", "living"]
        conditions = [{"type": "Ready", "status": "Unknown"}]
        await api.client.patch(NODES, "n", {"status": {"conditions": conditions}}, subresource="status")
        await asyncio.sleep(A_MOMENT)
        assert await api.names(PODS) == ["late", "living"]
        await api.client.delete(PODS, "late", "default")
        await asyncio.sleep(A_MOMENT)
        assert await api.names(PODS) == ["living"]
        await api.client.patch(NODES, "n", {"spec": {"taints": []}})
        await api.client.delete(PODS, "living", "default")
        await asyncio.sleep(A_MOMENT)
        assert await api.names(PODS) == ["living"]

    run(story)


def test_a_terminating_pod_that_never_came_to_a_node_is_failed_once() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p", node="", finalizers=HELD)
        await api.client.delete(PODS, "p", "default")
        await asyncio.sleep(A_MOMENT)
        found: Any = await api.get(PODS, "p", "default")
        assert found["status"]["phase"] == "Failed"
        del api.calls[:]
        await asyncio.sleep(1000)
        assert api.calls == []

    run(story)


def test_finished_pods_beyond_the_threshold_go_the_oldest_first() -> None:
    async def story(api: RealApi) -> None:
        for number in range(MOST_FINISHED + 3):
            await put_pod(api, f"p{number}")
            await asyncio.sleep(1)
        for number in range(MOST_FINISHED):
            await set_phase(api, f"p{number}", "Succeeded")
        await asyncio.sleep(100)
        assert len(await api.names(PODS)) == MOST_FINISHED + 3
        await set_phase(api, "p5", "Failed", "Evicted")
        await set_phase(api, "p6", "Succeeded")
        await asyncio.sleep(21)
        assert await api.names(PODS) == ["p1", "p2", "p3", "p4", "p6", "p7"]

    run(story)
