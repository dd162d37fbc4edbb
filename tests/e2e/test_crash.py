"""kill -9 in the middle of everything, again and again on the same data directory.

Every acknowledged write is there, a rollout goes on and finishes, at no revision do two pods of the DaemonSet stand on one
node, and a cluster that has settled is not touched by a restart.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.outside import CUT_OFF, MERGE, Outside
from tests.running import Up

NODES, CRASHES = 30, 8
NAMESPACE = "/api/v1/namespaces/default"
CONFIG_MAPS, PODS = f"{NAMESPACE}/configmaps", f"{NAMESPACE}/pods"
DAEMON_SETS = "/apis/apps/v1/namespaces/default/daemonsets"


def daemon_set(image: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 3}}
    spec = {"selector": {"matchLabels": {"a": "d"}}, "updateStrategy": strategy, "template": template}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"}, "spec": spec}


class Writer(threading.Thread):
    """Creates, changes and deletes objects of its own until the server is gone, and remembers what was acknowledged."""

    def __init__(self, outside: Outside, dice: random.Random, acknowledged: dict[str, str | None]) -> None:
        super().__init__()
        self._outside, self._dice, self._acknowledged = outside, dice, acknowledged

    def run(self) -> None:
        mine: list[str] = []
        try:
            while True:
                name = f"c-{self._dice.randrange(10**12)}"
                made = self._outside.must("POST", CONFIG_MAPS, {"metadata": {"name": name}})
                mine.append(name)
                self._acknowledged[name] = made["metadata"]["resourceVersion"]
                other = self._dice.choice(mine)
                # What happens to it is unknown until the answer is there.
                self._acknowledged.pop(other, None)
                if self._dice.random() < 0.3:
                    mine.remove(other)
                    self._outside.must("DELETE", f"{CONFIG_MAPS}/{other}")
                    self._acknowledged[other] = None
                else:
                    changed = self._outside.must("PATCH", f"{CONFIG_MAPS}/{other}", {"data": {"by": name}}, MERGE)
                    self._acknowledged[other] = changed["metadata"]["resourceVersion"]
        except CUT_OFF:
            return


class Census(threading.Thread):
    """Follows the pods by watch from the revision where the last census ended, and counts them by node."""

    def __init__(self, outside: Outside, before: Census | None) -> None:
        super().__init__()
        self._outside = outside
        self.revision = before.revision if before else "1"
        self.pods: dict[str, str] = before.pods if before else {}
        self.crowded: list[str] = before.crowded if before else []

    def run(self) -> None:
        for kind, pod in self._outside.watch(PODS, self.revision):
            if kind == "ERROR":
                self.crowded.append(f"the watch from {self.revision} was refused: {pod}")
                return
            self.revision = pod["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                continue
            if kind == "DELETED":
                del self.pods[pod["metadata"]["uid"]]
                continue
            self.pods[pod["metadata"]["uid"]] = node = node_of(pod)
            if list(self.pods.values()).count(node) > 1:
                self.crowded.append(f"two pods on {node} at revision {self.revision}")


def node_of(pod: dict[str, Any]) -> str:
    """The node that a daemon pod is pinned to, bound or not."""
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    node: str = terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    return node


def until_rolled_out(outside: Outside) -> None:
    deadline = time.monotonic() + 30
    while True:
        found = outside.must("GET", f"{DAEMON_SETS}/d")
        told = found["status"]
        updated, available = told.get("updatedNumberScheduled"), told.get("numberAvailable")
        if told.get("observedGeneration") == found["metadata"]["generation"] and updated == available == NODES:
            return
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def revisions(outside: Outside) -> dict[str, str]:
    """Every object but what beats with the heart of a node, with its revision."""
    standing = {}
    for path in (
        "/api/v1/pods",
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/api/v1/serviceaccounts",
        "/api/v1/configmaps",
        "/api/v1/services",
        "/api/v1/events",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/controllerrevisions",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
    ):
        for each in outside.must("GET", path)["items"]:
            metadata = each["metadata"]
            standing[f"{path} {metadata.get('namespace')}/{metadata['name']}"] = metadata["resourceVersion"]
    return standing


def settled(outside: Outside) -> dict[str, str]:
    """Waits until nothing but heartbeats has moved for a second; every object's revision then."""
    for _ in range(20):
        before = revisions(outside)
        time.sleep(1)
        if revisions(outside) == before:
            return before
    raise AssertionError("the cluster does not settle")


def test_kill_9_in_the_middle_of_rollouts(tmp_path: Path, up: Callable[..., Up]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n- startSeconds: 0.05\n  readySeconds: 0.15\n")
    dice = random.Random(8)
    acknowledged: dict[str, str | None] = {}
    census: Census | None = None

    def start() -> tuple[Up, Outside]:
        running = up("--nodes", str(NODES), "--simulation", str(rules))
        return running, Outside(running.kubeconfig)

    running, outside = start()
    outside.must("POST", DAEMON_SETS, daemon_set("v0"))
    for crash in range(CRASHES):
        # The first one begins with the history, so that no pod is ever missed.
        census = Census(outside, census)
        threads = [census, *(Writer(outside, random.Random(dice.random()), acknowledged) for _ in range(2))]
        for thread in threads:
            thread.start()
        if crash % 4 == 0:
            image = f"v{crash + 1}"
            patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
            outside.must("PATCH", f"{DAEMON_SETS}/d", patch, MERGE)
        time.sleep(dice.uniform(0.02, 0.8))
        running.kill()
        for thread in threads:
            thread.join()
        running, outside = start()
        standing = {
            each["metadata"]["name"]: each["metadata"]["resourceVersion"]
            for each in outside.must("GET", CONFIG_MAPS)["items"]
        }
        lost = {name: was for name, was in acknowledged.items() if standing.get(name) != was}
        assert lost == {}
        assert outside.must("GET", f"{DAEMON_SETS}/d")["spec"]["template"]["spec"]["containers"][0]["image"] == image

    assert len(acknowledged) > CRASHES
    assert census is not None
    census = Census(outside, census)
    census.start()
    until_rolled_out(outside)
    pods = outside.must("GET", PODS)["items"]
    assert len({node_of(pod) for pod in pods}) == len(pods) == NODES
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {image}

    before = settled(outside)
    for cleanly in (False, True):
        if not cleanly:
            running.kill()
        else:
            assert running.stop() == 0
        running, outside = start()
        assert settled(outside) == before
    census.join()
    assert census.crowded == []
    assert len(census.pods) == NODES
