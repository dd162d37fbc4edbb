from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from everynode.api.scheme import NODES
from everynode.controllers.nodelifecycle.observe import Node
from everynode.controllers.nodelifecycle.plan import silence_of, taints_of
from everynode.controllers.nodelifecycle.shell import NodeLifecycleController
from everynode.controllers.nodelifecycle.zones import Eviction
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


def node(*taints: str, unschedulable: bool = False, **conditions: str) -> Node:
    """A node with these NoSchedule taints (`KEY` or `KEY:EFFECT`) and conditions."""
    listed = [
        {"key": key, "effect": effect or "NoSchedule"} for key, _, effect in (taint.partition(":") for taint in taints)
    ]
    told = [{"type": type_, "status": status} for type_, status in conditions.items()]
    document = {"spec": {"taints": listed, "unschedulable": unschedulable}, "status": {"conditions": told}}
    return msgspec.convert(document, Node)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (node(Ready="True"), None),
        (node(NOT_READY, Ready="True"), []),
        (node(NOT_READY), None),
        (node(), None),
        (node(Ready="False"), [NOT_READY]),
        (node(NOT_READY, Ready="Unknown"), [UNREACHABLE]),
        (node("mine", Ready="False"), ["mine", NOT_READY]),
        (node("mine", NOT_READY, Ready="False"), None),
        (node(f"{NOT_READY}:NoExecute", Ready="True"), []),
        (node(f"{NOT_READY}:NoExecute"), None),
        (node(Ready="True", unschedulable=True), ["node.kubernetes.io/unschedulable"]),
        (node("node.kubernetes.io/unschedulable", Ready="True"), []),
        (
            node(
                Ready="True", MemoryPressure="True", DiskPressure="True", PIDPressure="True", NetworkUnavailable="True"
            ),
            [
                "node.kubernetes.io/memory-pressure",
                "node.kubernetes.io/disk-pressure",
                "node.kubernetes.io/pid-pressure",
                "node.kubernetes.io/network-unavailable",
            ],
        ),
        (node("node.kubernetes.io/disk-pressure", Ready="True", DiskPressure="False"), []),
    ],
)
def test_taints_follow_conditions_and_leave_others_alone(given: Node, wanted: list[str] | None) -> None:
    taints = taints_of(given, Eviction.WAITS, "")
    assert (None if taints is None else [taint.key for taint in taints]) == wanted


NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"


@pytest.mark.parametrize(
    ("given", "eviction", "wanted"),
    [
        (node(NOT_READY, Ready="False"), Eviction.WAITS, None),
        (node(NOT_READY, Ready="False"), Eviction.DUE, [(NOT_READY, NO_SCHEDULE), (NOT_READY, NO_EXECUTE)]),
        (node(NOT_READY, Ready="False"), Eviction.OFF, None),
        # One takes the place of the other at once.
        (
            node(NOT_READY, f"{NOT_READY}:NoExecute", Ready="Unknown"),
            Eviction.WAITS,
            [(UNREACHABLE, NO_SCHEDULE), (UNREACHABLE, NO_EXECUTE)],
        ),
        (node(UNREACHABLE, f"{UNREACHABLE}:NoExecute", Ready="Unknown"), Eviction.WAITS, None),
        (
            node(UNREACHABLE, f"{UNREACHABLE}:NoExecute", Ready="Unknown"),
            Eviction.OFF,
            [(UNREACHABLE, NO_SCHEDULE)],
        ),
        (node(f"{UNREACHABLE}:NoExecute", "mine:NoExecute", Ready="True"), Eviction.DUE, [("mine", NO_EXECUTE)]),
    ],
)
def test_noexecute_taints_wait_for_their_turn(
    given: Node, eviction: Eviction, wanted: list[tuple[str, str]] | None
) -> None:
    taints = taints_of(given, eviction, "2027-01-01T00:00:00Z")
    assert (None if taints is None else [(taint.key, taint.effect) for taint in taints]) == wanted
    old = list(given.spec.taints)
    assert all((taint.time_added == "2027-01-01T00:00:00Z") != (taint in old) for taint in taints or ())


def test_the_conditions_of_a_silent_node() -> None:
    def told(given: Node) -> list[tuple[Any, ...]] | None:
        found = silence_of(given, "now")
        return found and [(each["type"], each["reason"], each.get("lastHeartbeatTime")) for each in found]

    reported = node(MemoryPressure="False", NetworkUnavailable="False", DiskPressure="Unknown", Ready="True")
    reported.metadata.creation_timestamp = "then"
    assert told(reported) == [
        ("MemoryPressure", "NodeStatusUnknown", None),
        ("Ready", "NodeStatusUnknown", None),
        ("PIDPressure", "NodeStatusNeverUpdated", "then"),
    ]
    assert told(node(Ready="Unknown", MemoryPressure="False")) is None
    never = silence_of(node(), "now") or ()
    assert {each["message"] for each in never} == {"Kubelet never posted node status."}


def controller(api: RealApi) -> NodeLifecycleController:
    return NodeLifecycleController(api.controller, api.informers, api.recorder, api.clock)


async def taints(api: RealApi) -> list[str]:
    found: Any = await api.get(NODES, "n")
    return [f"{taint['key']}:{taint['effect']}" for taint in found["spec"].get("taints", [])]


async def report(api: RealApi, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    await api.client.patch(NODES, "n", {"status": {"conditions": conditions}}, subresource="status")
    await asyncio.sleep(A_MOMENT)


def test_a_node_is_closed_until_it_reports_ready_and_whenever_it_is_not() -> None:
    async def main() -> None:
        async with real_api(controller) as api:
            await api.put(NODES, "n", spec={"taints": [{"key": "mine", "value": "v", "effect": "NoExecute"}]})
            await asyncio.sleep(A_MOMENT)
            assert f"{NOT_READY}:NoSchedule" in await taints(api)
            await report(api, "True")
            assert await taints(api) == ["mine:NoExecute"]
            await report(api, "False")
            assert await taints(api) == ["mine:NoExecute", f"{NOT_READY}:NoSchedule"]
            await report(api, "True")
            await api.client.patch(NODES, "n", {"spec": {"unschedulable": True}})
            await asyncio.sleep(A_MOMENT)
            assert await taints(api) == ["mine:NoExecute", "node.kubernetes.io/unschedulable:NoSchedule"]
            await api.client.patch(NODES, "n", {"spec": {"unschedulable": None}})
            await asyncio.sleep(A_MOMENT)
            assert await taints(api) == ["mine:NoExecute"]
            del api.calls[:]
            await report(api, "True")
            assert api.calls == []

    virtually(main())
