"""The contract of a runtime, whoever runs the containers: each runtime that there is must pass it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from everynode.agent.node import SimulatedNode
from everynode.agent.pod import Pod, PodView, Templates
from everynode.agent.rulebook import RuleBook
from everynode.agent.runtime import Runtime
from everynode.agent.simulated import SimulatedRuntime
from everynode.agent.status import pod_status
from everynode.api.core_v1 import PodStatus
from everynode.base.clock import SystemClock

from .pods import view

DEADLINE = 20.0
Make = Callable[[Callable[[Pod], None]], Runtime]


def simulated(changed: Callable[[Pod], None]) -> Runtime:
    return SimulatedRuntime(SystemClock(), RuleBook(), changed, lambda pod, note: None)


class Machine:
    """A node with one runtime; remembers of which pods it was told."""

    def __init__(self, make: Make) -> None:
        self.clock, self.node = SystemClock(), SimulatedNode(0)
        self.told = asyncio.Event()
        self.runtime = make(lambda pod: self.told.set())

    def pod(self, seen: PodView) -> Pod:
        return Pod.of(seen, Templates().of(seen), self.node, self.clock.now())

    def status(self, pod: Pod) -> PodStatus:
        pod.written = pod.change
        return pod_status(pod, "172.16.0.1", "10.0.0.1", self.node.stamp, self.clock.now())

    async def until(self, so: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not so():
                await self.told.wait()
                self.told.clear()


@pytest.fixture(params=[simulated])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


async def test_what_is_started_comes_to_run(machine: Machine) -> None:
    pod = machine.pod(view())
    machine.runtime.start(pod)
    await machine.until(lambda: all(one.runs for one in pod.containers))
    assert pod.change != pod.written
    assert machine.status(pod).phase == "Running"


async def test_what_is_stopped_ends_within_its_grace(machine: Machine) -> None:
    pod = machine.pod(view())
    machine.runtime.start(pod)
    await machine.until(lambda: all(one.runs for one in pod.containers))
    machine.runtime.stop(pod, 1.0)
    await machine.until(lambda: pod.stopped)
    assert not any(one.runs for one in pod.containers)


async def test_what_never_ran_can_be_stopped(machine: Machine) -> None:
    pod = machine.pod(view())
    machine.runtime.stop(pod, 30.0)
    await machine.until(lambda: pod.stopped)
    machine.runtime.forget(pod)


async def test_what_another_agent_started_goes_on(machine: Machine) -> None:
    pod = machine.pod(view())
    machine.runtime.start(pod)
    await machine.until(lambda: all(one.runs for one in pod.containers))
    written = machine.status(pod)

    machine.told.clear()
    seen = view(pod_status=msgspec.json.decode(msgspec.json.encode(written)))
    again = machine.pod(seen)
    machine.runtime.adopt(again, seen)
    assert all(one.runs for one in again.containers)
    assert machine.status(again).container_statuses == written.container_statuses


async def test_another_image_is_another_run(machine: Machine) -> None:
    pod = machine.pod(view())
    machine.runtime.start(pod)
    await machine.until(lambda: all(one.runs for one in pod.containers))
    first = machine.status(pod).container_statuses[0]
    machine.runtime.change(pod, Templates().of(view({"name": "app", "image": "app:v2"})))
    await machine.until(lambda: all(one.runs for one in pod.containers))
    second = machine.status(pod).container_statuses[0]
    assert (second.image, second.restart_count) == ("app:v2", 1)
    assert second.container_id != first.container_id
