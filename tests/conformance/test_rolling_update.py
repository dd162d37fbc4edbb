"""The rolling update in both its forms, with the test as the kubelet: upstream's update tests seen from outside."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.conformance.world import HASH, World, ago, daemon_set, eventually, is_ready, rolling, target

NODES = 5


def of_image(pods: list[Any], image: str) -> list[Any]:
    return [pod for pod in pods if pod.spec.containers[0].image == image]


def started(world: World, strategy: dict[str, Any], *, ready: bool = True, **pod: Any) -> list[Any]:
    """A settled DaemonSet on five nodes; its pods' containers end only when the test says so."""
    world.nodes(NODES)
    world.create(daemon_set(strategy=strategy, terminationGracePeriodSeconds=600, **pod))
    pods = world.run_all(NODES) if ready else world.bound(NODES)
    world.status(number_ready=NODES if ready else 0, current_number_scheduled=NODES)
    return pods


def ending(world: World, count: int) -> list[Any]:
    """The pods that are being deleted, when there are so many; and there are no more when the controller is through."""

    def deleted() -> list[Any]:
        return [pod for pod in world.pods() if pod.metadata.deletion_timestamp]

    eventually(deleted, lambda pods: len(pods) == count)
    world.quiet()
    found = deleted()
    assert len(found) == count
    return found


def new_pods(world: World, image: str, count: int) -> list[Any]:
    """The pods of this image, when there are so many and all are bound; no more come."""
    eventually(
        lambda: of_image(world.pods(), image),
        lambda pods: len(pods) == count and all(pod.spec.node_name for pod in pods),
    )
    world.quiet()
    found = of_image(world.pods(), image)
    assert len(found) == count
    return found


def test_daemon_set_updates_pods(world: World) -> None:
    """Two at a time; a successor comes when its forerunner is gone, and the next go when it is available."""
    started(world, rolling(2))
    world.set_image("new")
    for step in (2, 2, 1):
        for pod in ending(world, step):
            world.finish(pod)
        done = NODES if step == 1 else 2 + 2 * (len(of_image(world.pods(), "new")) // 3)
        for pod in new_pods(world, "new", done):
            if not is_ready(pod):
                world.report(pod)
    world.status(updated_number_scheduled=NODES, number_available=NODES)


def test_daemon_set_updates_when_new_pods_are_not_ready(world: World) -> None:
    started(world, rolling(3))
    world.set_image("new")
    for pod in ending(world, 3):
        world.finish(pod)
    new_pods(world, "new", 3)
    assert not ending(world, 0)
    world.status(updated_number_scheduled=3, number_available=2, number_unavailable=3)


def test_daemon_set_updates_all_old_pods_not_ready(world: World) -> None:
    """What is not available is replaced at once, whatever the budget says."""
    started(world, rolling(1), ready=False)
    world.set_image("new")
    for pod in ending(world, NODES):
        world.finish(pod)
    new_pods(world, "new", NODES)


def test_daemon_set_updates_some_old_pods_not_ready(world: World) -> None:
    """Old pods that are not ready use the budget up: the two go, and no healthy one beside them."""
    pods = started(world, rolling(2))
    for pod in pods[:2]:
        world.report(pod, ready=False)
    world.status(number_available=3)
    world.set_image("new")
    assert {pod.metadata.uid for pod in ending(world, 2)} == {pod.metadata.uid for pod in pods[:2]}


def test_daemon_set_updates_save_old_healthy_pods(world: World) -> None:
    """A broken update is mended by another one: broken pods first, healthy old ones stay."""
    old = started(world, rolling(3))
    world.set_image("broken")
    for pod in ending(world, 3):
        world.finish(pod)
    broken = new_pods(world, "broken", 3)
    world.set_image("mended")
    assert {pod.metadata.uid for pod in ending(world, 3)} == {pod.metadata.uid for pod in broken}
    kept = [pod.metadata.uid for pod in world.pods() if not pod.metadata.deletion_timestamp]
    assert len(kept) == 2
    assert set(kept) < {pod.metadata.uid for pod in old}


def test_daemon_set_updates_no_template_changed(world: World) -> None:
    pods = started(world, {"type": "OnDelete"})
    world.patch({"spec": {"updateStrategy": rolling(3)}})
    ending(world, 0)
    assert {pod.metadata.uid for pod in world.pods()} == {pod.metadata.uid for pod in pods}


def test_terminating_pod_uses_the_budget(world: World) -> None:
    pods = started(world, rolling(1))
    world.delete_pod(pods[0])
    world.set_image("new")
    assert [pod.metadata.uid for pod in ending(world, 1)] == [pods[0].metadata.uid]


@pytest.mark.parametrize(("budget", "number"), [("10%", 1), ("50%", 3), ("100%", 5), (7, 5)])
def test_percentages_are_rounded_up(world: World, budget: int | str, number: int) -> None:
    started(world, rolling(budget))
    world.set_image("new")
    ending(world, number)


def test_update_counts_min_ready_seconds(world: World) -> None:
    pods = started(world, rolling(1))
    world.patch({"spec": {"minReadySeconds": 3600}})
    world.status(number_ready=NODES, number_available=0)
    world.set_image("new")
    # None is available: all may go.
    assert len(ending(world, NODES)) == len(pods)


def test_daemon_set_updates_pods_with_max_surge(world: World) -> None:
    started(world, rolling(0, 2))
    world.set_image("new")
    for total in (2, 4, 5):
        for pod in new_pods(world, "new", total):
            if not is_ready(pod):
                assert len([one for one in world.on(target(pod)) if one.spec.containers[0].image == "bar"]) == 1
                world.report(pod)
        gone = total if total == NODES else 2

        def replaced(pods: list[Any], gone: int = gone) -> bool:
            return len([pod for pod in pods if pod.metadata.deletion_timestamp]) >= min(gone, 1)

        for pod in eventually(world.pods, replaced):
            if pod.metadata.deletion_timestamp:
                world.finish(pod)
    with world.kubelet():
        world.status(updated_number_scheduled=NODES, number_available=NODES)
        eventually(world.pods, lambda pods: len(pods) == NODES)


def test_daemon_set_updates_all_old_pods_not_ready_max_surge(world: World) -> None:
    """All old pods are not available: each gets its successor at once, and goes, not being ready."""
    old = started(world, rolling(0, 1), ready=False)
    world.set_image("new")
    new_pods(world, "new", NODES)
    assert {pod.metadata.uid for pod in ending(world, NODES)} == {pod.metadata.uid for pod in old}


def test_surge_waits_for_the_new_pod_to_be_available(world: World) -> None:
    """TestSurgePreservesReadyOldPods, and those with minReadySeconds not satisfied and satisfied."""
    world.node("n")
    ds = daemon_set(strategy=rolling(0, 1), terminationGracePeriodSeconds=600)
    ds["spec"]["minReadySeconds"] = 2
    world.create(ds)
    world.run_all(1)
    world.status(number_available=1)
    world.set_image("new")
    (new,) = new_pods(world, "new", 1)
    ending(world, 0)
    # During a surge the old pod is the one that counts.
    world.status(updated_number_scheduled=0, number_available=1, current_number_scheduled=1)
    world.report(new)
    assert not [pod for pod in world.pods() if pod.metadata.deletion_timestamp]
    (old,) = eventually(
        lambda: [pod for pod in world.pods() if pod.metadata.deletion_timestamp], lambda pods: len(pods) == 1
    )
    assert old.spec.containers[0].image == "bar"
    world.finish(old)
    world.status(updated_number_scheduled=1, number_available=1)


def test_surge_deletes_unready_old_pods(world: World) -> None:
    world.node("n")
    world.create(daemon_set(strategy=rolling(0, 1), terminationGracePeriodSeconds=600))
    (old,) = world.run_all(1)
    world.status(number_available=1)
    world.set_image("new")
    new_pods(world, "new", 1)
    world.report(old, ready=False)
    assert [pod.metadata.uid for pod in ending(world, 1)] == [old.metadata.uid]


def test_surge_creates_new_pod_when_old_pod_deleted(world: World) -> None:
    """With surge nothing waits for a terminating pod."""
    world.node("n")
    world.create(daemon_set(strategy=rolling(0, 1), terminationGracePeriodSeconds=600))
    (old,) = world.run_all(1)
    world.status(number_available=1)
    world.delete_pod(old)
    pods = eventually(world.pods, lambda pods: len(pods) == 2)
    assert old.metadata.uid in [pod.metadata.uid for pod in pods]


def test_surge_keeps_capacity_while_nodes_are_changed(world: World) -> None:
    """k8s#118823: the template moves to other nodes; an available pod stays until its like on the new node is available."""
    for number in range(2):
        world.node(f"a{number}", labels={"pool": "a"})
        world.node(f"b{number}", labels={"pool": "b"})
    world.create(daemon_set(strategy=rolling(0, 1), nodeSelector={"pool": "a"}, terminationGracePeriodSeconds=0))
    world.run_all(2)
    world.status(number_available=2)
    world.patch({"spec": {"template": {"spec": {"nodeSelector": {"pool": "b"}}}}})
    # Nodes that do not match any more may not go on running: Kubernetes deletes there at once.
    eventually(lambda: sorted(target(pod) for pod in world.pods()), lambda nodes: nodes == ["b0", "b1"])
    world.run_all(2)
    world.status(number_available=2, updated_number_scheduled=2, desired_number_scheduled=2)


def test_surge_leaves_a_node_only_with_spare_capacity(world: World) -> None:
    """A node that may go on but should not run: its available old pod stays while the others are not available."""
    pods = started(world, rolling(0, 1))
    world.taint_node("n0", {"key": "k", "effect": "NoSchedule"})
    world.status(desired_number_scheduled=4, number_misscheduled=1)
    for pod in pods[1:3]:
        world.report(pod, ready=False)
    world.status(number_available=2)
    world.set_image("new")
    # Two at once for those that are not ready, and one surging.
    new_pods(world, "new", 3)
    assert "n0" not in {target(pod) for pod in world.pods() if pod.metadata.deletion_timestamp}


@pytest.mark.parametrize(("unavailable", "surge"), [(2, 0), ("30%", 0), (0, 2), (0, "30%")])
def test_budget_is_never_exceeded_and_updates_overlap(world: World, unavailable: int | str, surge: int | str) -> None:
    """Every change of every pod is watched; two updates meet, and edits of others come in between.

    With surge the second update waits for the first: of two old pods that are equally old Kubernetes keeps the first by name.
    """
    started(world, rolling(unavailable, surge))
    with world.kubelet() as kubelet:
        eventually(lambda: kubelet.most_pods, lambda seen: seen >= NODES)
        kubelet.nodes = NODES
        world.set_image("new")
        edits = [
            threading.Thread(target=world.patch, args=({"metadata": {"annotations": {f"edit{number}": "x"}}},))
            for number in range(5)
        ]
        for edit in edits:
            edit.start()
        eventually(lambda: world.ds().status.updated_number_scheduled or 0, lambda updated: updated >= 2)
        if surge:
            eventually(world.pods, lambda pods: len(of_image(pods, "new")) == len(pods) == NODES)
            world.status(number_available=NODES)
        world.set_image("newer")
        world.status(updated_number_scheduled=NODES, number_available=NODES)
        eventually(world.pods, lambda pods: len(pods) == NODES)
        for edit in edits:
            edit.join()
    assert kubelet.most_unavailable <= (2 if not surge else 0)
    assert kubelet.most_live_on_a_node <= (1 if not surge else 2)
    assert surge or kubelet.most_pods_on_a_node == 1
    assert {pod.spec.containers[0].image for pod in world.pods()} == {"newer"}


def test_rollback_without_unnecessary_restarts(world: World) -> None:
    """Pods that the broken update did not reach are not restarted by the rollback."""
    old = started(world, rolling(1))
    first = world.revisions()[0]
    world.set_image("broken")
    for pod in ending(world, 1):
        world.finish(pod)
    (broken,) = new_pods(world, "broken", 1)
    world.set_image("bar")
    assert [pod.metadata.uid for pod in ending(world, 1)] == [broken.metadata.uid]
    world.finish(broken)
    pods = world.run_all(NODES)
    world.status(updated_number_scheduled=NODES, number_available=NODES)
    assert len({pod.metadata.uid for pod in pods} & {pod.metadata.uid for pod in old}) == NODES - 1
    assert {pod.metadata.labels[HASH] for pod in pods} == {first.metadata.labels[HASH]}
    assert [(one.metadata.name == first.metadata.name, one.revision) for one in world.revisions()] == [
        (False, 2),
        (True, 3),
    ]


def test_old_ready_time_does_not_matter_without_min_ready_seconds(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    (pod,) = world.bound(1)
    world.report(pod, since=ago(-3600))
    world.status(number_available=1)
