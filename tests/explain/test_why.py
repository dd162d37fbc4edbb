"""`everynode why` against a running cluster: troubles are brought about on simulated nodes, and it names them.

One cluster serves them all; `:missing` is in no registry, `:crashing` exits at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Kubectl, Up
from tests.walkthrough.waiting import eventually

RULES = """
rules:
- match: {image: "*:missing"}
  imagePullBackOff: true
- match: {image: "*:crashing"}
  crashLoopBackOff: true
"""
DONE, PROGRESSING, BLOCKED = 0, 3, 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("why")
    (folder / "rules.yaml").write_text(RULES)
    one = Up(folder / "data", ("--nodes", "3", "--simulation", str(folder / "rules.yaml"))).start()
    yield one
    one.kill()


class Why:
    """`everynode why ds/agent`, and kubectl in the same namespace."""

    def __init__(self, cluster: Up, kubectl: Kubectl, namespace: str) -> None:
        self._kubeconfig, self.kubectl, self.namespace = cluster.kubeconfig, kubectl, namespace

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "everynode", "why", "ds/agent", "-n", self.namespace, *options]
        if "--from" not in options:
            command += ["--kubeconfig", str(self._kubeconfig)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def told(self) -> tuple[int, list[str]]:
        """The exit status, and the kinds of the causes."""
        done = self.run("-o", "json")
        assert not done.stderr
        return done.returncode, [cause["kind"] for cause in json.loads(done.stdout)["causes"]]

    def until(self, status: int, *kinds: str) -> None:
        """Waits until that is the answer, and the whole answer."""
        eventually(self.told, lambda told: told == (status, list(kinds)))

    def __call__(self, *arguments: str, **options: Any) -> str:
        return self.kubectl(*arguments, "-n", self.namespace, **options)

    def apply(self, strategy: dict[str, Any] | None = None, **pod: Any) -> None:
        """The DaemonSet, rolled out."""
        container = {"name": "agent", "image": "registry.example/agent:v1", **pod}
        spec: dict[str, Any] = {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [container]}},
        }
        if strategy:
            spec["updateStrategy"] = strategy
        ds = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec}
        self("apply", "-f", "-", stdin=json.dumps(ds))
        self.until(DONE)

    def set_image(self, tag: str) -> None:
        self("set", "image", "ds/agent", f"agent=registry.example/agent:{tag}")


@pytest.fixture
def why(cluster: Up, kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Why]:
    namespace = request.node.name.removeprefix("test_").replace("_", "-")[:40].strip("-")
    kubectl("create", "namespace", namespace)
    yield Why(cluster, kubectl, namespace)
    kubectl("delete", "namespace", namespace)


def test_image_that_does_not_exist_and_the_way_back(why: Why) -> None:
    why.apply()
    assert why.told() == (DONE, [])
    why.set_image("missing")
    why.until(BLOCKED, "BudgetUsedUp", "ImagePullBackOff")
    text = why.run().stdout
    assert "blocked" in text.splitlines()[0]
    assert '"registry.example/agent:missing"' in text
    # What it offers works.
    assert f"kubectl rollout undo -n {why.namespace} ds/agent" in text
    why("rollout", "undo", "ds/agent")
    why.until(DONE)


def test_crash(why: Why) -> None:
    why.apply()
    why.set_image("crashing")
    why.until(BLOCKED, "BudgetUsedUp", "CrashLoopBackOff")


def test_node_that_is_short(why: Why) -> None:
    why.apply()
    hog = {"containers": [{"name": "hog", "image": "hog", "resources": {"requests": {"cpu": "3"}}}]}
    spec = {**hog, "nodeSelector": {"kubernetes.io/hostname": "node-00001"}}
    why("run", "hog", "--image=hog", "--overrides", json.dumps({"spec": spec}))
    why("wait", "--for=condition=Ready", "pod/hog", "--timeout=30s")
    why("set", "resources", "ds/agent", "--requests=cpu=2")
    why.until(BLOCKED, "BudgetUsedUp", "InsufficientResources")
    cause = json.loads(why.run("-o", "json").stdout)["causes"][1]
    assert cause["nodes"] == ["node-00001"]
    assert cause["proof"].startswith("node-00001: 2 of cpu asked for, 1 free, 1 missing")
    assert cause["remedy"] == f"kubectl delete pod -n {why.namespace} hog"
    why("delete", "pod", "hog")
    why.until(DONE)


def test_quota(why: Why) -> None:
    why("create", "quota", "few", "--hard=pods=1")
    ds = {"selector": {"matchLabels": {"app": "agent"}}}
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": "a:v1"}]}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent"},
        "spec": {**ds, "template": template},
    }
    why("apply", "-f", "-", stdin=json.dumps(body))
    why.until(BLOCKED, "QuotaExceeded")
    why("patch", "quota", "few", "-p", '{"spec":{"hard":{"pods":"9"}}}')
    why.until(DONE)


def test_on_delete(why: Why) -> None:
    why.apply({"type": "OnDelete"})
    why.set_image("v2")
    why.until(BLOCKED, "WaitingForDeletion")
    why("delete", "pods", "-l", "app=agent")
    why.until(DONE)


def test_seconds_that_a_pod_must_be_ready(why: Why) -> None:
    why.apply()
    why("patch", "ds", "agent", "-p", '{"spec":{"minReadySeconds":3600}}')
    why.set_image("v2")
    why.until(PROGRESSING, "MinReadySecondsRunning")


def test_dump_says_the_same(why: Why, tmp_path: Path) -> None:
    why.apply()
    why.set_image("missing")
    why.until(BLOCKED, "BudgetUsedUp", "ImagePullBackOff")
    dump = tmp_path / "dump.yaml"
    dump.write_text(why("get", "ds,pods,controllerrevisions,events", "-o", "yaml"))
    nodes = tmp_path / "nodes.json"
    nodes.write_text(why("get", "nodes", "-o", "json"))
    done = why.run("-o", "yaml", "--from", str(dump), "--from", str(nodes))
    assert done.returncode == BLOCKED, done.stderr
    assert "kind: ImagePullBackOff" in done.stdout


def test_what_cannot_be_told(why: Why, tmp_path: Path) -> None:
    missing = why.run()
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == 'everynode: daemonsets.apps "agent" not found\n'
    empty = tmp_path / "empty.yaml"
    empty.write_text("kind: Pod\n")
    assert "no DaemonSet" in why.run("--from", str(empty)).stderr
    empty.write_text("{")
    assert "neither JSON nor YAML" in why.run("--from", str(empty)).stderr
    assert why.run("--from", str(empty), "--watch").returncode == 2
