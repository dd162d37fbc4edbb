from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from everynode.api.scheme import NODES
from everynode.controllers.nodelifecycle.plan import Node, taints_of
from everynode.controllers.nodelifecycle.shell import NodeLifecycleController
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
        (node(f"{NOT_READY}:NoExecute", Ready="True"), None),
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
    taints = taints_of(given)
    assert (None if taints is None else [taint.key for taint in taints]) == wanted


def controller(api: RealApi) -> NodeLifecycleController:
    return NodeLifecycleController(api.controller, api.informers)


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
