"""Draining a node with kubectl: what is asked, what goes, what stays, and what a PodDisruptionBudget holds up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Kubectl
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE
from tests.walkthrough.waiting import eventually

NODE = "node-00002"
# A drain that cannot come to its end tries for as long as this.
SHORT = "--timeout=2s"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


@pytest.fixture
def node(kubectl: Kubectl, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl with the page's DaemonSet rolled out; afterwards NODE takes pods again and nothing is left."""
    kubectl("apply", "-f", str(page.write(tmp_path)))
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    yield kubectl
    kubectl("uncordon", NODE)
    kubectl("delete", "pdb", "--all")
    kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    kubectl("delete", "ds", NAME, *NAMESPACE, "--ignore-not-found")
    kubectl("wait", "--for=delete", "pods", "-l", f"name={NAME}", *NAMESPACE, "--timeout=60s")


def run(kubectl: Kubectl, name: str, **spec: Any) -> None:
    """A pod on NODE that nobody would make again, running."""
    container = {"name": "c", "image": "registry.example/web:v1"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [container], "nodeName": NODE, **spec},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=30s")


def daemon_pods(kubectl: Kubectl) -> str:
    """The names of all daemon pods, with their nodes."""
    path = "{range .items[*]}{.metadata.uid} {.spec.nodeName}\n{end}"
    return kubectl("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", f"jsonpath={path}")


def bare_pods(kubectl: Kubectl) -> list[str]:
    return kubectl("get", "pods", "-o", "name").split()


def test_daemon_pods_are_in_the_way_unless_they_are_left_alone(node: Kubectl) -> None:
    before = daemon_pods(node)
    said = node.refused("drain", NODE)
    assert "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): kube-system/" in said
    # It stays cordoned: whoever asked has to decide.
    assert "Ready,SchedulingDisabled" in node("get", "node", NODE)
    done = node.run("drain", NODE, "--ignore-daemonsets", SHORT)
    assert (done.returncode, done.stdout) == (0, f"node/{NODE} already cordoned\nnode/{NODE} drained\n")
    assert f"Warning: ignoring DaemonSet-managed Pods: kube-system/{NAME}-" in done.stderr
    assert "node.kubernetes.io/unschedulable:NoSchedule" in node("describe", "node", NODE)
    # Neither the drain nor the taint takes a daemon pod away, nor is the node given up.
    assert daemon_pods(node) == before
    desired = ("get", DS, *NAMESPACE, "-o", "jsonpath={.status.desiredNumberScheduled}")
    assert node(*desired) == "5"
    assert node("uncordon", NODE) == f"node/{NODE} uncordoned\n"
    taints = ("get", "node", NODE, "-o", "jsonpath={.spec}")
    eventually(lambda: node(*taints), lambda seen: "unschedulable" not in seen)
    assert daemon_pods(node) == before
    assert node(*desired) == "5"


def test_a_daemon_pods_own_data_is_in_nobodys_way(node: Kubectl) -> None:
    container = {"name": "c", "image": "registry.example/scratch:v1"}
    template = {
        "metadata": {"labels": {"app": "scratch"}},
        "spec": {"containers": [container], "volumes": [{"name": "s", "emptyDir": {}}]},
    }
    spec = {"selector": {"matchLabels": {"app": "scratch"}}, "template": template}
    daemon_set = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "scratch"}, "spec": spec}
    node("apply", "-f", "-", stdin=json.dumps(daemon_set))
    node("rollout", "status", "ds/scratch", "--timeout=60s")
    done = node.run("drain", NODE, "--ignore-daemonsets", SHORT)
    assert done.returncode == 0, done.stderr
    assert "Warning: ignoring DaemonSet-managed Pods: default/scratch-" in done.stderr
    assert len(bare_pods(node)) == 5
    # Left behind by its DaemonSet it is a pod like any other.
    node("delete", "ds", "scratch", "--cascade=orphan")
    drain = ("drain", NODE, "--ignore-daemonsets")
    said = node.refused(*drain, SHORT)
    assert "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/scratch-" in said
    said = node.refused(*drain, "--delete-emptydir-data", SHORT)
    assert "cannot delete Pods that declare no controller (use --force to override): default/scratch-" in said


def test_pods_that_nobody_makes_again_go_only_by_force(node: Kubectl) -> None:
    run(node, "bare")
    said = node.refused("drain", NODE, "--ignore-daemonsets", SHORT)
    assert "cannot delete Pods that declare no controller (use --force to override): default/bare" in said
    assert bare_pods(node) == ["pod/bare"]
    done = node.run("drain", NODE, "--ignore-daemonsets", "--force", "--timeout=30s")
    assert done.returncode == 0, done.stderr
    assert "deleting Pods that declare no controller: default/bare" in done.stderr
    assert "pod/bare evicted\n" in done.stdout
    assert bare_pods(node) == []


def test_pods_with_data_of_their_own_go_only_when_it_may_be_lost(node: Kubectl) -> None:
    run(node, "scratch", volumes=[{"name": "s", "emptyDir": {}}])
    drain = ("drain", NODE, "--ignore-daemonsets", "--force")
    said = node.refused(*drain, SHORT)
    assert "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/scratch" in said
    assert "pod/scratch evicted\n" in node(*drain, "--delete-emptydir-data", "--timeout=30s")


def test_a_budget_holds_a_drain_up_until_it_lets_go(node: Kubectl, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(node, name)
    node("create", "pdb", "web", "--selector=app=web", "--min-available=1")
    allowed = ("get", "pdb", "web", "-o", "jsonpath={.status.disruptionsAllowed}")
    eventually(lambda: node(*allowed), lambda seen: seen == "1")
    drain = ("drain", NODE, "--ignore-daemonsets", "--force")
    said = node.refused(*drain, SHORT)
    (left,) = bare_pods(node)
    name = left.removeprefix("pod/")
    assert f'error when evicting pods/"{name}" -n "default" (will retry after 5s): {REFUSED}' in said
    assert "global timeout reached" in said
    output = tmp_path / "drain.txt"
    drained = node.start(*drain, "--timeout=60s", output=output)
    eventually(output.read_text, lambda seen: "will retry after 5s" in seen)
    node("patch", "pdb", "web", "-p", '{"spec":{"minAvailable":0}}')
    assert drained.wait(30) == 0
    assert f"pod/{name} evicted\nnode/{NODE} drained\n" in output.read_text()
    assert bare_pods(node) == []


def test_what_goes_around_a_budget_and_what_only_looks(node: Kubectl) -> None:
    run(node, "a")
    drain = ("drain", NODE, "--ignore-daemonsets", "--force")
    looked = node(*drain, "--dry-run=server", "--timeout=30s")
    assert f"node/{NODE} cordoned (server dry run)\nevicting pod default/a (server dry run)\n" in looked
    assert "SchedulingDisabled" not in node("get", "node", NODE)
    assert bare_pods(node) == ["pod/a"]
    node("create", "pdb", "web", "--selector=app=web", "--max-unavailable=0")
    eventually(lambda: node("get", "pdb", "web", "-o", "jsonpath={.status}"), lambda seen: '"currentHealthy":1' in seen)
    assert "pod/a deleted\n" in node(*drain, "--disable-eviction", "--timeout=30s")


def test_a_budget_of_daemon_pods_in_percent(node: Kubectl) -> None:
    made = node(
        "create", "poddisruptionbudget", "agents", *NAMESPACE, f"--selector=name={NAME}", "--max-unavailable=40%"
    )
    assert made == "poddisruptionbudget.policy/agents created\n"
    columns = ["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"]
    shown = eventually(
        lambda: node("get", "pdb", *NAMESPACE, "-o", "wide"), lambda seen: seen.splitlines()[1].split()[3] == "2"
    )
    assert [each.strip() for each in shown.splitlines()[0].split("  ") if each] == columns
    assert shown.splitlines()[1].split()[:4] == ["agents", "N/A", "40%", "2"]
    described = node("describe", "pdb", "agents", *NAMESPACE).splitlines()
    counts = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in described if ":" in line}
    assert (counts["Allowed disruptions"], counts["Current"], counts["Desired"], counts["Total"]) == (
        "2",
        "5",
        "3",
        "5",
    )
    node("patch", "pdb", "agents", *NAMESPACE, "-p", '{"spec":{"maxUnavailable":0}}')
    eventually(lambda: node("get", "pdb", *NAMESPACE), lambda seen: seen.splitlines()[1].split()[3] == "0")
    pod = node("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()[0].removeprefix("pod/")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "kube-system"}}
    path = f"/api/v1/namespaces/kube-system/pods/{pod}/eviction"
    assert REFUSED in node.refused("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    node("delete", "pdb", "agents", *NAMESPACE)
    assert '"status":"Success"' in node("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    # An evicted daemon pod is made again on its node.
    node("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    eventually(lambda: daemon_pods(node), lambda seen: len(seen.splitlines()) == 5)
