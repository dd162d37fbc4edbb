"""Which pods leave a tainted node, and when; the controller against the real API in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from everynode.api.scheme import NODES, PODS
from everynode.controllers.tainteviction.plan import FOR_EVER, patience
from everynode.controllers.tainteviction.shell import TaintEvictionController
from everynode.fit.views import Taint, Toleration
from tests.reconcile.real_api import A_MOMENT, RealApi, real_api
from tests.virtual_time import virtually

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def taint(key: str, value: str = "") -> Taint:
    return Taint(key, value, "NoExecute")


def tolerating(key: str = "", seconds: int | None = None, *, value: str = "", effect: str = "NoExecute") -> Toleration:
    operator = "Equal" if value else "Exists"
    return Toleration(key, operator, value, effect, seconds)


@pytest.mark.parametrize(
    ("taints", "tolerations", "seconds"),
    [
        ([], [], FOR_EVER),
        ([taint("a")], [], 0),
        ([taint("a")], [tolerating("a")], FOR_EVER),
        ([taint("a")], [tolerating("a", effect="NoSchedule")], 0),
        ([taint("a")], [tolerating()], FOR_EVER),
        ([taint("a")], [tolerating("a", 300)], 300),
        ([taint("a")], [tolerating("a", 0)], 0),
        ([taint("a")], [tolerating("a", -5)], 0),
        ([taint("a", "x")], [tolerating("a", value="y")], 0),
        ([taint("a"), taint("b")], [tolerating("a")], 0),
        ([taint("a"), taint("b")], [tolerating("a", 100), tolerating("b", 30)], 30),
        ([taint("a"), taint("b")], [tolerating("a"), tolerating("b", 30)], 30),
        # Of each taint the first toleration counts.
        ([taint("a")], [tolerating("a", 100), tolerating("a", 5)], 100),
        ([taint("a")], [tolerating("a"), tolerating("a", 5)], FOR_EVER),
        ([taint("a")], [tolerating("b", 5), tolerating("a", 50)], 50),
    ],
)
def test_patience(taints: list[Taint], tolerations: list[Toleration], seconds: float) -> None:
    assert patience(taints, tolerations) == seconds


def run(story: Callable[[RealApi], Coroutine[Any, Any, None]]) -> None:
    def controller(api: RealApi) -> TaintEvictionController:
        return TaintEvictionController(api.controller, api.informers, api.recorder, api.clock)

    async def main() -> None:
        async with real_api(controller) as api:
            for name in ("n", "other"):
                await api.node(name)
            await story(api)

    virtually(main())


async def put_pod(api: RealApi, name: str, *tolerations: dict[str, Any], node: str = "n") -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "tolerations": list(tolerations)}
    await api.put(PODS, name, "default", spec={**spec, "nodeName": node} if node else spec)


async def set_taints(api: RealApi, *keys: str, effect: str = "NoExecute") -> None:
    taints = [{"key": key, "effect": effect} for key in keys]
    await api.client.patch(NODES, "n", {"spec": {"taints": taints}})
    await asyncio.sleep(A_MOMENT)


async def going(api: RealApi) -> list[str]:
    """The pods that are being deleted (no kubelet ends them here)."""
    listing = await api.client.list(PODS, view=dict[str, Any])
    return [pod["metadata"]["name"] for pod in listing.items if "deletionTimestamp" in pod["metadata"]]


async def told(api: RealApi) -> list[str]:
    await asyncio.sleep(A_MOMENT)
    return [event.removeprefix("Normal TaintManagerEviction ") for event in await api.events()]


DEDICATED = {"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}


def test_pods_that_do_not_tolerate_a_taint_go_at_once() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "plain")
        await put_pod(api, "tolerant", DEDICATED)
        await put_pod(api, "elsewhere", node="other")
        await put_pod(api, "unbound", node="")
        await set_taints(api, "dedicated", effect="NoSchedule")
        assert await going(api) == []
        await set_taints(api, "dedicated")
        assert await going(api) == ["plain"]
        pod: Any = await api.get(PODS, "plain", "default")
        condition = next(each for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget")
        assert condition.pop("lastTransitionTime")
        assert condition == {
            "type": "DisruptionTarget",
            "observedGeneration": 1,
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        assert await told(api) == ["Marking for deletion Pod default/plain"]

    run(story)


def test_tolerated_for_a_time_means_until_then() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "short", {**DEDICATED, "tolerationSeconds": 20})
        await put_pod(api, "long", {**DEDICATED, "tolerationSeconds": 60})
        await set_taints(api, "dedicated")
        for seconds, gone in ((18, []), (2, ["short"]), (38, ["short"]), (3, ["long", "short"])):
            await asyncio.sleep(seconds)
            assert await going(api) == gone

    run(story)


def test_ordinary_pods_stay_five_minutes_through_a_change_of_taints() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p")
        await set_taints(api, NOT_READY)
        await asyncio.sleep(200)
        await set_taints(api, UNREACHABLE)
        await asyncio.sleep(98)
        assert await going(api) == []
        await asyncio.sleep(3)
        assert await going(api) == ["p"]
        assert await told(api) == ["Marking for deletion Pod default/p"]

    run(story)


def test_a_taint_that_goes_takes_the_sentence_with_it() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p")
        await put_pod(api, "tolerant", DEDICATED)
        await set_taints(api, UNREACHABLE, "dedicated")
        assert await going(api) == ["p"]
        await put_pod(api, "q", DEDICATED)
        await set_taints(api, UNREACHABLE)
        await asyncio.sleep(100)
        await set_taints(api)
        await asyncio.sleep(1000)
        assert await going(api) == ["p"]
        assert sorted(await told(api)) == [
            "Cancelling deletion of Pod default/q",
            "Cancelling deletion of Pod default/tolerant",
            "Marking for deletion Pod default/p",
        ]
        # The time begins anew with the next taint.
        await set_taints(api, UNREACHABLE)
        await asyncio.sleep(298)
        assert await going(api) == ["p"]
        await asyncio.sleep(3)
        assert await going(api) == ["p", "q", "tolerant"]

    run(story)


def test_pods_that_come_later_or_learn_to_tolerate() -> None:
    async def story(api: RealApi) -> None:
        await set_taints(api, "dedicated")
        await put_pod(api, "late")
        await put_pod(api, "patient", {**DEDICATED, "tolerationSeconds": 30})
        await asyncio.sleep(10)
        assert await going(api) == ["late"]
        pod: Any = await api.get(PODS, "patient", "default")
        pod["spec"]["tolerations"].insert(0, DEDICATED)
        await api.client.update(PODS, "patient", pod, "default")
        await asyncio.sleep(A_MOMENT)
        assert "Cancelling deletion of Pod default/patient" in await told(api)
        await asyncio.sleep(100)
        assert await going(api) == ["late"]

    run(story)


def test_daemon_pods_outlive_the_failure_of_their_node_but_not_a_taint_of_somebody_elses() -> None:
    async def story(api: RealApi) -> None:
        both = [{"key": key, "operator": "Exists", "effect": "NoExecute"} for key in (NOT_READY, UNREACHABLE)]
        await put_pod(api, "daemon", *both)
        await set_taints(api, UNREACHABLE)
        await asyncio.sleep(100_000)
        assert await going(api) == []
        await set_taints(api, UNREACHABLE, "maintenance")
        assert await going(api) == ["daemon"]

    run(story)


def test_nothing_is_read_or_kept_of_pods_that_nothing_waits_for() -> None:
    async def story(api: RealApi) -> None:
        await put_pod(api, "p", DEDICATED)
        await set_taints(api, "dedicated")
        await set_taints(api)
        del api.calls[:]
        await asyncio.sleep(1000)
        assert api.calls == []
        assert await told(api) == []

    run(story)
