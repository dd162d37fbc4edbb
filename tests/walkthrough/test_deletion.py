"""docs/deletion.md with the real kubectl: what goes with what, in every mode, and what holds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import Kubectl, Up
from tests.walkthrough.waiting import eventually

_numbers = count()
HOLD = '{"metadata":{"finalizers":["example.com/hold"]}}'
FREE = '{"metadata":{"finalizers":null}}'


def daemon_set(name: str = "agent", image: str = "agent:v1", app: str = "agent", **spec: Any) -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": "agent", "image": f"registry.example/{image}"}]},
            },
            **spec,
        },
    }


def node_of(pod: dict[str, Any]) -> str:
    node: str = pod["spec"]["nodeName"]
    return node


class Team:
    """kubectl in a namespace of this test's own."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl
        self.namespace = namespace

    def __call__(self, *arguments: str, **options: Any) -> str:
        return self.kubectl(*arguments, "-n", self.namespace, **options)

    def apply(self, *manifests: dict[str, Any]) -> str:
        return self("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def roll_out(self, **options: Any) -> None:
        made = daemon_set(**options)
        self.apply(made)
        self("rollout", "status", f"ds/{made['metadata']['name']}", "--timeout=60s")

    def items(self, kind: str, *more: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("get", kind, "-o", "json", *more))["items"]
        return found

    def names(self, kind: str = "pods") -> set[str]:
        return {each["metadata"]["name"] for each in self.items(kind)}

    def owners(self, kind: str = "pods") -> set[str]:
        return {one["uid"] for each in self.items(kind) for one in each["metadata"].get("ownerReferences", [])}

    def uid(self, what: str = "ds/agent") -> str:
        return self("get", what, "-o", "jsonpath={.metadata.uid}")


@pytest.fixture
def team(kubectl: Kubectl) -> Iterator[Team]:
    name = f"team-{next(_numbers)}"
    kubectl("create", "namespace", name)
    yield Team(kubectl, name)
    kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def gone(team: Team) -> None:
    eventually(lambda: team.names() | team.names("controllerrevisions"), lambda names: not names)


def test_in_the_background_the_daemon_set_goes_first(team: Team) -> None:
    team.roll_out()
    assert team("delete", "ds", "agent") == f'daemonset.apps "agent" deleted from {team.namespace} namespace\n'
    gone(team)


def test_in_the_foreground_it_goes_last(team: Team) -> None:
    team.roll_out()
    held = sorted(team.names())[0]
    team("patch", "pod", held, "-p", HOLD)
    team("delete", "ds", "agent", "--cascade=foreground", "--wait=false")
    eventually(team.names, lambda names: names == {held})
    assert team("get", "ds", "agent", "-o", "jsonpath={.metadata.finalizers}") == '["foregroundDeletion"]'
    team("patch", "pod", held, "-p", FREE)
    team("wait", "--for=delete", "ds/agent", "--timeout=30s")
    gone(team)


def test_a_foreground_deletion_that_takes_too_long_is_ended_by_another(team: Team) -> None:
    team.roll_out()
    held = sorted(team.names())[0]
    team("patch", "pod", held, "-p", HOLD)
    team("delete", "ds", "agent", "--cascade=foreground", "--wait=false")
    eventually(team.names, lambda names: names == {held})
    team("delete", "ds", "agent", "--timeout=30s")
    assert (team.names("ds"), team.names()) == (set(), {held})
    team("patch", "pod", held, "-p", FREE)
    gone(team)


def test_orphans_are_adopted_by_the_next_one_of_their_kind(team: Team) -> None:
    team.roll_out()
    pods, revisions = team.names(), team.names("controllerrevisions")
    team("delete", "ds", "agent", "--cascade=orphan")
    assert (team.names(), team.owners()) == (pods, set())
    assert (team.names("controllerrevisions"), team.owners("controllerrevisions")) == (revisions, set())
    team.roll_out()
    assert (team.names(), team.owners()) == (pods, {team.uid()})
    assert (team.names("controllerrevisions"), team.owners("controllerrevisions")) == (revisions, {team.uid()})
    team("delete", "ds", "agent", "--cascade=orphan")
    team.roll_out(image="agent:v2")
    assert not pods & team.names()
    assert {pod["spec"]["containers"][0]["image"] for pod in team.items("pods")} == {"registry.example/agent:v2"}
    history = team("rollout", "history", "ds/agent").split("\n")[2:4]
    assert [line.split()[0] for line in history] == ["1", "2"]


def test_a_name_that_comes_back_at_once_starts_afresh(team: Team) -> None:
    team.roll_out()
    before, old = team.names(), team.uid()
    team("delete", "ds", "agent", "--wait=false")
    team.roll_out()
    after = eventually(team.names, lambda names: not before & names and len(names) == 5)
    assert len(after) == 5
    assert team.owners() == {team.uid()}
    assert team.uid() != old


def test_two_daemon_sets_with_one_selector_live_side_by_side(team: Team) -> None:
    team.roll_out(name="one")
    team.roll_out(name="two")
    of: dict[str, int] = {}
    for pod in team.items("pods"):
        (owner,) = pod["metadata"]["ownerReferences"]
        of[owner["name"]] = of.get(owner["name"], 0) + 1
    assert of == {"one": 5, "two": 5}
    team("delete", "ds", "one", "--cascade=foreground")
    assert team.owners() == {team.uid("ds/two")}


def test_a_pod_is_taken_out_by_its_label_and_put_back(team: Team) -> None:
    team.roll_out()
    pod = sorted(team.names())[0]
    team("label", "pod", pod, "app=debugged", "--overwrite")
    eventually(team.names, lambda names: len(names) == 6)
    assert team("get", "pod", pod, "-o", "jsonpath={.metadata.ownerReferences}") == ""
    team("rollout", "status", "ds/agent", "--timeout=30s")
    pods = {each["metadata"]["name"]: each for each in team.items("pods")}
    two = [each["metadata"] for each in pods.values() if node_of(each) == node_of(pods[pod])]
    team("label", "pod", pod, "app=agent", "--overwrite")
    # The younger of the two on its node goes; of two that were made in the same second, names decide.
    younger = max(two, key=lambda each: (each["creationTimestamp"], each["name"]))["name"]
    assert eventually(team.names, lambda names: len(names) == 5) == pods.keys() - {younger}
    assert team.owners() == {team.uid()}


def test_a_pod_that_a_finalizer_holds_keeps_its_name_until_that_goes(team: Team) -> None:
    team.roll_out()
    held = sorted(team.names())[0]
    team("patch", "pod", held, "-p", HOLD)
    team("delete", "pod", held, "--wait=false")
    eventually(team.names, lambda names: len(names) == 6)
    marked = team("get", "pod", held, "-o", "jsonpath={.metadata.deletionTimestamp} {.status.phase}").split()
    assert len(marked) == 2
    team("patch", "pod", held, "-p", FREE)
    eventually(team.names, lambda names: len(names) == 5 and held not in names)


def test_all_daemon_sets_at_once(team: Team) -> None:
    for name in ("one", "two", "three"):
        team.roll_out(name=name, app=name)
    told = team("delete", "ds", "--all")
    assert told.count("deleted from") == 3
    gone(team)


def test_pods_deleted_by_label_during_a_rollout_come_back_in_the_new_version(team: Team) -> None:
    team.roll_out()
    before = team.names()
    team("set", "image", "ds/agent", "agent=registry.example/agent:v2")
    team("delete", "pods", "-l", "app=agent")
    team("rollout", "status", "ds/agent", "--timeout=60s")
    after = eventually(team.names, lambda names: len(names) == 5 and not before & names)
    assert after
    assert {pod["spec"]["containers"][0]["image"] for pod in team.items("pods")} == {"registry.example/agent:v2"}


def test_owners_in_a_circle(team: Team) -> None:
    def config_map(name: str, owner: str = "", uid: str = "") -> dict[str, Any]:
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": True}
        metadata = {"name": name, "ownerReferences": [reference] if owner else []}
        return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}

    team.apply(config_map("first"))
    team.apply(config_map("second", "first", team.uid("cm/first")))
    team.apply(config_map("first", "second", team.uid("cm/second")))
    team("delete", "cm", "first", "--cascade=foreground", "--timeout=30s")
    eventually(lambda: team.names("cm"), lambda names: names == {"kube-root-ca.crt"})
    team.apply(config_map("itself"))
    team.apply(config_map("itself", "itself", team.uid("cm/itself")))
    team("delete", "cm", "itself", "--cascade=foreground", "--timeout=30s")


def test_an_owner_in_another_namespace_is_none(team: Team) -> None:
    elsewhere = team.kubectl("get", "cm", "kube-root-ca.crt", "-n", "default", "-o", "jsonpath={.metadata.uid}")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": elsewhere}
    child = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "child", "ownerReferences": [reference]},
    }
    team.apply(child)
    eventually(lambda: team.names("cm"), lambda names: "child" not in names)
    events = eventually(
        lambda: team.items("events"), lambda found: any(one["reason"] == "OwnerRefInvalidNamespace" for one in found)
    )
    (told,) = [one["message"] for one in events if one["reason"] == "OwnerRefInvalidNamespace"]
    identity = f"[v1/ConfigMap, namespace: {team.namespace}, name: kube-root-ca.crt, uid: {elsewhere}]"
    assert told == f'ownerRef {identity} does not exist in namespace "{team.namespace}"'


def test_a_namespace_says_what_it_waits_for(team: Team) -> None:
    team.roll_out()
    team("create", "configmap", "held")
    team("patch", "cm", "held", "--type=merge", "-p", HOLD)
    team("create", "quota", "few", "--hard=pods=10")
    team("create", "pdb", "agent", "--selector=app=agent", "--min-available=1")
    team.kubectl("delete", "namespace", team.namespace, "--wait=false")
    refused = team.kubectl.refused("create", "configmap", "late", "-n", team.namespace)
    assert "because it is being terminated" in refused

    def conditions() -> dict[str, str]:
        found = json.loads(team.kubectl("get", "namespace", team.namespace, "-o", "json"))["status"]
        return {one["type"]: one["message"] for one in found.get("conditions", []) if one["status"] == "True"}

    told = eventually(conditions, lambda seen: "NamespaceFinalizersRemaining" in seen)
    assert told == {
        "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "example.com/hold in 1 resource instances",
    }
    assert "Terminating" in team.kubectl("get", "namespace", team.namespace)
    for kind in ("ds", "pods", "controllerrevisions", "quota", "pdb", "sa"):
        assert team.names(kind) == set()
    team("patch", "cm", "held", "--type=merge", "-p", FREE)
    team.kubectl("wait", "--for=delete", f"namespace/{team.namespace}", "--timeout=30s")


def test_a_pod_on_a_silent_node_is_deleted_by_force(up: Callable[..., Up], programs: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: []\n")
    kubectl = Kubectl(programs / "kubectl", up("--nodes", "3", "--simulation", str(rules)).kubeconfig, tmp_path)
    team = Team(kubectl, "default")
    team.roll_out()

    def on(node: str) -> dict[str, str]:
        """Names and phases."""
        found = team.items("pods", "--field-selector", f"spec.nodeName={node}")
        return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in found}

    (lost,) = on("node-00001")
    # When node-00002 obeys the new rules, node-00001 does too.
    rules.write_text(
        "rules:\n- {match: {node: node-00001}, silent: true}\n- {match: {node: node-00002}, neverReady: true}\n"
    )
    eventually(lambda: team("get", "pods"), lambda shown: "0/1" in shown)
    team("delete", "pod", lost, "--wait=false")
    told = kubectl.run("delete", "pod", lost, "--timeout=1s", "-n", "default")
    assert told.returncode == 1
    # It is asked to go, its node does not answer, and no second pod takes its place.
    assert on("node-00001") == {lost: "Running"}
    told = kubectl.run("delete", "pod", lost, "--force", "--grace-period=0", "-n", "default")
    assert "Immediate deletion does not wait for confirmation" in told.stderr
    assert f'pod "{lost}" force deleted' in told.stdout
    after = eventually(lambda: on("node-00001"), lambda pods: len(pods) == 1 and lost not in pods)
    assert list(after.values()) == ["Pending"]
    rules.write_text("rules: []\n")
    eventually(lambda: on("node-00001"), lambda pods: list(pods.values()) == ["Running"])


@pytest.mark.parametrize("policy", ["background", "foreground", "orphan"])
def test_a_deletion_goes_on_after_a_crash(up: Callable[..., Up], programs: Path, tmp_path: Path, policy: str) -> None:
    running = up("--nodes", "150")
    team = Team(Kubectl(programs / "kubectl", running.kubeconfig, tmp_path), "default")
    team.roll_out(updateStrategy={"rollingUpdate": {"maxUnavailable": "100%"}})
    team("delete", "ds", "agent", f"--cascade={policy}", "--wait=false")
    running.kill()
    running = up("--nodes", "150")
    team = Team(Kubectl(programs / "kubectl", running.kubeconfig, tmp_path), "default")
    eventually(lambda: team.names("ds"), lambda names: not names)
    left = 150 if policy == "orphan" else 0
    eventually(team.names, lambda names: len(names) == left)
    eventually(lambda: team.owners() | team.owners("controllerrevisions"), lambda owners: not owners)
