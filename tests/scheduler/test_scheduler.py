"""The scheduler on the real API server, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

from everynode.api.scheme import NODES, PODS, PRIORITY_CLASSES
from everynode.scheduler.shell import Scheduler
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"


def scheduler(api: RealApi) -> Scheduler:
    return Scheduler(api.controller, api.informers, api.recorder, clock=api.clock)


def pinned(node: str) -> dict[str, Any]:
    requirement = {"key": "metadata.name", "operator": "In", "values": [node]}
    term = {"nodeSelectorTerms": [{"matchFields": [requirement]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}


async def pod(api: RealApi, name: str, *, cpu: str = "", port: int = 0, **spec: Any) -> None:
    container: dict[str, Any] = {"name": "c", "image": "i"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    if port:
        container["ports"] = [{"containerPort": port, "hostPort": port}]
    await api.put(PODS, name, "default", spec={"containers": [container], **spec})


async def where(api: RealApi, name: str) -> str:
    """The pod's node, or why it has none."""
    found = await api.get(PODS, name, "default")
    assert found is not None
    if "nodeName" in found["spec"]:
        return str(found["spec"]["nodeName"])
    conditions = [each for each in found["status"].get("conditions", []) if each["type"] == "PodScheduled"]
    assert all(each["status"] == "False" and each["reason"] == "Unschedulable" for each in conditions)
    return str(conditions[0]["message"]) if conditions else ""


def test_binds_each_pod_to_the_node_it_is_pinned_to_and_says_so() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            for number in range(3):
                await api.node(f"n{number}")
            for number in range(3):
                await pod(api, f"p{number}", affinity=pinned(f"n{number}"))
            await asyncio.sleep(A_MOMENT)
            assert [await where(api, f"p{number}") for number in range(3)] == ["n0", "n1", "n2"]
            assert "Normal Scheduled Successfully assigned default/p1 to n1" in await api.events()
            # One request for each pod and none for anything else.
            assert api.calls == [f"POST /api/v1/namespaces/default/pods/p{number}/binding" for number in range(3)]

    virtually(main())


def test_spreads_other_pods_over_the_least_used_nodes() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            for number in range(3):
                await api.node(f"n{number}")
            for number in range(6):
                await pod(api, f"p{number}", cpu="1")
                await asyncio.sleep(A_MOMENT)
            assert [await where(api, f"p{number}") for number in range(6)] == ["n0", "n1", "n2"] * 2

    virtually(main())


def test_never_promises_more_than_a_node_has_however_many_bindings_are_under_way() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0", cpu="2")
            for number in range(5):
                await pod(api, f"p{number}", cpu="1")
            await asyncio.sleep(A_MOMENT)
            found = [await where(api, f"p{number}") for number in range(5)]
            full = f"0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 {NO_VICTIMS}."
            assert found == ["n0", "n0", full, full, full]
            await api.client.delete(PODS, "p0", "default", grace_period_seconds=0)
            await asyncio.sleep(20)
            assert sorted([await where(api, f"p{number}") for number in range(1, 5)]) == [full, full, "n0", "n0"]

    virtually(main())


def test_counts_reasons_in_the_schedulers_words() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0", cpu="1")
            await api.node("n1", labels={"disk": "ssd"}, cpu="1")
            await api.node("n2", labels={"disk": "ssd"}, taints=[{"key": "k", "effect": "NoSchedule"}])
            await api.client.patch(NODES, "n0", {"spec": {"unschedulable": True}})
            await pod(api, "wants", cpu="2", nodeSelector={"disk": "ssd"})
            await pod(api, "pinned", cpu="2", affinity=pinned("n1"))
            await pod(api, "nowhere", affinity=pinned("n9"))
            await api.put(PRIORITY_CLASSES, "modest", value=5, preemptionPolicy="Never")
            await pod(api, "modest", cpu="2", affinity=pinned("n1"), priorityClassName="modest")
            await asyncio.sleep(A_MOMENT)
            assert await where(api, "wants") == (
                "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
                f"1 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 {NOT_HELPFUL}."
            )
            assert await where(api, "pinned") == (
                "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
                f"preemption: 0/3 nodes are available: 3 {NOT_HELPFUL}."
            )
            assert await where(api, "nowhere") == (
                "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
                f"preemption: 0/3 nodes are available: 3 {NOT_HELPFUL}."
            )
            assert (await where(api, "modest")).endswith("preemption: not eligible due to preemptionPolicy=Never.")

    virtually(main())


def test_without_any_node_it_says_so_and_goes_on_when_one_comes() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await pod(api, "p", affinity=pinned("n0"))
            await asyncio.sleep(A_MOMENT)
            assert await where(api, "p") == "no nodes available to schedule pods"
            await api.node("n0")
            await asyncio.sleep(A_MOMENT)
            # Its first back-off lasts a second.
            assert await where(api, "p") == "no nodes available to schedule pods"
            await asyncio.sleep(1)
            assert await where(api, "p") == "n0"

    virtually(main())


def test_a_refused_pod_is_told_once_and_woken_only_by_its_own_node() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0", cpu="1")
            await api.node("n1")
            await pod(api, "first", cpu="1", affinity=pinned("n0"))
            await asyncio.sleep(A_MOMENT)
            await pod(api, "second", cpu="1", affinity=pinned("n0"))
            await pod(api, "other", affinity=pinned("n1"))
            await asyncio.sleep(30)
            del api.calls[:]
            for round_ in range(3):
                await api.client.patch(NODES, "n1", {"metadata": {"labels": {"round": str(round_)}}})
                await asyncio.sleep(15)
            assert api.calls == []
            assert "Insufficient cpu" in await where(api, "second")
            # Counted, not repeated: the same thing happens when its own node changes.
            await api.client.patch(NODES, "n0", {"metadata": {"labels": {"round": "1"}}})
            await asyncio.sleep(15)
            assert api.calls == []
            await api.client.delete(PODS, "first", "default", grace_period_seconds=0)
            await asyncio.sleep(15)
            assert await where(api, "second") == "n0"

    virtually(main())


def test_a_pod_that_takes_the_room_of_one_just_gone_is_bound_without_a_refusal() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0", cpu="1")
            await pod(api, "p0", cpu="1", affinity=pinned("n0"))
            for number in range(1, 6):
                await asyncio.sleep(A_MOMENT)
                await api.client.delete(PODS, f"p{number - 1}", "default", grace_period_seconds=0)
                await pod(api, f"p{number}", cpu="1", affinity=pinned("n0"))
            await asyncio.sleep(A_MOMENT)
            assert await where(api, "p5") == "n0"
            assert not [event for event in await api.events() if "FailedScheduling" in event]

    virtually(main())


def test_host_ports_and_the_pods_that_have_ended() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0")
            await pod(api, "a", port=80, restartPolicy="Never")
            await asyncio.sleep(A_MOMENT)
            await pod(api, "b", port=80)
            await asyncio.sleep(A_MOMENT)
            assert await where(api, "b") == (
                "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. "
                f"preemption: 0/1 nodes are available: 1 {NO_VICTIMS}."
            )
            await api.client.patch(PODS, "a", {"status": {"phase": "Succeeded"}}, "default", subresource="status")
            await asyncio.sleep(15)
            assert await where(api, "b") == "n0"

    virtually(main())


def test_leaves_alone_what_is_not_for_it() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0")
            await pod(api, "other", schedulerName="mine")
            await pod(api, "gated", schedulingGates=[{"name": "g"}])
            await pod(api, "set", nodeName="elsewhere")
            await asyncio.sleep(A_MOMENT)
            assert api.calls == []
            await api.client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, "default")
            await asyncio.sleep(A_MOMENT)
            assert await where(api, "gated") == "n0"

    virtually(main())
