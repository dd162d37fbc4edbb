"""One pod on every node, whatever happens to it: failed, succeeded, deleted, surplus, adopted, released and orphaned pods."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kubernetes import client

from tests.conformance.world import HASH, ON_DELETE, World, ago, daemon_set, eventually, is_ready, rolling, target


def owner(ds: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": ds.metadata.name,
        "uid": ds.metadata.uid,
        "controller": True,
    }


def extra_pod(
    world: World, name: str, node: str, *, owner: dict[str, Any] | None = None, labels: dict[str, str] | None = None
) -> Any:
    """A pod that is not made by the controller."""
    metadata: dict[str, Any] = {"name": name, "labels": {"name": "test"} if labels is None else labels}
    if owner:
        metadata["ownerReferences"] = [owner]
    spec = {"nodeName": node, "containers": [{"name": "foo", "image": "bar"}], "terminationGracePeriodSeconds": 0}
    return world.core.create_namespaced_pod(world.namespace, {"metadata": metadata, "spec": spec})


def test_pod_removed_by_hand_is_revived(world: World) -> None:
    world.nodes(2)
    world.create(daemon_set())
    first, second = world.run_all(2)
    world.status(number_available=2)
    world.delete_pod(first)
    eventually(world.pods, lambda pods: len(pods) == 2 and first.metadata.uid not in [pod.metadata.uid for pod in pods])
    world.run_all(2)
    world.status(number_available=2)
    assert second.metadata.uid in [pod.metadata.uid for pod in world.pods()]


def test_daemon_set_respects_termination(world: World) -> None:
    """A pod that is ending occupies its node until it is gone."""
    world.node("n")
    world.create(daemon_set(terminationGracePeriodSeconds=600))
    (pod,) = world.run_all(1)
    world.status(number_available=1)
    deleted = world.delete_pod(pod)
    assert deleted.metadata.deletion_timestamp
    assert deleted.metadata.deletion_grace_period_seconds == 600
    world.quiet()
    assert [one.metadata.uid for one in world.pods()] == [pod.metadata.uid]
    # It still is there and still ready.
    world.status(desired_number_scheduled=1, current_number_scheduled=1, number_ready=1)
    world.finish(pod)
    (after,) = eventually(world.pods, lambda pods: bool(pods) and pods[0].metadata.uid != pod.metadata.uid)
    assert after.spec.node_name in (None, "n")


def test_terminal_pod_held_by_a_finalizer_is_replaced(world: World) -> None:
    """A pod that has ended, is being deleted and waits for a finalizer occupies nothing."""
    world.node("n")
    world.create(daemon_set())
    (pod,) = world.run_all(1)
    world.core.patch_namespaced_pod(
        pod.metadata.name, world.namespace, {"metadata": {"finalizers": ["example.com/hold"]}}
    )
    world.delete_pod(pod)
    world.quiet()
    assert len(world.pods()) == 1
    world.report(pod, "Failed", ready=False)
    eventually(world.pods, lambda pods: len(pods) == 2)
    world.status(desired_number_scheduled=1, current_number_scheduled=1)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_daemon_kills_ended_pods(world: World, phase: str) -> None:
    world.node("n")
    world.create(daemon_set())
    (pod,) = world.run_all(1)
    world.report(pod, phase, ready=False)
    (after,) = eventually(world.pods, lambda pods: bool(pods) and pods[0].metadata.uid != pod.metadata.uid)
    reason, message, type_ = {
        "Failed": ("FailedDaemonPod", "Found failed daemon pod {} on node n, will try to kill it", "Warning"),
        "Succeeded": ("SucceededDaemonPod", "Found succeeded daemon pod {} on node n, will try to delete it", "Normal"),
    }[phase]
    (event,) = eventually(lambda: world.events(reason), lambda events: bool(events))
    assert event.message == message.format(f"{world.namespace}/{pod.metadata.name}")
    assert event.type == type_
    assert (event.involved_object.kind, event.involved_object.name) == ("DaemonSet", "ds")
    assert event.source.component == "daemonset-controller"
    deleted = eventually(lambda: world.events("SuccessfulDelete"), lambda events: bool(events))
    assert deleted[0].message == f"Deleted pod: {pod.metadata.name}"
    created = {
        one.message for one in eventually(lambda: world.events("SuccessfulCreate"), lambda found: len(found) == 2)
    }
    assert created == {f"Created pod: {one.metadata.name}" for one in (pod, after)}


def test_daemon_kill_failed_pods_backoff(world: World) -> None:
    """The first failed pod goes at once, each next one after a pause that doubles from a second."""
    world.node("n")
    world.create(daemon_set())
    pauses = []
    for _ in range(3):
        (pod,) = world.bound(1)
        failed_at = time.monotonic()
        world.report(pod, "Failed", ready=False)
        eventually(world.pods, lambda pods, uid=pod.metadata.uid: uid not in [one.metadata.uid for one in pods])
        pauses.append(time.monotonic() - failed_at)
        eventually(world.pods, lambda pods: len(pods) == 1)
    assert pauses[0] < 0.6
    assert 0.5 < pauses[1] < 1.6
    assert 1.5 < pauses[2] < 2.6


def test_several_failed_pods_of_a_node_go_one_pause_apart(world: World) -> None:
    # Observed before there is anything to delete: a newly observed generation ends the pauses of the one before.
    world.create(daemon_set(strategy=ON_DELETE))
    world.status(observed_generation=1)
    for name in ("a", "b"):
        world.report(extra_pod(world, name, "n"), "Failed", ready=False)
    world.node("n")
    (after,) = eventually(world.pods, lambda pods: len(pods) == 1 and pods[0].metadata.name.startswith("ds-"))
    killed = eventually(lambda: world.events("FailedDaemonPod"), lambda events: len(events) == 2)
    first, second = sorted(event.first_timestamp for event in killed)
    assert (second - first).total_seconds() >= 1  # by the cluster's clock; a slow machine only makes it longer
    assert after.metadata.owner_references


def test_deals_with_existing_pods(world: World) -> None:
    """TestDealsWithExistingPods: nodes with none, one and two pods."""
    for name in ("n1", "n2", "n3"):
        world.node(name)
    made = world.create(daemon_set(nodeSelector={"none": "yes"}))
    eventually(world.revisions, lambda revisions: bool(revisions))
    for name, node in (("one", "n1"), ("two-a", "n2"), ("two-b", "n2")):
        extra_pod(world, name, node, owner=owner(made))
    eventually(world.pods, lambda pods: not pods)
    world.patch({"spec": {"template": {"spec": {"nodeSelector": {"none": None}}}}})
    world.run_all(3)
    extra_pod(world, "surplus", "n2", owner=owner(made))
    eventually(world.pods, lambda pods: len(pods) == 3 and "surplus" not in [pod.metadata.name for pod in pods])
    world.status(desired_number_scheduled=3, current_number_scheduled=3)


def test_unbound_surplus_goes_before_the_bound_pod(world: World) -> None:
    world.node("n")
    ds = world.create(daemon_set())
    (pod,) = world.run_all(1)
    gated = {
        "metadata": {"name": "a", "labels": {"name": "test"}, "ownerReferences": [owner(ds)]},
        "spec": {
            "schedulingGates": [{"name": "example.com/wait"}],
            "containers": [{"name": "c", "image": "i"}],
            "affinity": world.pods()[0].spec.affinity.to_dict(),
        },
    }
    gated["spec"]["affinity"] = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]
            }
        }
    }
    world.core.create_namespaced_pod(world.namespace, gated)
    eventually(world.pods, lambda pods: [one.metadata.uid for one in pods] == [pod.metadata.uid])


def test_orphan_pod_is_adopted(world: World) -> None:
    """A pod that nobody manages and the selector matches: it counts, and there is no second one on its node."""
    world.node("n")
    orphan = extra_pod(world, "orphan", "n")
    world.report(orphan)
    ds = world.create(daemon_set(strategy=ON_DELETE))
    (pod,) = eventually(world.pods, lambda pods: bool(pods and pods[0].metadata.owner_references))
    assert pod.metadata.uid == orphan.metadata.uid
    (reference,) = pod.metadata.owner_references
    assert (reference.uid, reference.controller, reference.block_owner_deletion) == (ds.metadata.uid, True, True)
    world.status(desired_number_scheduled=1, current_number_scheduled=1, number_available=1, updated_number_scheduled=0)
    assert len(world.pods()) == 1


def test_orphan_pod_that_comes_later_is_adopted_and_is_surplus(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    (pod,) = world.run_all(1)
    extra_pod(world, "orphan", "n")
    eventually(world.pods, lambda pods: [one.metadata.uid for one in pods] == [pod.metadata.uid])


def test_pod_whose_labels_stop_matching_is_released(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    (pod,) = world.run_all(1)
    change = {"metadata": {"labels": {"name": "debug"}}}
    world.core.patch_namespaced_pod(pod.metadata.name, world.namespace, change)
    (released,) = eventually(
        lambda: world.pods("name=debug"), lambda pods: bool(pods) and not pods[0].metadata.owner_references
    )
    assert released.metadata.uid == pod.metadata.uid
    (after,) = eventually(world.pods, lambda pods: len(pods) == 1)
    assert after.metadata.uid != pod.metadata.uid
    # And taken back, when it matches again: two on the node, and one of them goes.
    world.core.patch_namespaced_pod(pod.metadata.name, world.namespace, {"metadata": {"labels": {"name": "test"}}})
    (left,) = eventually(world.pods, lambda pods: len(pods) == 1 and bool(pods[0].metadata.owner_references))
    assert left.metadata.uid in (pod.metadata.uid, after.metadata.uid)


def test_pods_of_others_are_not_touched(world: World) -> None:
    world.node("n")
    config_map = world.core.create_namespaced_config_map(world.namespace, {"metadata": {"name": "owner"}})
    other = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": config_map.metadata.uid,
        "controller": True,
    }
    theirs = extra_pod(world, "theirs", "n", owner=other)
    world.create(daemon_set())
    eventually(world.pods, lambda pods: len(pods) == 2)
    world.quiet()
    world.status(desired_number_scheduled=1, current_number_scheduled=1)
    kept = world.core.read_namespaced_pod("theirs", world.namespace)
    assert kept.metadata.resource_version == theirs.metadata.resource_version
    assert len(world.pods()) == 2


def test_orphaned_pods_are_adopted_without_restart(world: World) -> None:
    """delete --cascade=orphan; the same DaemonSet made again takes over pods and history."""
    world.nodes(2)
    world.create(daemon_set(strategy=rolling()))
    before = world.run_all(2)
    world.status(number_available=2)
    (revision,) = world.revisions()
    world.apps.delete_namespaced_daemon_set("ds", world.namespace, propagation_policy="Orphan")

    def orphaned(pods: list[Any]) -> bool:
        return len(pods) == 2 and not any(pod.metadata.owner_references for pod in pods)

    eventually(world.pods, orphaned)
    eventually(world.revisions, lambda found: not found[0].metadata.owner_references)
    again = world.create(daemon_set(strategy=rolling()))
    eventually(world.pods, lambda pods: all(pod.metadata.owner_references for pod in pods))
    world.status(desired_number_scheduled=2, number_available=2, updated_number_scheduled=2)
    after = world.pods()
    assert {pod.metadata.uid for pod in after} == {pod.metadata.uid for pod in before}
    assert {pod.metadata.owner_references[0].uid for pod in after} == {again.metadata.uid}
    (kept,) = world.revisions()
    assert kept.metadata.uid == revision.metadata.uid
    assert kept.metadata.owner_references[0].uid == again.metadata.uid
    world.quiet()
    assert {pod.metadata.uid for pod in world.pods()} == {pod.metadata.uid for pod in before}


@pytest.mark.parametrize("policy", ["Background", "Foreground", None])
def test_deleted_daemon_set_takes_its_pods_along(world: World, policy: str | None) -> None:
    world.nodes(2)
    world.create(daemon_set())
    world.run_all(2)
    options = {"propagation_policy": policy} if policy else {}
    world.api.call_api(
        "DELETE",
        f"{world.api.configuration.host}/apis/apps/v1/namespaces/{world.namespace}/daemonsets/ds"
        + (f"?propagationPolicy={policy}" if policy else ""),
    )
    assert options is not None
    eventually(world.pods, lambda pods: not pods)
    eventually(world.revisions, lambda revisions: not revisions)

    def gone() -> bool:
        try:
            world.ds()
        except client.ApiException as error:
            return bool(error.status == 404)
        return False

    eventually(gone, bool)


def test_observed_generation(world: World) -> None:
    world.node("n")
    made = world.create(daemon_set())
    assert made.metadata.generation == 1
    world.status()
    changed = world.set_image("new")
    assert changed.metadata.generation == 2
    assert world.status().observed_generation == 2


def test_number_ready_status(world: World) -> None:
    world.nodes(2)
    world.create(daemon_set())
    first, second = world.bound(2)
    world.status(current_number_scheduled=2, number_ready=0, number_available=0, number_unavailable=2)
    world.report(first)
    world.status(number_ready=1, number_available=1, number_unavailable=1)
    world.report(second)
    world.status(number_ready=2, number_available=2, number_unavailable=0)
    world.report(second, ready=False)
    world.status(number_ready=1, number_available=1, number_unavailable=1)


def test_min_ready_seconds(world: World) -> None:
    """Ready at once, available when that has lasted; and available at once when it has lasted already as the pod is found."""
    world.node("n")
    ds = daemon_set()
    ds["spec"]["minReadySeconds"] = 1
    world.create(ds)
    (pod,) = world.bound(1)
    ready_at = time.monotonic()
    world.report(pod)
    world.status(number_ready=1, number_available=0, number_unavailable=1)
    world.status(number_ready=1, number_available=1, number_unavailable=0)
    assert time.monotonic() - ready_at > 0.9
    world.patch({"spec": {"minReadySeconds": 3600}})
    world.status(number_ready=1, number_available=0)
    world.patch({"spec": {"minReadySeconds": 0}})
    world.status(number_ready=1, number_available=1)


def test_status_counts_only_the_first_pod_of_a_node(world: World) -> None:
    """Of two pods on a node the older one tells whether it is ready (they stay two while one is ending)."""
    world.node("n")
    ds = world.create(daemon_set(strategy=ON_DELETE, terminationGracePeriodSeconds=600))
    (pod,) = world.bound(1)
    world.delete_pod(pod)
    extra = extra_pod(world, "z-late", "n", owner=owner(ds))
    world.report(extra)
    eventually(world.pods, lambda pods: len(pods) == 2 and any(is_ready(one) for one in pods))
    world.quiet()
    world.status(current_number_scheduled=1, number_ready=0)
    world.finish(pod)
    world.status(current_number_scheduled=1, number_ready=1)


def test_ready_long_ago_is_available_with_min_ready_seconds_when_found(world: World) -> None:
    world.node("n")
    orphan = extra_pod(world, "orphan", "n")
    world.report(orphan, since=ago(3600))
    ds = daemon_set(strategy=ON_DELETE)
    ds["spec"]["minReadySeconds"] = 600
    world.create(ds)
    world.status(number_ready=1, number_available=1)


def test_on_delete_replaces_with_the_new_template_only_what_vanishes(world: World) -> None:
    world.nodes(2)
    world.create(daemon_set(strategy=ON_DELETE))
    first, second = world.run_all(2)
    world.set_image("new")
    world.status(updated_number_scheduled=0, number_available=2)
    world.quiet()
    assert {pod.metadata.uid for pod in world.pods()} == {first.metadata.uid, second.metadata.uid}
    old, new = world.revisions()
    world.delete_pod(first)
    pods = eventually(
        world.pods, lambda pods: len(pods) == 2 and first.metadata.uid not in [pod.metadata.uid for pod in pods]
    )
    hashes = {target(pod): pod.metadata.labels[HASH] for pod in pods}
    assert hashes == {"n0": new.metadata.labels[HASH], "n1": old.metadata.labels[HASH]}
    world.run_all(2)
    world.status(updated_number_scheduled=1, number_available=2)
    # The other strategy carries the update on.
    with world.kubelet():
        world.patch({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}})
        world.status(updated_number_scheduled=2, number_available=2)
