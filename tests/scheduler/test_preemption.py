"""Preemption by the scheduler on the real API server, on virtual time. There are no agents: a test ends a victim itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from everynode.api.scheme import NODES, POD_DISRUPTION_BUDGETS, PODS, PRIORITY_CLASSES
from everynode.scheduler.shell import Scheduler
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

CLASSES = {"low": 10, "high": 1000, "higher": 2000}
FULL = "0/1 nodes are available: 1 Insufficient cpu."


def scheduler(api: RealApi) -> Scheduler:
    return Scheduler(api.controller, api.informers, api.recorder, clock=api.clock)


async def classes(api: RealApi) -> None:
    for name, value in CLASSES.items():
        await api.put(PRIORITY_CLASSES, name, value=value)


async def pod(api: RealApi, name: str, kind: str = "", *, cpu: str = "2", on: str = "", **rest: Any) -> None:
    """A pod of one priority class; pinned to the node `on` as a daemon pod is."""
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]}
    if kind:
        spec["priorityClassName"] = kind
    if on:
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        spec["affinity"] = {"nodeAffinity": required}
    await api.put(PODS, name, "default", spec=spec | rest.pop("spec", {}), **rest)


async def seen(api: RealApi, name: str) -> tuple[str, str]:
    """The pod's node and the one it is nominated for."""
    found = await api.get(PODS, name, "default")
    assert found is not None, name
    return found["spec"].get("nodeName", ""), found["status"].get("nominatedNodeName", "")


async def condition(api: RealApi, name: str, type: str) -> dict[str, Any]:
    found = await api.get(PODS, name, "default")
    assert found is not None, name
    return next((each for each in found["status"].get("conditions", []) if each["type"] == type), {})


async def leaving(api: RealApi, *names: str) -> list[str]:
    """Those of these pods that are on their way."""
    found = [(name, await api.get(PODS, name, "default")) for name in names]
    return [name for name, each in found if each is not None and "deletionTimestamp" in each["metadata"]]


async def end(api: RealApi, name: str) -> None:
    """What an agent does when a pod that was deleted has ended."""
    await api.client.delete(PODS, name, "default", grace_period_seconds=0)
    await asyncio.sleep(A_MOMENT)


async def full_node(api: RealApi, *lesser: str, cpu: str = "4", kind: str = "low") -> None:
    """Node n0 with these pods on it."""
    await classes(api)
    await api.node("n0", cpu=cpu)
    for name in lesser:
        await pod(api, name, kind, labels={"app": name})
        await asyncio.sleep(A_MOMENT)


def test_a_daemon_pod_takes_the_place_of_a_lesser_one() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", "b")
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            # Both are of the same age to the second: names decide.
            assert await leaving(api, "a", "b") == ["b"]
            assert await seen(api, "new") == ("", "n0")
            target = await condition(api, "b", "DisruptionTarget")
            assert (target["status"], target["reason"], target["message"]) == (
                "True",
                "PreemptionByScheduler",
                "default-scheduler: preempting to accommodate a higher priority pod",
            )
            victim, new = await api.get(PODS, "b", "default"), await api.get(PODS, "new", "default")
            assert victim is not None
            assert new is not None
            # Its own time to end, not less.
            assert victim["metadata"]["deletionGracePeriodSeconds"] == 30
            message = f"{FULL} preemption: found a potential placement for pod on node n0, preempting 1 victims"
            assert (await condition(api, "new", "PodScheduled"))["message"] == message
            events = await api.events()
            assert f"Normal Preempted Preempted by pod {new['metadata']['uid']} on node n0" in events
            assert f"Warning FailedScheduling {message}" in events
            await end(api, "b")
            # It waits for no back-off: the room is its own.
            assert await seen(api, "new") == ("n0", "")

    virtually(main())


@pytest.mark.parametrize(
    ("lesser", "kind", "spec"),
    [("high", "high", {}), ("higher", "high", {}), ("low", "high", {"preemptionPolicy": "Never"}), ("low", "", {})],
)
def test_nobody_gives_way_to_an_equal_a_lesser_or_a_patient_pod(lesser: str, kind: str, spec: dict[str, Any]) -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", "b", kind=lesser)
            if spec:
                await api.put(PRIORITY_CLASSES, "patient", value=1000, **spec)
            await pod(api, "new", "patient" if spec else kind, on="n0")
            del api.calls[:]
            await asyncio.sleep(400)
            assert await leaving(api, "a", "b") == []
            assert api.calls == ["PATCH /api/v1/namespaces/default/pods/new/status"]
            said = (
                "not eligible due to preemptionPolicy=Never."
                if spec
                else "No preemption victims found for incoming pod."
            )
            told = await condition(api, "new", "PodScheduled")
            assert told["message"].startswith(f"{FULL} preemption: ")
            assert told["message"].endswith(said)

    virtually(main())


def test_the_room_is_kept_for_it_against_all_but_its_betters() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", cpu="2")
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            await pod(api, "lesser", "low", on="n0")
            await pod(api, "equal", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            # Nobody else has to go for them, and what goes is spoken for.
            assert [await seen(api, name) for name in ("lesser", "equal")] == [("", ""), ("", "")]
            await pod(api, "better", "higher", on="n0")
            await asyncio.sleep(A_MOMENT)
            assert await seen(api, "better") == ("", "n0")
            assert await seen(api, "new") == ("", "")
            await end(api, "a")
            await asyncio.sleep(30)
            assert [(await seen(api, name))[0] for name in ("better", "new", "equal", "lesser")] == ["n0", "", "", ""]

    virtually(main())


def test_it_waits_for_its_victims_and_takes_no_more() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", "b")
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(20)
            for round_ in range(3):
                await api.client.patch(NODES, "n0", {"metadata": {"labels": {"round": str(round_)}}})
                await asyncio.sleep(15)
            assert await leaving(api, "a", "b") == ["b"]
            told = await condition(api, "new", "PodScheduled")
            assert told["message"] == f"{FULL} preemption: not eligible due to a terminating pod on the nominated node."
            assert await seen(api, "new") == ("", "n0")

    virtually(main())


def test_what_was_promised_is_taken_back_when_it_is_of_no_use_any_more() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", cpu="2")
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            await api.client.patch(NODES, "n0", {"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}})
            await asyncio.sleep(15)
            assert await seen(api, "new") == ("", "")
            told = await condition(api, "new", "PodScheduled")
            assert told["message"] == (
                "0/1 nodes are available: 1 node(s) had untolerated taint(s). "
                "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
            )
            await pod(api, "lesser", "low", on="n0", spec={"tolerations": [{"operator": "Exists"}]})
            await end(api, "a")
            await asyncio.sleep(15)
            assert (await seen(api, "lesser"))[0] == "n0"

    virtually(main())


def test_a_promise_goes_with_the_pod() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", cpu="2")
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            await pod(api, "lesser", "low", on="n0")
            await end(api, "a")
            await pod(api, "other", "high", on="n0", cpu="1")
            await asyncio.sleep(A_MOMENT)
            assert [(await seen(api, name))[0] for name in ("new", "lesser", "other")] == ["n0", "", ""]
            await api.client.delete(PODS, "new", "default", grace_period_seconds=0)
            await asyncio.sleep(15)
            assert (await seen(api, "other"))[0] == "n0"

    virtually(main())


def test_another_scheduler_process_keeps_the_promises_of_the_one_before() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.put(PRIORITY_CLASSES, "high", value=1000)
            await api.node("n0", cpu="2")
            # As they were left behind: a pod that had room promised on n0, and one that came later and is no more important.
            await pod(api, "promised", "high", on="n0", spec={"schedulingGates": [{"name": "not-yet"}]})
            await api.client.patch(
                PODS, "promised", {"status": {"nominatedNodeName": "n0"}}, "default", subresource="status"
            )
            await pod(api, "later", "high", on="n0")
            await asyncio.sleep(30)
            assert await seen(api, "later") == ("", "")
            await api.client.patch(PODS, "promised", {"spec": {"schedulingGates": None}}, "default")
            await asyncio.sleep(A_MOMENT)
            assert await seen(api, "promised") == ("n0", "")

    virtually(main())


def test_the_end_of_a_promise_wakes_those_who_held_back_for_it() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await api.node("n0", cpu="2")
            await pod(api, "promised", on="n0", spec={"schedulingGates": [{"name": "never"}]})
            await api.client.patch(
                PODS, "promised", {"status": {"nominatedNodeName": "n0"}}, "default", subresource="status"
            )
            await pod(api, "later", on="n0")
            await asyncio.sleep(30)
            assert await seen(api, "later") == ("", "")
            await api.client.delete(PODS, "promised", "default", grace_period_seconds=0)
            await asyncio.sleep(A_MOMENT)
            assert await seen(api, "later") == ("n0", "")

    virtually(main())


def test_a_budget_is_respected_while_there_is_another_way() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await full_node(api, "a", "b")
            selector = {"matchLabels": {"app": "b"}}
            await api.put(POD_DISRUPTION_BUDGETS, "b", "default", spec={"selector": selector, "maxUnavailable": 0})
            await asyncio.sleep(A_MOMENT)
            await pod(api, "new", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            assert await leaving(api, "a", "b") == ["a"]
            await end(api, "a")
            await pod(api, "newer", "high", on="n0")
            await asyncio.sleep(A_MOMENT)
            assert await leaving(api, "b") == ["b"]

    virtually(main())


@pytest.mark.parametrize(("kinds", "first"), [(("low", "high"), "p1"), (("high", "low"), "p0"), (("low", "low"), "p0")])
def test_the_most_important_pod_is_looked_at_first_and_of_equals_the_first(kinds: Sequence[str], first: str) -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await classes(api)
            for number, kind in enumerate(kinds):
                await pod(api, f"p{number}", kind)
            # Both look again after their back-off, in one moment.
            await asyncio.sleep(A_MOMENT)
            await api.node("n0", cpu="2")
            await asyncio.sleep(15)
            assert [name for name in ("p0", "p1") if (await seen(api, name))[0]] == [first]
            assert await leaving(api, "p0", "p1") == []

    virtually(main())


def test_of_several_nodes_the_one_where_it_hurts_least_gives_way() -> None:
    async def main() -> None:
        async with real_api(scheduler) as api:
            await classes(api)
            for number, kind in enumerate(("high", "low", "high")):
                await api.node(f"n{number}", cpu="2")
                await pod(api, f"p{number}", kind, on=f"n{number}")
            await asyncio.sleep(A_MOMENT)
            await pod(api, "new", "higher")
            await asyncio.sleep(A_MOMENT)
            assert await leaving(api, "p0", "p1", "p2") == ["p1"]
            assert await seen(api, "new") == ("", "n1")
            # Room comes up elsewhere before the victim is gone: the promise does not bind the pod itself.
            await end(api, "p0")
            await asyncio.sleep(15)
            assert await seen(api, "new") == ("n0", "")

    virtually(main())
