"""Whose pods they are, when views lag, owners share a selector, or a name comes back: played against the real API."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS, PODS
from everynode.controllers.daemonset.observe import HASH_LABEL
from tests.controllers.daemonset.arena import NS, Arena, Json, arena, hash_of, image, played, target
from tests.virtual_time import virtually


def owners(one: Json) -> list[str]:
    return [each["uid"] for each in one["metadata"].get("ownerReferences", [])]


async def uid(here: Arena, name: str = "ds") -> str:
    found: str = (await here.ds(name))["metadata"]["uid"]
    return found


async def orphan_all(here: Arena) -> None:
    """What the garbage collector does when a DaemonSet is deleted with --cascade=orphan."""
    await here.client.delete(DAEMON_SETS, "ds", NS)
    for pod in await here.pods():
        await here.client.patch(PODS, pod["metadata"]["name"], {"metadata": {"ownerReferences": None}}, NS)
    await here.settle()


async def patch_pod(here: Arena, name: str, metadata: Json) -> None:
    await here.client.patch(PODS, name, {"metadata": metadata}, NS)


@pytest.mark.parametrize("lag", [0.0, 0.5], ids=["", "with a watch that lags"])
def test_what_was_adopted_is_not_made_again(lag: float) -> None:
    async def main() -> None:
        async with arena(60) as here:
            await here.create()
            await here.roll_out()
            await orphan_all(here)
            here.wire.requests.clear()
            here.wire.lag["pods"] = lag
            await here.create()
            await here.settle(10)
            verbs = [each.partition(" ")[0] for each in here.wire.requests if "/pods" in each]
            assert verbs == ["PATCH"] * 60
            assert {owners(pod)[0] for pod in await here.pods()} == {await uid(here)}

    virtually(main())


@played(3)
async def test_with_another_template_it_adopts_and_rolls(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    before = {pod["metadata"]["uid"] for pod in await here.pods()}
    await orphan_all(here)
    await here.create(image="app:2")
    pods = await here.pods()
    assert {owners(pod)[0] for pod in pods} == {await uid(here)}
    # One at a time, as any update.
    assert len([pod for pod in pods if pod["metadata"]["uid"] in before and not deleting(pod)]) == 2
    await here.roll_out()
    assert [image(pod) for pod in await here.pods()] == ["app:2"] * 3


def deleting(pod: Json) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


@played(3)
async def test_of_two_daemon_sets_with_one_selector_each_keeps_its_own(here: Arena) -> None:
    await here.create("ds")
    body: Json = await here.ds("ds")
    twin: Json = {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "twin"}, "spec": body["spec"]}
    await here.client.create(DAEMON_SETS, twin, NS)
    await here.settle()
    await here.roll_out()
    both = {await uid(here, "ds"): 3, await uid(here, "twin"): 3}
    found: dict[str, int] = {}
    for pod in await here.pods():
        (owner,) = owners(pod)
        found[owner] = found.get(owner, 0) + 1
    assert found == both
    here.wire.requests.clear()
    # An orphan that both select becomes the pod of one of them, and is one too many there.
    await here.client.create(PODS, orphan("stray", "n01"), NS)
    await here.settle()
    pods = {pod["metadata"]["name"]: pod for pod in await here.pods()}
    assert len(owners(pods["stray"])) == 1 if "stray" in pods else True
    await here.roll_out()
    assert len(await here.pods()) == 6
    assert sum(each.startswith("DELETE") for each in here.wire.requests) == 1
    assert await here.counts("ds") == await here.counts("twin") == (3, 3, 3, 3, 3, 0, 0)


def orphan(name: str, node: str, **labels: str) -> Json:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"app": "ds", **labels}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
    }


@played(2)
async def test_a_label_that_goes_and_comes_back(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    (first,) = await here.on("n00")
    name = first["metadata"]["name"]
    await patch_pod(here, name, {"labels": {"app": "debugged"}})
    await here.settle(2)
    await here.roll_out()
    released, replacement = sorted(await here.on("n00"), key=lambda pod: pod["metadata"]["name"] != name)
    assert owners(released) == []
    assert owners(replacement) == [await uid(here)]
    assert await here.counts() == (2, 2, 2, 2, 2, 0, 0)
    await patch_pod(here, name, {"labels": {"app": "ds"}})
    await here.settle()
    # The older of the two stays.
    back, extra = sorted(await here.on("n00"), key=lambda pod: pod["metadata"]["name"] != name)
    assert owners(back) == [await uid(here)]
    assert not deleting(back)
    assert deleting(extra)
    await here.roll_out()
    assert [pod["metadata"]["name"] for pod in await here.on("n00")] == [name]


@played(2)
async def test_a_name_that_comes_back_waits_for_its_predecessors_pods(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    old = {target(pod): pod for pod in await here.pods()}
    await patch_pod(here, old["n00"]["metadata"]["name"], {"finalizers": ["example.com/hold"]})
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.create(image="app:2")
    assert sorted(target(pod) for pod in await here.pods()) == ["n00", "n01"]
    await here.end(old["n01"])
    await here.end(old["n00"])
    await here.settle()
    assert [(target(pod), image(pod)) for pod in await here.pods()] == [("n00", "app:1"), ("n01", "app:2")]
    # Nor does a restart forget whose pod that is.
    await here.stop()
    await here.start()
    assert len(await here.on("n00")) == 1
    await patch_pod(here, old["n00"]["metadata"]["name"], {"finalizers": None})
    await here.roll_out()
    assert [image(pod) for pod in await here.pods()] == ["app:2"] * 2


@pytest.mark.parametrize("held", [False, True], ids=["", "held by a finalizer"])
def test_a_predecessors_revision_is_not_taken_for_its_own(held: bool) -> None:
    async def main() -> None:
        async with arena(1) as here:
            await here.create()
            await here.roll_out()
            (old,) = await here.revisions()
            (pod,) = await here.pods()
            name = old["metadata"]["name"]
            if held:
                hold = {"metadata": {"finalizers": ["example.com/hold"]}}
                await here.client.patch(CONTROLLER_REVISIONS, name, hold, NS)
            await here.client.delete(DAEMON_SETS, "ds", NS)
            await here.create()
            assert [one["metadata"]["uid"] for one in await here.revisions()] == [old["metadata"]["uid"]]
            await here.client.delete(CONTROLLER_REVISIONS, name, NS)
            await here.end(pod)
            await here.settle(5)
            await here.roll_out()
            mine = [one for one in await here.revisions() if owners(one) == [await uid(here)]]
            assert len(mine) == 1
            assert (mine[0]["metadata"]["name"] != name) == held
            assert [hash_of(one) for one in await here.pods()] == [mine[0]["metadata"]["labels"][HASH_LABEL]]
            assert await here.counts() == (1, 1, 1, 1, 1, 0, 0)

    virtually(main())


@played(2)
async def test_with_surge_a_name_that_comes_back_waits_for_nobody(here: Arena) -> None:
    surge = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await here.create()
    await here.roll_out()
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.create(image="app:2", updateStrategy=surge)
    assert [len(await here.on(node)) for node in ("n00", "n01")] == [2, 2]


@played(2)
async def test_a_predecessors_pod_that_has_ended_holds_no_node(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    for pod in await here.pods():
        await patch_pod(here, pod["metadata"]["name"], {"finalizers": ["example.com/hold"]})
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.create(image="app:2")
    assert len(await here.pods()) == 2
    for pod in await here.pods():
        await here.report(pod, ready=False, phase="Failed")
    await here.settle()
    assert [len(await here.on(node)) for node in ("n00", "n01")] == [2, 2]


@played(3)
async def test_what_another_controller_of_our_kind_and_name_in_another_group_owns_is_nobodys_predecessor(
    here: Arena,
) -> None:
    pod: Any = orphan("foreign", "n00")
    reference = {"apiVersion": "apps.example.com/v1", "kind": "DaemonSet", "name": "ds", "uid": "u", "controller": True}
    pod["metadata"]["ownerReferences"] = [reference]
    await here.client.create(PODS, pod, NS)
    await here.create()
    assert len(await here.on("n00")) == 2


@played(2)
async def test_a_pod_that_a_finalizer_holds_blocks_its_node_and_nothing_is_written_meanwhile(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    (held,) = await here.on("n00")
    await patch_pod(here, held["metadata"]["name"], {"finalizers": ["example.com/hold"]})
    await here.roll("app:2")
    (held,) = await here.on("n00")
    await here.end(held)
    # Until it has been said that the pod is still there after its grace.
    await here.settle(60)
    here.wire.requests.clear()
    await here.settle(600)
    assert here.wire.requests == []
    # maxUnavailable is 1 and taken up by the node that waits.
    assert [image(pod) for pod in await here.pods()] == ["app:1"] * 2
    await patch_pod(here, held["metadata"]["name"], {"finalizers": None})
    await here.roll_out()
    assert {hash_of(pod) for pod in await here.pods()} == {hash_of((await here.pods())[0])}
    assert [image(pod) for pod in await here.pods()] == ["app:2"] * 2
