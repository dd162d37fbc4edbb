"""`everynode demo` as a process of its own without a terminal: every step of the story happens, and it ends well."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

STORY = [
    "everynode demo: a rolling update on five nodes",
    "$ kubectl get nodes",
    "node-00004   Ready",
    "$ kubectl apply -f fluentd-daemonset.yaml",
    "daemonset.apps/fluentd-elasticsearch created",
    'daemon set "fluentd-elasticsearch" successfully rolled out',
    "-o go-template='{{.spec.updateStrategy.type}}{{\"\\n\"}}' -n kube-system",
    "RollingUpdate",
    "$ kubectl apply -f fluentd-daemonset-update.yaml",
    "daemonset.apps/fluentd-elasticsearch configured",
    'daemon set "fluentd-elasticsearch" successfully rolled out',
    "fluentd-elasticsearch=quay.io/fluentd_elasticsearch/fluentd:v2.6.O",
    "ErrImagePull",
    "$ kubectl get pods -l name=fluentd-elasticsearch -o wide -n kube-system",
    "0/1     ImagePullBackOff",
    "fluentd-elasticsearch=quay.io/fluentd_elasticsearch/fluentd:v2.6.0",
    "daemonset.apps/fluentd-elasticsearch image updated",
    'daemon set "fluentd-elasticsearch" successfully rolled out',
    "$ kubectl rollout history ds/fluentd-elasticsearch -n kube-system",
    "$ kubectl rollout undo ds/fluentd-elasticsearch --to-revision=2 -n kube-system",
    "daemonset.apps/fluentd-elasticsearch rolled back",
    'daemon set "fluentd-elasticsearch" successfully rolled out',
    "$ kubectl delete ds fluentd-elasticsearch -n kube-system",
    'daemonset.apps "fluentd-elasticsearch" deleted from kube-system namespace',
    "Done.",
]


@pytest.fixture(scope="module")
def shown() -> str:
    """What the demo prints, without any waiting between its steps."""
    command = [sys.executable, "-m", "everynode", "demo", "--plain", "--pace", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_step_happens_in_its_order(shown: str) -> None:
    place = 0
    for step in STORY:
        found = shown.find(step, place)
        assert found >= 0, f"{step!r} is missing after:\n{shown[:place][-600:]}"
        place = found + len(step)


def test_the_update_passes_over_the_nodes_one_by_one(shown: str) -> None:
    update = shown.partition("fluentd-daemonset-update.yaml")[2].partition("v2.6.O")[0]
    touched = re.findall(r"\[(node-\d+)\] \S+  revision 2 .* ready", update)
    assert sorted(touched) == [f"node-{number:05d}" for number in range(5)]
    without = 0
    for line in update.splitlines():
        if line.endswith("Terminating"):
            without += 1
        elif line.endswith("ready"):
            without -= 1
        assert without <= 1, line


def test_the_broken_update_reaches_one_node_only(shown: str) -> None:
    assert len(set(re.findall(r"\[(node-\d+)\] \S+  revision 3 ", shown))) == 1


def test_without_a_terminal_there_are_no_escape_sequences(shown: str) -> None:
    assert "\x1b" not in shown
