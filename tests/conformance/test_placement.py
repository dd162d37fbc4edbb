"""Where daemon pods run: upstream's controller and integration tests, with nodes that the test makes and reports about."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from tests.conformance.world import HASH, ON_DELETE, World, daemon_set, eventually, rolling, target

NODES = 5
STRATEGIES = pytest.mark.parametrize("strategy", [ON_DELETE, rolling()], ids=["OnDelete", "RollingUpdate"])


def placed(world: World) -> list[str]:
    return sorted(target(pod) for pod in world.pods())


def stays(world: World, nodes: list[str]) -> None:
    """Daemon pods are on these nodes when the controller has nothing left to do."""
    world.quiet()
    assert placed(world) == sorted(nodes)


@STRATEGIES
def test_simple_daemon_set_launches_pods(world: World, strategy: dict[str, Any]) -> None:
    world.nodes(NODES)
    world.create(daemon_set(strategy=strategy))
    pods = world.run_all(NODES)
    assert len({pod.spec.node_name for pod in pods}) == NODES
    ds = world.ds()
    for pod in pods:
        (owner,) = pod.metadata.owner_references
        assert (owner.kind, owner.api_version, owner.name, owner.uid) == ("DaemonSet", "apps/v1", "ds", ds.metadata.uid)
        assert owner.controller
        assert owner.block_owner_deletion
        assert pod.metadata.generate_name == "ds-"
        assert pod.metadata.name.startswith("ds-")
        assert len(pod.metadata.name) == len("ds-") + 5
    world.status(
        desired_number_scheduled=NODES,
        current_number_scheduled=NODES,
        number_ready=NODES,
        number_available=NODES,
        number_unavailable=0,
        updated_number_scheduled=NODES,
        number_misscheduled=0,
    )


def test_daemon_pod_as_it_is_made(world: World) -> None:
    world.node("n")
    preferred = [{"weight": 5, "preference": {"matchExpressions": [{"key": "fast", "operator": "Exists"}]}}]
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "slow", "operator": "DoesNotExist"}]}]}
    affinity = {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            "requiredDuringSchedulingIgnoredDuringExecution": required,
        }
    }
    mine = [{"key": "mine", "operator": "Exists"}]
    ds = daemon_set(affinity=affinity, tolerations=mine, hostNetwork=True)
    ds["spec"]["template"]["metadata"]["annotations"] = {"kept": "yes"}
    world.create(ds)
    (pod,) = world.bound(1)
    node_affinity = pod.spec.affinity.node_affinity
    (term,) = node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    assert not term.match_expressions
    (field,) = term.match_fields
    assert (field.key, field.operator, field.values) == ("metadata.name", "In", ["n"])
    assert node_affinity.preferred_during_scheduling_ignored_during_execution[0].weight == 5
    assert pod.metadata.annotations == {"kept": "yes"}
    (revision,) = world.revisions()
    assert pod.metadata.labels == {
        "name": "test",
        HASH: revision.metadata.labels[HASH],
        "pod-template-generation": "1",
    }
    tolerated = {(one.key, one.operator, one.effect, one.toleration_seconds) for one in pod.spec.tolerations}
    assert tolerated == {
        ("mine", "Exists", None, None),
        ("node.kubernetes.io/not-ready", "Exists", "NoExecute", None),
        ("node.kubernetes.io/unreachable", "Exists", "NoExecute", None),
        ("node.kubernetes.io/disk-pressure", "Exists", "NoSchedule", None),
        ("node.kubernetes.io/memory-pressure", "Exists", "NoSchedule", None),
        ("node.kubernetes.io/pid-pressure", "Exists", "NoSchedule", None),
        ("node.kubernetes.io/unschedulable", "Exists", "NoSchedule", None),
        ("node.kubernetes.io/network-unavailable", "Exists", "NoSchedule", None),
    }


def test_no_nodes_does_nothing(world: World) -> None:
    world.create(daemon_set())
    world.status(desired_number_scheduled=0, current_number_scheduled=0)
    stays(world, [])


def test_node_that_joins_gets_a_pod(world: World) -> None:
    world.create(daemon_set())
    world.node("late")
    world.run_all(1)
    world.status(desired_number_scheduled=1, number_available=1)


def test_node_not_ready_at_creation_gets_a_pod_when_it_reports(world: World) -> None:
    world.create(daemon_set())
    made = world.node("n", ready=None)
    assert [(one.key, one.effect) for one in made.spec.taints] == [("node.kubernetes.io/not-ready", "NoSchedule")]
    stays(world, [])
    world.core.patch_node_status("n", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    world.run_all(1)
    world.status(desired_number_scheduled=1, number_available=1)


def test_node_that_becomes_unready_keeps_its_pod_and_is_misscheduled(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    world.run_all(1)
    world.core.patch_node_status("n", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    eventually(lambda: world.core.read_node("n").spec.taints, lambda taints: bool(taints))
    world.status(desired_number_scheduled=0, number_misscheduled=1, number_unavailable=0)
    stays(world, ["n"])


@pytest.mark.parametrize(
    ("condition", "taint", "runs"),
    [
        ("MemoryPressure", "memory-pressure", True),
        ("DiskPressure", "disk-pressure", True),
        ("PIDPressure", "pid-pressure", True),
        ("NetworkUnavailable", "network-unavailable", False),
    ],
)
def test_taint_pressure_node_daemon_launches_pod(world: World, condition: str, taint: str, runs: bool) -> None:
    world.node("n", conditions=[{"type": condition, "status": "True"}])
    taints = eventually(lambda: world.core.read_node("n").spec.taints, lambda taints: bool(taints))
    assert [(one.key, one.effect) for one in taints] == [(f"node.kubernetes.io/{taint}", "NoSchedule")]
    world.create(daemon_set())
    world.status(desired_number_scheduled=int(runs), current_number_scheduled=int(runs))
    if not runs:
        stays(world, [])
        world.patch({"spec": {"template": {"spec": {"hostNetwork": True}}}})
    world.bound(1)


def test_unschedulable_node_daemon_does_launch_pod(world: World) -> None:
    world.node("n", unschedulable=True)
    eventually(
        lambda: world.core.read_node("n").spec.taints or [],
        lambda taints: [one.key for one in taints] == ["node.kubernetes.io/unschedulable"],
    )
    world.create(daemon_set())
    world.run_all(1)
    world.status(desired_number_scheduled=1, number_available=1)


def test_insufficient_capacity_node_pod_stays_pending(world: World) -> None:
    world.node("small", allocatable={"pods": "10", "cpu": "75m", "memory": "75Mi"})
    ds = daemon_set()
    ds["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m", "memory": "10Mi"}}
    world.create(ds)

    def scheduled(pods: list[Any]) -> bool:
        return bool(pods) and any(one.type == "PodScheduled" for one in pods[0].status.conditions or [])

    (pod,) = eventually(world.pods, scheduled)
    (condition,) = [one for one in pod.status.conditions if one.type == "PodScheduled"]
    assert (condition.status, condition.reason) == ("False", "Unschedulable")
    assert condition.message.startswith("0/1 nodes are available: 1 Insufficient cpu.")
    world.status(desired_number_scheduled=1, current_number_scheduled=1, number_ready=0, number_unavailable=1)
    world.core.patch_node_status("small", {"status": {"allocatable": {"cpu": "1"}}})
    world.bound(1)


def test_selector_daemon_follows_labels(world: World) -> None:
    world.nodes(3)
    world.create(daemon_set(nodeSelector={"color": "blue"}))
    world.status(desired_number_scheduled=0)
    world.label_node("n1", color="blue")
    world.run_all(1)
    assert placed(world) == ["n1"]
    world.status(desired_number_scheduled=1, number_available=1)
    world.label_node("n1", color="green")
    eventually(world.pods, lambda pods: not pods)
    world.status(desired_number_scheduled=0, number_misscheduled=0)
    world.patch({"spec": {"template": {"spec": {"nodeSelector": {"color": "green"}}}}})
    world.run_all(1)
    assert placed(world) == ["n1"]


def test_node_affinity_daemon_launches_pods(world: World) -> None:
    for name in ("n0", "n1"):
        world.node(name, labels={"color": "blue", "type": "production"})
    world.node("n2")
    term = {"matchExpressions": [{"key": "color", "operator": "In", "values": ["blue", "green"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    world.create(daemon_set(affinity={"nodeAffinity": required}))
    world.run_all(2)
    assert placed(world) == ["n0", "n1"]
    world.label_node("n0", color=None)
    eventually(lambda: placed(world), lambda nodes: nodes == ["n1"])


def test_match_fields_affinity(world: World) -> None:
    world.nodes(3)
    term = {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    world.create(daemon_set(affinity={"nodeAffinity": required}))
    world.run_all(2)
    stays(world, ["n0", "n2"])


@pytest.mark.parametrize(
    ("node_name", "selector", "nodes"),
    [
        ("n0", {}, ["n0"]),
        ("no-such-node", {}, []),
        ("n4", {"color": "blue"}, ["n4"]),
        ("n0", {"color": "blue"}, []),
    ],
    ids=["Name", "BadName", "NameAndSelector", "InconsistentNameSelector"],
)
def test_name_daemon_set(world: World, node_name: str, selector: dict[str, str], nodes: list[str]) -> None:
    world.nodes(2)
    world.node("n4", labels={"color": "blue"})
    world.create(daemon_set(nodeName=node_name, nodeSelector=selector))
    world.status(desired_number_scheduled=len(nodes), current_number_scheduled=len(nodes))
    stays(world, nodes)
    for pod in world.pods():
        assert pod.spec.node_name == node_name


NO_SCHEDULE = {"key": "dedicated", "value": "user1", "effect": "NoSchedule"}
NO_EXECUTE = {"key": "dedicated", "value": "user1", "effect": "NoExecute"}
TOLERATED = {"key": "dedicated", "value": "user1", "operator": "Equal"}


@pytest.mark.parametrize("taint", [NO_SCHEDULE, NO_EXECUTE], ids=["NoSchedule", "NoExecute"])
def test_tainted_node(world: World, taint: dict[str, str]) -> None:
    world.node("n", taints=[taint])
    world.create(daemon_set())
    world.status(desired_number_scheduled=0, current_number_scheduled=0)
    stays(world, [])
    world.taint_node("n")
    world.run_all(1)
    world.status(desired_number_scheduled=1, number_available=1)


@pytest.mark.parametrize("taint", [NO_SCHEDULE, NO_EXECUTE], ids=["NoSchedule", "NoExecute"])
def test_tainted_node_daemon_launches_tolerate_pod(world: World, taint: dict[str, str]) -> None:
    world.node("n", taints=[taint])
    world.create(daemon_set(tolerations=[TOLERATED]))
    world.run_all(1)
    world.status(desired_number_scheduled=1, number_available=1)


def test_no_schedule_tainted_doesnt_evict_running_intolerant_pod(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    world.run_all(1)
    world.taint_node("n", NO_SCHEDULE)
    world.status(desired_number_scheduled=0, current_number_scheduled=0, number_misscheduled=1, number_ready=0)
    stays(world, ["n"])
    # When it ends there is no successor.
    (pod,) = world.pods()
    world.delete_pod(pod)
    stays(world, [])
    world.status(number_misscheduled=0)


def test_no_execute_tainted_does_evict_running_intolerant_pod(world: World) -> None:
    world.node("n")
    world.create(daemon_set())
    world.run_all(1)
    world.taint_node("n", NO_EXECUTE)
    eventually(world.pods, lambda pods: not pods)
    world.status(desired_number_scheduled=0, number_misscheduled=0)


def test_prefer_no_schedule_does_not_matter(world: World) -> None:
    world.node("n", taints=[{"key": "dedicated", "effect": "PreferNoSchedule"}])
    world.create(daemon_set())
    world.run_all(1)


def test_daemon_set_rolling_update_with_tolerations(world: World) -> None:
    """Integration: tolerations taken out of the template, on tainted nodes: the pods stay, misscheduled, until they end."""
    names = world.nodes(3, taints=[NO_SCHEDULE])
    world.create(daemon_set(strategy=rolling(1), tolerations=[TOLERATED]))
    world.run_all(3)
    world.status(desired_number_scheduled=3, number_available=3)
    world.patch({"spec": {"template": {"spec": {"tolerations": None}}}})
    world.status(desired_number_scheduled=0, current_number_scheduled=0)
    # maxUnavailable is of no nodes: 1 is 1, and the old pods, misscheduled, are taken one after the other.
    eventually(world.pods, lambda pods: not pods)
    assert len(names) == 3


def test_deleted_node_s_unscheduled_pod_is_deleted(world: World) -> None:
    """TestDeleteUnscheduledPodForNotExistingNode."""
    ds = daemon_set()
    ds["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100"}}
    world.node("n")
    world.create(ds)
    eventually(world.pods, lambda pods: len(pods) == 1)
    world.core.delete_node("n")
    eventually(world.pods, lambda pods: not pods)
    world.status(desired_number_scheduled=0, current_number_scheduled=0, number_misscheduled=0)


def test_node_deleted_and_made_again(world: World) -> None:
    world.nodes(2)
    world.create(daemon_set())
    pods = world.run_all(2)
    world.status(desired_number_scheduled=2, number_available=2)
    world.core.delete_node("n1")
    world.status(desired_number_scheduled=1, current_number_scheduled=1, number_available=1, number_misscheduled=0)
    world.finish(pods[1])
    world.node("n1")
    again = world.run_all(2)
    assert {pod.metadata.uid for pod in again} > {pods[0].metadata.uid}
    world.status(desired_number_scheduled=2, number_available=2)


def test_pods_of_several_daemon_sets_side_by_side(world: World) -> None:
    world.nodes(2)
    for name in ("one", "two"):
        ds = daemon_set(name)
        ds["spec"]["selector"]["matchLabels"] = ds["spec"]["template"]["metadata"]["labels"] = {"name": name}
        world.create(ds)
    for name in ("one", "two"):
        world.status(name, desired_number_scheduled=2, current_number_scheduled=2)
        eventually(lambda name=name: world.pods(f"name={name}"), lambda pods: len(pods) == 2)


def test_port_conflict_is_the_schedulers(world: World) -> None:
    world.node("n")
    for name in ("one", "two"):
        ds = daemon_set(name)
        ds["spec"]["selector"]["matchLabels"] = ds["spec"]["template"]["metadata"]["labels"] = {"name": name}
        ds["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
        world.create(ds)
        eventually(lambda name=name: world.pods(f"name={name}"), lambda pods: len(pods) == 1)

    def reason(pods: list[Any]) -> str:
        found = [one.message for pod in pods for one in pod.status.conditions or [] if one.type == "PodScheduled"]
        return next((one for one in found if one), "")

    pods = eventually(lambda: world.pods("name in (one,two)"), lambda pods: bool(reason(pods)))
    assert reason(pods).startswith(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )


def test_update_status_despite_pod_creation_failure(world: World) -> None:
    """Integration: pods that cannot be created; the status is written, the event says why, and it is tried again."""
    world.nodes(3)
    world.create(daemon_set(serviceAccountName="missing"))
    world.status(desired_number_scheduled=3, current_number_scheduled=0, number_unavailable=3)
    events = eventually(lambda: world.events("FailedCreate"), lambda events: bool(events))
    assert events[0].message == (
        'Error creating: pods "ds-" is forbidden: error looking up service account '
        f'{world.namespace}/missing: serviceaccount "missing" not found'
    )
    assert (events[0].type, events[0].source.component) == ("Warning", "daemonset-controller")
    world.core.create_namespaced_service_account(world.namespace, {"metadata": {"name": "missing"}})
    world.run_all(3)
    world.status(number_available=3)


def test_dont_do_anything_if_being_deleted(world: World) -> None:
    ds = daemon_set()
    ds["metadata"]["finalizers"] = ["example.com/hold"]
    world.node("n0")
    world.create(ds)
    world.run_all(1)
    world.apps.delete_namespaced_daemon_set("ds", world.namespace, propagation_policy="Orphan")
    gone = world.ds()
    assert gone.metadata.deletion_timestamp
    world.node("n1")
    other = daemon_set("other")
    other["spec"]["selector"]["matchLabels"] = other["spec"]["template"]["metadata"]["labels"] = {"name": "other"}
    world.create(other)
    eventually(lambda: world.pods("name=other"), lambda pods: len(pods) == 2)
    assert placed(world) == ["n0"]
    world.patch({"metadata": {"finalizers": None}})
    with pytest.raises(client.ApiException) as refused:
        world.ds()
    assert refused.value.status == 404
