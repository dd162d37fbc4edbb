"""The process is stopped (SIGSTOP) for longer than a node may be silent, in the middle of a rollout, and goes on.

Nobody is declared dead for a time in which nobody could be heard, no pod is made twice, watches go on or are taken up again,
and the rollout ends. A minute of it takes a minute; this is the one test that does.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.outside import MERGE, Outside
from tests.e2e.test_crash import DAEMON_SETS, PODS, Census, daemon_set, node_of
from tests.e2e.test_full_disk import image, until, updated
from tests.running import Kubectl, Up

NODES = 6
# Seconds; a node's grace is 40. `EVERYNODE_STOP_SECONDS=60` makes it the minute that it is about.
STOPPED = float(os.environ.get("EVERYNODE_STOP_SECONDS", "45"))


def test_a_process_that_is_stopped_and_goes_on(tmp_path: Path, programs: Path, up: Callable[..., Up]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n- readySeconds: 0.5\n")
    running = up("--nodes", str(NODES), "--simulation", str(rules))
    outside = Outside(running.kubeconfig)
    kubectl = Kubectl(programs / "kubectl", running.kubeconfig, tmp_path)
    manifest = daemon_set("v0")
    manifest["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = 1
    outside.must("POST", DAEMON_SETS, manifest)
    kubectl("rollout", "status", "daemonset/d")
    census = Census(outside, None)
    census.start()
    nodes = kubectl.start("get", "nodes", "--watch-only", "--no-headers", output=tmp_path / "nodes")
    outside.must("PATCH", f"{DAEMON_SETS}/d", image("v1"), MERGE)
    waiting = kubectl.start("rollout", "status", "daemonset/d", output=tmp_path / "rollout")
    until(lambda: updated(outside) >= 1 and b"Waiting" in (tmp_path / "rollout").read_bytes(), "the rollout begins")

    running.send(signal.SIGSTOP)
    time.sleep(STOPPED)
    running.send(signal.SIGCONT)

    assert waiting.wait(60) == 0, (tmp_path / "rollout").read_text()
    assert "successfully rolled out" in (tmp_path / "rollout").read_text()
    # Whoever were to be declared dead would be within a heartbeat's time.
    time.sleep(12)
    assert "NotReady" not in (tmp_path / "nodes").read_text()
    told = kubectl("get", "events", "--all-namespaces", "-o", "jsonpath={.items[*].reason}").split()
    assert not {"NodeNotReady", "TaintManagerEviction"} & set(told)
    pods = outside.must("GET", PODS)["items"]
    assert sorted((node_of(pod), pod["spec"]["containers"][0]["image"]) for pod in pods) == [
        (f"node-{n:05}", "v1") for n in range(NODES)
    ]
    if not census.is_alive():
        # The stream gave up in the meantime; it is taken up where it ended.
        census = Census(outside, census)
        census.start()
    until(lambda: len(census.pods) == NODES, "the watch tells of all pods")
    assert census.crowded == []
    assert "Traceback" not in running.log
    nodes.kill()
    nodes.wait()
    assert running.stop() == 0
