"""The controller against the real API, in virtual time: nodes that fall silent, and all that must not count as silence."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

from everynode.api import status
from everynode.api.scheme import LEASES, NAMESPACES, NODES, PODS
from everynode.client.client import Client
from everynode.wire.message import Request, Response
from tests.controllers.nodelifecycle.machines import (
    LEASE_NAMESPACE,
    Machine,
    conditions,
    controller,
    machines,
    pod_ready,
    ready,
    taints,
)
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import LoopClock, VirtualLoop, virtually


def run(story: Callable[[RealApi], Coroutine[Any, Any, None]], *more: Callable[[RealApi], Any]) -> None:
    """Tells a story with the controller at work."""

    async def main() -> None:
        async with real_api(*(more or (controller,))) as api:
            await api.put(NAMESPACES, LEASE_NAMESPACE)
            await story(api)

    virtually(main())


def test_a_silent_node_becomes_unknown_and_its_pods_unready() -> None:
    async def story(api: RealApi) -> None:
        first, second, _ = await machines(api, 3)
        await first.pod("steady")
        await first.pod("failing", ready="False")
        await second.pod("elsewhere")
        await asyncio.sleep(100)
        assert await ready(api, "n0") == "True"
        first.silence()
        await asyncio.sleep(29)
        assert await ready(api, "n0") == "True"
        await asyncio.sleep(13)
        unknown = ("Unknown", "NodeStatusUnknown")
        kinds = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
        assert await conditions(api, "n0") == dict.fromkeys(kinds, unknown)
        assert await taints(api, "n0") == ["unreachable:NoSchedule", "unreachable:NoExecute"]
        assert await pod_ready(api, "steady") == "False"
        assert await pod_ready(api, "elsewhere") == "True"
        assert await ready(api, "n1") == "True"
        await asyncio.sleep(2)
        told = await api.events()
        assert "Normal NodeNotReady Node n0 status is now: NodeNotReady" in told
        assert told.count("Warning NodeNotReady Node is not ready") == 1
        assert "Normal RegisteredNode Node n0 event: Registered Node n0 in Controller" in told

    run(story)


def test_a_node_that_is_back_is_ready_and_free_of_taints() -> None:
    async def story(api: RealApi) -> None:
        first, *_ = await machines(api, 3)
        first.silence()
        await asyncio.sleep(60)
        # A renewal alone does not make a node ready: its kubelet must report.
        await first.renew()
        await asyncio.sleep(A_MOMENT)
        assert await ready(api, "n0") == "Unknown"
        await first.wake()
        await asyncio.sleep(A_MOMENT)
        assert await ready(api, "n0") == "True"
        assert await taints(api, "n0") == []
        del api.calls[:]
        await asyncio.sleep(600)
        assert api.calls == []

    run(story)


def test_a_node_that_reports_without_a_lease_lives_and_one_that_never_reported_is_said_so() -> None:
    async def story(api: RealApi) -> None:
        reporting = Machine(api, "reporting")
        await api.put(NODES, "reporting")
        await api.put(NODES, "never")
        for _ in range(5):
            await reporting.report("True")
            await asyncio.sleep(10)
        assert await ready(api, "never") == ""
        for _ in range(2):
            await reporting.report("True")
            await asyncio.sleep(10)
        assert await ready(api, "reporting") == "True"
        assert (await conditions(api, "never"))["PIDPressure"] == ("Unknown", "NodeStatusNeverUpdated")
        assert await taints(api, "never", "NoSchedule") == ["unreachable:NoSchedule"]
        await asyncio.sleep(50)
        assert await ready(api, "reporting") == "Unknown"

    run(story)


def test_a_lease_that_lasts_longer_gives_its_node_that_long() -> None:
    async def story(api: RealApi) -> None:
        await machines(api, 1)
        slow = Machine(api, "slow")
        await slow.start(duration=200)
        slow.silence()
        await asyncio.sleep(190)
        assert await ready(api, "slow") == "True"
        await asyncio.sleep(20)
        assert await ready(api, "slow") == "Unknown"

    run(story)


def test_what_a_nodes_clock_shows_does_not_matter() -> None:
    async def story(api: RealApi) -> None:
        behind = Machine(api, "behind", skew=-10_000)
        await behind.start()
        await asyncio.sleep(100)
        behind.skew = -20_000  # set back while it runs
        await asyncio.sleep(100)
        assert await ready(api, "behind") == "True"

    run(story)


class SetClock(LoopClock):
    """A wall clock that somebody sets."""

    offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset


def test_our_own_clock_may_be_set() -> None:
    async def story(api: RealApi) -> None:
        api.clock = clock = SetClock()
        await machines(api, 2)
        for offset in (90_000.0, -90_000.0):
            clock.offset = offset
            await asyncio.sleep(60)
            assert [await ready(api, name) for name in ("n0", "n1")] == ["True", "True"]

    run(story)


def test_standing_still_ourselves_is_nobodys_silence() -> None:
    async def story(api: RealApi) -> None:
        stopped, _ = await machines(api, 2)
        await asyncio.sleep(15)
        stopped.silence()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.moment += 60  # a SIGSTOP and, a minute later, a SIGCONT
        await asyncio.sleep(38)
        assert [await ready(api, name) for name in ("n0", "n1")] == ["True", "True"]
        await asyncio.sleep(5)
        assert [await ready(api, name) for name in ("n0", "n1")] == ["Unknown", "True"]

    run(story)


class Faulty:
    """The API as the controller sees it, with whatever `fault` answers in its place."""

    def __init__(self) -> None:
        self.fault: Callable[[Request], Response | None] = lambda request: None
        self.refused = 0

    def made(self, api: RealApi) -> Any:
        inner = api.controller

        async def handle(request: Request) -> Response:
            answer = self.fault(request)
            if answer is not None:
                self.refused += 1
                return answer
            return await inner._handler(request)

        api.controller = Client(handle, peer=inner._peer)
        return controller(api)


def test_a_store_that_refuses_writes_gives_every_node_a_fresh_grace() -> None:
    faulty = Faulty()

    def full(request: Request) -> Response | None:
        error = status.unavailable("the disk is full")
        return Response(503, body=error.body()) if request.method == "PATCH" else None

    async def story(api: RealApi) -> None:
        first, second = await machines(api, 2)
        await asyncio.sleep(5)
        faulty.fault = full
        first.silence()
        second.silence()
        third = Machine(api, "n2")
        # Writes go through again, and who could not renew before does so now, each at its own time.
        await asyncio.sleep(75)
        assert faulty.refused
        faulty.fault = lambda request: None
        await third.start()
        await asyncio.sleep(9)
        assert await ready(api, "n1") == "True"
        await second.wake()
        await asyncio.sleep(50)
        assert [await ready(api, name) for name in ("n0", "n1")] == ["Unknown", "True"]

    run(story, faulty.made)


def test_a_watch_that_is_behind_is_nobodys_silence() -> None:
    """The Lease that is stored is newer than the one that was shown: its node has a fresh grace, and nothing is written."""
    faulty = Faulty()

    def newer(request: Request) -> Response | None:
        if request.method == "GET" and request.path.endswith("/leases/n0"):
            return Response(200, body=b'{"metadata":{"name":"n0","resourceVersion":"999999"}}')
        return None

    async def story(api: RealApi) -> None:
        first, second = await machines(api, 2)
        first.silence()
        second.silence()
        faulty.fault = newer
        await asyncio.sleep(45)
        assert faulty.refused == 1
        assert [await ready(api, name) for name in ("n0", "n1")] == ["True", "Unknown"]
        faulty.fault = lambda request: None
        await asyncio.sleep(45)
        assert [await ready(api, name) for name in ("n0", "n1")] == ["Unknown", "Unknown"]

    run(story, faulty.made)


def test_a_controller_that_starts_finishes_what_another_had_begun() -> None:
    """The node was declared unknown; whoever did it died before the pods were marked."""

    async def main() -> None:
        async with real_api() as api:
            await api.put(NAMESPACES, LEASE_NAMESPACE)
            first, second = await machines(api, 2)
            await first.report("Unknown")
            await first.pod("p")
            await second.pod("elsewhere")
            api.start(controller(api).run())
            await asyncio.sleep(A_MOMENT)
            assert [await pod_ready(api, name) for name in ("p", "elsewhere")] == ["False", "True"]
            # What its kubelet says when it is back stands.
            await first.report("True")
            await first.api.client.patch(PODS, "p", READY, "default", subresource="status")
            await asyncio.sleep(A_MOMENT)
            assert await pod_ready(api, "p") == "True"

    virtually(main())


READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def test_nodes_are_made_to_lose_their_pods_one_after_another_in_each_zone() -> None:
    async def story(api: RealApi) -> None:
        fleet = [*await machines(api, 8, "a"), *await machines(api, 8, "b")]
        for number in (0, 1, 2, 8, 9):
            fleet[number].silence()
        tainted: dict[str, int] = {}
        for second in range(100):
            await asyncio.sleep(1)
            for each in fleet:
                if await taints(api, each.name, "NoExecute"):
                    tainted.setdefault(each.name, second)
        assert sorted(tainted) == ["a0", "a1", "a2", "b0", "b1"]
        a, b = (sorted(when for name, when in tainted.items() if name[0] == zone) for zone in "ab")
        assert a[0] <= 42
        assert b[0] <= 42
        assert [after - before for before, after in itertools.pairwise(a)] == [10, 10]
        assert b[1] - b[0] == 10

    run(story)


def test_when_no_node_is_heard_of_nobody_has_to_leave() -> None:
    async def story(api: RealApi) -> None:
        fleet = [*await machines(api, 3, "a"), *await machines(api, 3, "b")]
        await asyncio.sleep(30)
        fleet[0].silence()
        await asyncio.sleep(60)
        assert await taints(api, "a0", "NoExecute") == ["unreachable:NoExecute"]
        for each in fleet[1:]:
            each.silence()
        await asyncio.sleep(60)
        assert {await ready(api, each.name) for each in fleet} == {"Unknown"}
        assert [await taints(api, each.name, "NoExecute") for each in fleet] == [[]] * 6
        assert [await taints(api, each.name) for each in fleet] == [["unreachable:NoSchedule"]] * 6
        for each in fleet[3:]:
            await each.wake()
        await asyncio.sleep(5)
        assert await taints(api, "b0") == []
        await asyncio.sleep(60)
        assert [await taints(api, each.name, "NoExecute") for each in fleet[:3]] == [["unreachable:NoExecute"]] * 3

    run(story)


def test_not_ready_and_unreachable_take_each_others_place() -> None:
    async def story(api: RealApi) -> None:
        first, *_ = await machines(api, 4)
        await first.report("False")
        await asyncio.sleep(2)
        assert await taints(api, "n0") == ["not-ready:NoSchedule", "not-ready:NoExecute"]
        node: Any = await api.get(NODES, "n0")
        assert all(taint["timeAdded"] for taint in node["spec"]["taints"])
        first.silence()
        await asyncio.sleep(45)
        assert await taints(api, "n0") == ["unreachable:NoSchedule", "unreachable:NoExecute"]
        await first.report("False")
        await asyncio.sleep(2)
        assert await taints(api, "n0") == ["not-ready:NoSchedule", "not-ready:NoExecute"]

    run(story)


def test_pods_of_a_node_that_says_itself_that_it_is_not_ready_keep_their_own_word() -> None:
    async def story(api: RealApi) -> None:
        first, _ = await machines(api, 2)
        await first.pod("p")
        await first.report("False")
        await asyncio.sleep(30)
        assert await pod_ready(api, "p") == "True"

    run(story)


def test_a_node_made_again_under_its_name_begins_anew() -> None:
    async def story(api: RealApi) -> None:
        first, _ = await machines(api, 2)
        first.silence()
        await asyncio.sleep(60)
        await api.client.delete(NODES, "n0")
        await api.client.delete(LEASES, "n0", LEASE_NAMESPACE)
        await first.start()
        await asyncio.sleep(60)
        assert await ready(api, "n0") == "True"
        assert await taints(api, "n0") == []
        assert "Normal RemovingNode Node n0 event: Removing Node n0 from Controller" in await api.events()

    run(story)


def test_leases_of_others_are_not_read() -> None:
    async def story(api: RealApi) -> None:
        first, _ = await machines(api, 2)
        first.silence()
        await api.put(LEASES, "n0", "default", spec={"holderIdentity": "x"})
        for _ in range(9):
            await asyncio.sleep(5)
            change = {"spec": {"renewTime": first.stamp().replace("Z", ".000000Z")}}
            await api.client.patch(LEASES, "n0", change, "default")
        assert await ready(api, "n0") == "Unknown"

    run(story)
