"""The controller on the real API: what a person sees of it, scenario by scenario."""

from __future__ import annotations

import json

import pytest

from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from everynode.api.status import ApiError
from everynode.wire.message import Request, Response
from tests.controllers.daemonset.arena import NS, Arena, arena, hash_of, image, played, target
from tests.virtual_time import virtually

SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@played(3)
async def test_one_pod_on_every_node(here: Arena) -> None:
    await here.create()
    pods = await here.pods()
    assert [target(pod) for pod in pods] == ["n00", "n01", "n02"]
    assert all("nodeName" not in pod["spec"] for pod in pods)
    assert await here.counts() == (3, 3, 0, 3, 0, 3, 0)
    await here.run_pods()
    assert await here.counts() == (3, 3, 3, 3, 3, 0, 0)
    assert (await here.status())["observedGeneration"] == 1
    assert {f"Normal SuccessfulCreate Created pod: {pod['metadata']['name']}" for pod in pods} <= await here.events()


@played(1)
async def test_nodes_come_and_go(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.add_nodes("n01")
    await here.settle()
    assert [target(pod) for pod in await here.pods()] == ["n00", "n01"]
    # The pod of n01 is not bound yet: nobody else would ever remove it.
    await here.client.delete(NODES, "n01")
    await here.settle()
    assert [target(pod) for pod in await here.pods()] == ["n00"]
    # A bound pod is the pod garbage collector's.
    await here.client.delete(NODES, "n00")
    await here.settle()
    assert [target(pod) for pod in await here.pods()] == ["n00"]
    assert await here.counts() == (0, 0, 0, 0, 0, 0, 0)


@played(3)
async def test_labels_and_taints_decide_where_it_runs(here: Arena) -> None:
    await here.patch_node("n00", {"metadata": {"labels": {"disk": "ssd"}}})
    await here.create(template={"nodeSelector": {"disk": "ssd"}})
    await here.roll_out()
    assert [target(pod) for pod in await here.pods()] == ["n00"]
    await here.patch_node("n01", {"metadata": {"labels": {"disk": "ssd"}}})
    await here.roll_out()
    assert await here.counts() == (2, 2, 2, 2, 2, 0, 0)
    taint = {"key": "dedicated", "effect": "NoSchedule"}
    await here.patch_node("n00", {"spec": {"taints": [taint]}})
    await here.settle()
    # NoSchedule keeps new pods away, and lets the one that runs stay.
    assert await here.counts() == (1, 1, 1, 1, 1, 0, 1)
    await here.patch_node("n00", {"spec": {"taints": [taint | {"effect": "NoExecute"}]}})
    await here.roll_out()
    assert [target(pod) for pod in await here.pods()] == ["n01"]
    await here.patch_node("n01", {"metadata": {"labels": {"disk": None}}})
    await here.roll_out()
    assert await here.pods() == []
    assert await here.counts() == (0, 0, 0, 0, 0, 0, 0)


@played(5)
async def test_a_rolling_update_keeps_its_budget(here: Arena) -> None:
    await here.create(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}})
    await here.roll_out()
    await here.roll("app:2")
    for expected in (3, 3, 3):
        pods = await here.pods()
        serving = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        assert len(serving) >= expected, "never more than two nodes without an available pod"
        await here.run_pods()
    await here.roll_out()
    assert {image(pod) for pod in await here.pods()} == {"app:2"}
    assert await here.counts() == (5, 5, 5, 5, 5, 0, 0)
    assert (await here.status())["observedGeneration"] == 2


@played(4)
async def test_a_broken_update_stops_within_its_budget_and_the_next_mends_it(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.roll("broken:1")
    for _ in range(4):
        for pod in await here.pods():
            if pod["metadata"].get("deletionTimestamp"):
                await here.end(pod)
            elif not pod["spec"].get("nodeName"):
                await here.bind(pod)
        await here.settle()
    assert sorted(image(pod) for pod in await here.pods()) == ["app:1"] * 3 + ["broken:1"]
    assert await here.counts() == (4, 4, 3, 1, 3, 1, 0)
    await here.roll("app:3")
    # The broken pod is replaced beyond the budget, and no healthy one with it.
    going = [pod for pod in await here.pods() if pod["metadata"].get("deletionTimestamp")]
    assert [image(pod) for pod in going] == ["broken:1"]
    await here.roll_out()
    assert {image(pod) for pod in await here.pods()} == {"app:3"}


@played(3)
async def test_surge_starts_the_new_pod_before_the_old_one_goes(here: Arena) -> None:
    await here.create(updateStrategy=SURGE)
    await here.roll_out()
    await here.roll("app:2")
    assert [image(pod) for pod in await here.on("n00")].count("app:2") == 1
    assert len(await here.pods()) == 4
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in await here.pods())
    for pod in await here.on("n00"):
        if image(pod) == "app:2":
            await here.bind(pod)
            await here.report(pod)
    await here.settle()
    going = [pod for pod in await here.pods() if pod["metadata"].get("deletionTimestamp")]
    assert [(target(pod), image(pod)) for pod in going] == [("n00", "app:1")]
    assert [image(pod) for pod in await here.on("n01")].count("app:2") == 1
    await here.roll_out()
    assert [image(pod) for pod in await here.pods()] == ["app:2"] * 3


@played(2)
async def test_on_delete_replaces_only_what_is_deleted(here: Arena) -> None:
    await here.create(updateStrategy={"type": "OnDelete"})
    await here.roll_out()
    await here.roll("app:2")
    await here.roll_out()
    assert {image(pod) for pod in await here.pods()} == {"app:1"}
    assert await here.counts() == (2, 2, 2, 0, 2, 0, 0)
    await here.end((await here.on("n00"))[0])
    await here.roll_out()
    assert [image(pod) for pod in await here.pods()] == ["app:2", "app:1"]


@played(2)
async def test_a_pod_is_available_after_min_ready_seconds_by_our_own_clock(here: Arena) -> None:
    await here.create(minReadySeconds=30)
    for number, pod in enumerate(await here.pods()):
        await here.bind(pod)
        # One kubelet's clock is an hour slow, the other's an hour fast.
        await here.report(pod, changed=here.clock.now() + (3600 if number else -3600))
    await here.settle(29.0)
    assert await here.counts() == (2, 2, 2, 2, 0, 2, 0)
    await here.settle(1.5)
    assert await here.counts() == (2, 2, 2, 2, 2, 0, 0)


@played(2)
async def test_an_update_waits_for_min_ready_seconds_exactly(here: Arena) -> None:
    await here.create(minReadySeconds=10)
    await here.run_pods()
    await here.settle(11)
    await here.roll("app:2")
    await here.run_pods()
    await here.run_pods()
    ready_at = here.clock.now()
    deleted = [request for request in here.wire.requests if request.startswith("DELETE")]
    assert len(deleted) == 1
    await here.settle(8.5)
    assert len([request for request in here.wire.requests if request.startswith("DELETE")]) == 1
    await here.settle(1.5)
    assert len([request for request in here.wire.requests if request.startswith("DELETE")]) == 2
    assert here.clock.now() - ready_at <= 10


@played(1)
async def test_after_a_restart_pods_found_ready_count_from_their_transition(here: Arena) -> None:
    await here.create(minReadySeconds=60)
    await here.run_pods()
    await here.settle(40)
    await here.stop()
    await here.start()
    await here.settle(18)
    assert (await here.counts())[4] == 0
    await here.settle(3)
    assert (await here.counts())[4] == 1


@played(1)
async def test_failed_pods_are_replaced_after_ever_longer_pauses(here: Arena) -> None:
    await here.create()
    lives = []
    for _ in range(4):
        began = here.clock.now()
        pod = (await here.pods())[0]
        await here.report(pod, ready=False, phase="Failed")
        while (found := await here.pods()) and found[0]["metadata"]["uid"] == pod["metadata"]["uid"]:
            await here.settle(0.25)
            if found[0]["metadata"].get("deletionTimestamp"):
                await here.end(found[0])
        await here.settle(0.25)
        lives.append(here.clock.now() - began)
    assert lives[0] < 1
    assert lives == sorted(lives)
    assert lives[3] > 3
    name = pod["metadata"]["name"]
    message = f"Found failed daemon pod default/{name} on node n00, will try to kill it"
    assert f"Warning FailedDaemonPod {message}" in await here.events()


@played(1)
async def test_succeeded_pods_are_replaced_at_once(here: Arena) -> None:
    await here.create()
    pod = (await here.pods())[0]
    name = pod["metadata"]["name"]
    await here.bind(pod)
    await here.report(pod, ready=False, phase="Succeeded")
    await here.settle()
    await here.roll_out()
    assert name not in [one["metadata"]["name"] for one in await here.pods()]
    message = f"Found succeeded daemon pod default/{name} on node n00, will try to delete it"
    assert f"Normal SucceededDaemonPod {message}" in await here.events()
    assert f"Normal SuccessfulDelete Deleted pod: {name}" in await here.events()


@played(2)
async def test_history_and_rollback(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.roll("app:2")
    await here.roll_out()
    first, second = await here.revisions()
    assert (first["revision"], second["revision"]) == (1, 2)
    assert first["data"]["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"
    assert first["metadata"]["name"] == f"ds-{first['metadata']['labels']['controller-revision-hash']}"
    await here.change(first["data"])
    again = await here.revisions()
    assert [(one["metadata"]["name"], one["revision"]) for one in again] == [
        (second["metadata"]["name"], 2),
        (first["metadata"]["name"], 3),
    ]
    await here.roll_out()
    assert {hash_of(pod) for pod in await here.pods()} == {first["metadata"]["labels"]["controller-revision-hash"]}
    assert {image(pod) for pod in await here.pods()} == {"app:1"}


@played(1)
async def test_the_data_of_a_revision_comes_back_compact_and_sorted(here: Arena) -> None:
    await here.create(template={"containers": [{"name": "c", "image": "i", "args": ["a<b && c"]}]})
    response = await here.api(
        Request("GET", f"/apis/apps/v1/namespaces/{NS}/controllerrevisions", peer=here.client._peer)
    )
    data = json.dumps((await here.revisions())[0]["data"], sort_keys=True, separators=(",", ":"))
    assert data.replace("<", "\\u003c").replace("&", "\\u0026").encode() in response.body


@played(1)
async def test_history_is_kept_to_its_limit_but_for_what_runs(here: Arena) -> None:
    await here.create(revisionHistoryLimit=1)
    await here.roll_out()
    for version in (2, 3, 4):
        await here.roll(f"app:{version}")
        await here.roll_out()
    assert [one["revision"] for one in await here.revisions()] == [3, 4]


@played(1)
async def test_a_revision_that_took_our_name_leads_to_another_hash(here: Arena) -> None:
    await here.create()
    ours = (await here.revisions())[0]
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.settle()
    await here.client.delete(CONTROLLER_REVISIONS, ours["metadata"]["name"], NS)
    meta = {"name": ours["metadata"]["name"], "labels": {"other": "1"}}
    other = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "metadata": meta, "data": {"x": 1}, "revision": 1}
    await here.client.create(CONTROLLER_REVISIONS, other, NS)
    await here.create()
    await here.settle(2)
    assert (await here.status())["collisionCount"] == 1
    names = [one["metadata"]["name"] for one in await here.revisions()]
    assert len(names) == 2
    assert (await here.counts())[0] == 1


@played(2)
async def test_duplicate_revisions_become_one_and_pods_follow(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    first = (await here.revisions())[0]
    twin = {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": "ds-twin",
            "labels": {"app": "ds", "controller-revision-hash": "twin"},
            "ownerReferences": first["metadata"]["ownerReferences"],
        },
        "data": first["data"],
        "revision": 5,
    }
    await here.client.create(CONTROLLER_REVISIONS, twin, NS)
    await here.settle(2)
    # Seen, but nothing to hurry about: whoever brings a history along finds it as it was until something happens.
    assert [one["metadata"]["name"] for one in await here.revisions()] == [first["metadata"]["name"], "ds-twin"]
    await here.client.patch(CONTROLLER_REVISIONS, "ds-twin", {"metadata": {"labels": {"touched": "yes"}}}, NS)
    await here.settle(2)
    assert [one["metadata"]["name"] for one in await here.revisions()] == ["ds-twin"]
    assert {hash_of(pod) for pod in await here.pods()} == {"twin"}
    assert await here.counts() == (2, 2, 2, 2, 2, 0, 0)


@played(2)
async def test_a_new_daemon_set_adopts_what_an_orphaning_left_and_restarts_nothing(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    before = [pod["metadata"]["uid"] for pod in await here.pods()]
    history = [one["metadata"]["uid"] for one in await here.revisions()]
    await here.client.delete(DAEMON_SETS, "ds", NS)
    for pod in await here.pods():
        await here.client.patch(PODS, pod["metadata"]["name"], {"metadata": {"ownerReferences": None}}, NS)
    for one in await here.revisions():
        change = {"metadata": {"ownerReferences": None}}
        await here.client.patch(CONTROLLER_REVISIONS, one["metadata"]["name"], change, NS)
    await here.settle()
    await here.create()
    await here.roll_out()
    owner = (await here.ds())["metadata"]["uid"]
    pods = await here.pods()
    assert [pod["metadata"]["uid"] for pod in pods] == before
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {owner}
    assert [one["metadata"]["uid"] for one in await here.revisions()] == history
    assert {one["metadata"]["ownerReferences"][0]["uid"] for one in await here.revisions()} == {owner}
    assert await here.counts() == (2, 2, 2, 2, 2, 0, 0)


@played(1)
async def test_a_pod_whose_labels_no_longer_match_is_released_and_replaced(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    loner = (await here.pods())[0]["metadata"]["name"]
    await here.client.patch(PODS, loner, {"metadata": {"labels": {"app": "other"}}}, NS)
    await here.settle(2)
    pods = {pod["metadata"]["name"]: pod for pod in await here.pods()}
    assert len(pods) == 2
    assert not pods[loner]["metadata"].get("ownerReferences")


@played(1)
async def test_pods_of_others_are_left_alone(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    mine = (await here.pods())[0]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "other", "controller": True}
    theirs = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "theirs", "labels": {"app": "ds"}, "ownerReferences": [owner]},
        "spec": {"nodeName": "n00", "containers": [{"name": "c", "image": "i"}]},
    }
    await here.client.create(PODS, theirs, NS)
    await here.settle()
    assert len(await here.pods()) == 2
    assert (await here.pods())[0]["metadata"]["name"] in (mine["metadata"]["name"], "theirs")


@played(2)
async def test_nothing_is_done_for_a_daemon_set_that_is_being_deleted(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.change({"metadata": {"finalizers": ["example.com/keep"]}})
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.settle()
    status = await here.status()
    await here.end((await here.pods())[0])
    await here.settle(2)
    assert len(await here.pods()) == 1
    assert await here.status() == status


@played(130)
async def test_a_settled_cluster_is_not_touched_by_a_restart(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.stop()
    here.wire.requests.clear()
    await here.start()
    await here.settle(60)
    assert here.wire.requests == []


@played(3)
async def test_a_restart_in_the_middle_of_an_update_goes_on_with_it(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    await here.roll("app:2")
    await here.run_pods()
    await here.stop()
    await here.start()
    await here.roll_out()
    assert [image(pod) for pod in await here.pods()] == ["app:2"] * 3


def refusal(code: int, reason: str, message: str, *causes: str) -> Response:
    details = {"causes": [{"reason": cause} for cause in causes]}
    status = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return Response(code, {"content-type": "application/json"}, json.dumps(status).encode())


def creates_pod(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/pods")


@played(9)
async def test_creations_start_slowly_and_stop_at_the_first_refusal(here: Arena) -> None:
    refused = 0

    def refuse(request: Request) -> Response | None:
        nonlocal refused
        if not creates_pod(request) or here.clock.now() - began > 0.001:
            return None
        refused += 1
        return refusal(403, "Forbidden", "exceeded quota")

    began = here.clock.now()
    here.wire.refuse = refuse
    await here.create()
    # One pod a try, not nine.
    assert refused <= 2
    assert "Warning FailedCreate Error creating: exceeded quota" in await here.events()
    # Tried again after the back-off, until it works.
    await here.settle(5)
    assert len(await here.pods()) == 9


@played(9)
async def test_a_namespace_that_ends_makes_no_noise(here: Arena) -> None:
    def refuse(request: Request) -> Response | None:
        message = "pods is forbidden: unable to create new content in namespace default because it is being terminated"
        return refusal(403, "Forbidden", message, "NamespaceTerminating") if creates_pod(request) else None

    here.wire.refuse = refuse
    await here.create()
    assert not any("FailedCreate" in event for event in await here.events())
    # Nor is every node tried when the first has been refused.
    assert here.wire.requests.count("POST /namespaces/default/pods") <= here.controller.syncs <= 3


@played(1)
async def test_deletions_name_the_very_version_they_were_decided_on(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    pod = (await here.pods())[0]
    await here.roll("app:2")
    deletions = [
        json.loads(body)
        for request, body in zip(here.wire.requests, here.wire.bodies, strict=True)
        if request.startswith("DELETE")
    ]
    meta = pod["metadata"]
    assert deletions[0]["preconditions"] == {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}


@played(30)
async def test_the_status_is_written_at_a_bounded_rate_and_the_last_state_always(here: Arena) -> None:
    await here.create()
    here.wire.requests.clear()
    for pod in await here.pods():
        await here.bind(pod)
        await here.report(pod)
        await here.settle(0.01)
    await here.settle(1)
    assert await here.counts() == (30, 30, 30, 30, 30, 0, 0)
    written = [request for request in here.wire.requests if request.endswith("/status")]
    assert len(written) <= 5


@played(1)
async def test_foreign_status_is_put_right(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    change = {"status": {"numberReady": 77, "conditions": [{"type": "Mine", "status": "True"}]}}
    await here.client.patch(DAEMON_SETS, "ds", change, NS, subresource="status")
    await here.settle()
    status = await here.status()
    assert status["numberReady"] == 1
    # Conditions are not ours.
    assert [one["type"] for one in status["conditions"]] == ["Mine"]


@played(6)
async def test_a_watch_that_lags_leads_to_no_second_pod_and_no_second_deletion(here: Arena) -> None:
    here.wire.lag["pods"] = 3.0
    await here.create(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}})
    # Other events keep it busy meanwhile.
    for number in range(8):
        await here.patch_node("n00", {"metadata": {"labels": {"beat": str(number)}}})
        await here.settle(1)
    await here.settle(20)
    assert [target(pod) for pod in await here.pods()] == [f"n{number:02}" for number in range(6)]
    assert len([request for request in here.wire.requests if request.startswith("POST") and "pods" in request]) == 6
    for pod in await here.pods():
        await here.bind(pod)
        await here.report(pod)
    await here.settle(60)
    await here.roll("app:2")
    for number in range(4):
        await here.patch_node("n00", {"metadata": {"labels": {"beat": f"again-{number}"}}})
        await here.settle(1)
    assert len([request for request in here.wire.requests if request.startswith("DELETE")]) == 2


@played(3)
async def test_a_creation_whose_answer_got_lost_is_not_made_twice(here: Arena) -> None:
    here.wire.lag["pods"] = 2.0
    lost: list[str] = []

    def lose(request: Request) -> bool:
        if creates_pod(request) and not lost:
            lost.append(request.path)
            return True
        return False

    here.wire.lose = lose
    await here.create()
    for number in range(20):
        await here.patch_node("n00", {"metadata": {"labels": {"beat": str(number)}}})
        await here.settle(1)
    assert lost
    assert [target(pod) for pod in await here.pods()] == ["n00", "n01", "n02"]
    assert len([request for request in here.wire.requests if request.startswith("POST") and "pods" in request]) == 3


@played(1)
async def test_nothing_is_adopted_for_a_daemon_set_that_is_gone_without_our_knowing(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    here.wire.lag["daemonsets"] = 10.0
    await here.client.delete(DAEMON_SETS, "ds", NS)
    orphan = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "orphan", "labels": {"app": "ds"}},
        "spec": {"nodeName": "n00", "containers": [{"name": "c", "image": "i"}]},
    }
    await here.client.create(PODS, orphan, NS)
    await here.settle(5)
    found = {pod["metadata"]["name"]: pod for pod in await here.pods()}["orphan"]
    assert not found["metadata"].get("ownerReferences")


@played(2)
async def test_a_pod_that_changed_since_the_decision_is_decided_on_again(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    changed: list[str] = []

    async def touch(name: str) -> None:
        await here.client.patch(PODS, name, {"metadata": {"annotations": {"touched": "1"}}}, NS)

    def late(request: Request) -> Response | None:
        if request.method == "DELETE" and not changed:
            changed.append(request.path.rpartition("/")[2])
            return refusal(409, "Conflict", "the ResourceVersion in the precondition does not match")
        return None

    here.wire.refuse = late
    await here.roll("app:2")
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in await here.pods())
    await touch(changed[0])
    await here.roll_out()
    assert {image(pod) for pod in await here.pods()} == {"app:2"}
    assert not any("FailedDelete" in event for event in await here.events())


@played(40)
async def test_what_one_event_costs_does_not_grow_with_the_fleet(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    before = here.controller.examined
    await here.report((await here.on("n07"))[0], ready=False)
    await here.settle()
    assert 0 < here.controller.examined - before <= 2


@played(1)
async def test_heartbeats_of_nodes_are_not_looked_at(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    before = here.controller.syncs
    condition = {"type": "Ready", "status": "True"}
    await here.client.patch(NODES, "n00", {"status": {"conditions": [condition]}}, subresource="status")
    await here.settle()
    assert here.controller.syncs == before


@played(1)
async def test_a_daemon_set_made_again_under_its_name_starts_afresh(here: Arena) -> None:
    await here.create()
    await here.roll_out()
    pod = (await here.pods())[0]
    await here.client.delete(DAEMON_SETS, "ds", NS)
    await here.create(image="app:2")
    # The old pod is still its former owner's, whom the garbage collector mourns, and holds the node until it has gone.
    assert await here.pods() == [pod]
    await here.end(pod)
    await here.roll_out()
    assert [image(one) for one in await here.pods()] == ["app:2"]


def test_virtual_time_does_not_hide_failures() -> None:
    async def main() -> None:
        async with arena(0) as here:
            with pytest.raises(ApiError):
                await here.ds("absent")

    virtually(main())
