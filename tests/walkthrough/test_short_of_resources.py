"""The page's "some nodes run out of resources", command by command, with the real kubectl; and how priority does without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Kubectl
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE
from tests.walkthrough.waiting import eventually

# A node has 4 CPUs. The page's daemon pod asks for none at first, and for 100m in its update: more than this neighbour leaves.
FULL_NODE, NEIGHBOUR, NEIGHBOURS_CPU = "node-00002", "neighbour", "3950m"
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
ELSEWHERE = "4 node(s) didn't satisfy plugin(s) [NodeAffinity]"
NO_HELP = (
    "preemption: 0/5 nodes are available: 1 No preemption victims found for incoming pod, "
    "4 Preemption is not helpful for scheduling."
)
SHORT_OF_CPU = f"0/5 nodes are available: 1 Insufficient cpu, {ELSEWHERE}. {NO_HELP}"
SHORT_OF_PORTS = (
    f"0/5 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, {ELSEWHERE}. {NO_HELP}"
)


@pytest.fixture
def neighbour(kubectl: Kubectl) -> Iterator[str]:
    """A bare pod that leaves little room on one node, and a PodDisruptionBudget that wants it to stay."""
    manifest = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": NEIGHBOUR, "labels": {"app": NEIGHBOUR}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": FULL_NODE},
            "containers": [{"name": "c", "image": "c", "resources": {"requests": {"cpu": NEIGHBOURS_CPU}}}],
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    kubectl("create", "pdb", NEIGHBOUR, f"--selector=app={NEIGHBOUR}", "--min-available=1")
    kubectl("wait", "--for=condition=Ready", f"pod/{NEIGHBOUR}", "--timeout=30s")
    yield NEIGHBOUR
    kubectl("delete", "pod,pdb", NEIGHBOUR, "--ignore-not-found")


@pytest.fixture
def rolled_out(kubectl: Kubectl, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Rolls out the page's DaemonSet, changed in its spec as asked; it is gone afterwards."""

    def roll_out(**changes: object) -> None:
        kubectl("apply", "-f", str(page.write(tmp_path, **changes)))
        kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")

    yield roll_out
    kubectl("delete", "ds", NAME, *NAMESPACE, "--ignore-not-found")
    kubectl("wait", "--for=delete", "pods", "-l", f"name={NAME}", *NAMESPACE, "--timeout=60s")


def update(kubectl: Kubectl, folder: Path, **changes: object) -> None:
    """The page's update, which asks for more."""
    told = kubectl("apply", "-f", str(page.write(folder, update=True, **changes)))
    assert told == f"daemonset.apps/{NAME} configured\n"


def template(**container: object) -> dict[str, Any]:
    """The page's pod template, its container changed."""
    found: dict[str, Any] = page.read("fluentd-daemonset.yaml")["spec"]["template"]
    found["spec"]["containers"][0] |= container
    return found


def finish(kubectl: Kubectl) -> None:
    told = kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert told.endswith(f'daemon set "{NAME}" successfully rolled out\n')


def stalls(kubectl: Kubectl) -> None:
    """The update does not get on by itself."""
    timed_out = kubectl.run("rollout", "status", DS, *NAMESPACE, "--timeout=2s")
    assert timed_out.returncode == 1
    assert "timed out waiting for the condition" in timed_out.stderr


def failed_scheduling(kubectl: Kubectl) -> str:
    """What the events say of the daemon pod that has no place."""
    of_pods = ("get", "events", *NAMESPACE, "--field-selector=reason=FailedScheduling,involvedObject.name=")
    name = eventually(lambda: waiting(kubectl), lambda names: len(names) == 1)[0]
    message = "jsonpath={.items[*].message}"
    return eventually(lambda: kubectl(*of_pods[:-1], of_pods[-1] + name, "-o", message), bool)


def waiting(kubectl: Kubectl) -> list[str]:
    """Daemon pods without a node."""
    names = "jsonpath={.items[*].metadata.name}"
    chosen = ("-l", f"name={NAME}", "--field-selector=spec.nodeName=")
    return kubectl("get", "pods", *chosen, *NAMESPACE, "-o", names).split()


def nodes(kubectl: Kubectl) -> set[str]:
    return {line.split()[0] for line in kubectl("get", "nodes", "--no-headers").splitlines()}


def nodes_with_a_daemon_pod(kubectl: Kubectl) -> set[str]:
    """The page's command, its NODE column."""
    lines = kubectl("get", "pods", "-l", f"name={NAME}", "-o", "wide", *NAMESPACE).splitlines()
    column = lines[0].split().index("NODE")
    return {line.split()[column] for line in lines[1:]} - {"<none>"}


def test_an_update_that_asks_for_more_than_a_node_has_left(
    kubectl: Kubectl, neighbour: str, rolled_out: Callable[..., None], tmp_path: Path
) -> None:
    rolled_out()
    update(kubectl, tmp_path)
    assert failed_scheduling(kubectl) == SHORT_OF_CPU
    stalls(kubectl)
    # Which node is it?
    assert nodes(kubectl) - nodes_with_a_daemon_pod(kubectl) == {FULL_NODE}
    on_it = kubectl("get", "pods", "-A", f"--field-selector=spec.nodeName={FULL_NODE}", "-o", "name").split()
    assert on_it == [f"pod/{neighbour}"]
    assert SHORT_OF_CPU in kubectl("describe", "pod", waiting(kubectl)[0], *NAMESPACE)
    # Make room. No budget is asked for a deletion ...
    assert kubectl("delete", "pod", neighbour) == f'pod "{neighbour}" deleted from default namespace\n'
    finish(kubectl)
    assert nodes_with_a_daemon_pod(kubectl) == nodes(kubectl)
    # ... and nothing brings back a pod that no controller keeps.
    assert "NotFound" in kubectl.refused("get", "pod", neighbour)
    assert kubectl("get", "pdb", neighbour, "-o", "name") == f"poddisruptionbudget.policy/{neighbour}\n"


def test_an_important_update_makes_room_by_itself(
    kubectl: Kubectl, neighbour: str, rolled_out: Callable[..., None], tmp_path: Path
) -> None:
    rolled_out()
    told = kubectl("create", "priorityclass", "node-agents", "--value=1000000", "--description=what every node needs")
    assert told == "priorityclass.scheduling.k8s.io/node-agents created\n"
    uid = kubectl("get", "pod", neighbour, "-o", "jsonpath={.metadata.uid}")
    important: dict[str, Any] = page.read("fluentd-daemonset-update.yaml")["spec"]["template"]
    important["spec"]["priorityClassName"] = "node-agents"
    update(kubectl, tmp_path, template=important)
    finish(kubectl)
    assert nodes_with_a_daemon_pod(kubectl) == nodes(kubectl)
    assert "NotFound" in kubectl.refused("get", "pod", neighbour)
    preempted = ("get", "events", f"--field-selector=reason=Preempted,involvedObject.uid={uid}")
    told = eventually(lambda: kubectl(*preempted, "-o", "jsonpath={.items[*].message}"), bool)
    assert told.startswith("Preempted by pod ")
    assert told.endswith(f" on node {FULL_NODE}")
    # The budget was asked, and had to yield: there was no other way.
    assert kubectl("get", "pdb", neighbour, "-o", "jsonpath={.status.disruptionsAllowed}") == "0"
    nominated = "jsonpath={.items[*].status.nominatedNodeName}"
    assert kubectl("get", "pods", "-l", f"name={NAME}", *NAMESPACE, "-o", nominated) == ""


def test_the_priorities_of_the_system(kubectl: Kubectl) -> None:
    lines = kubectl("get", "priorityclasses", "--no-headers").splitlines()
    assert {tuple(line.split()[:3]) for line in lines} >= {
        ("system-cluster-critical", "2000000000", "false"),
        ("system-node-critical", "2000001000", "false"),
    }
    refused = kubectl.refused("delete", "priorityclass", "system-node-critical")
    assert refused == (
        'Error from server (Forbidden): priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: '
        "this is a system priority class and cannot be deleted\n"
    )
    too_high = kubectl.refused("create", "priorityclass", "mine", "--value=1000000001")
    assert "maximum allowed value of a user defined priority is 1000000000" in too_high


def test_a_surge_that_finds_no_room_beside_the_old_pod(
    kubectl: Kubectl, neighbour: str, rolled_out: Callable[..., None]
) -> None:
    # There is room for one such pod, not for two.
    rolled_out(template=template(resources={"requests": {"cpu": "40m"}}), updateStrategy=SURGE)
    kubectl("rollout", "restart", DS, *NAMESPACE)
    assert failed_scheduling(kubectl) == SHORT_OF_CPU
    stalls(kubectl)
    # Nothing is missing anywhere: the old pod stays until the new one is there.
    assert nodes_with_a_daemon_pod(kubectl) == nodes(kubectl)
    kubectl("delete", "pod", neighbour)
    finish(kubectl)


def test_a_surge_that_needs_the_host_port_of_the_old_pod(kubectl: Kubectl, rolled_out: Callable[..., None]) -> None:
    rolled_out(template=template(ports=[{"containerPort": 24224, "hostPort": 24224}]), updateStrategy=SURGE)
    kubectl("rollout", "restart", DS, *NAMESPACE)
    assert failed_scheduling(kubectl) == SHORT_OF_PORTS
    stalls(kubectl)
    # Old and new cannot be on one node at a time. Without surge they need not.
    patch = {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}}
    kubectl("patch", DS, *NAMESPACE, "-p", json.dumps(patch))
    finish(kubectl)
