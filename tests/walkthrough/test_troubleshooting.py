"""The page's trouble-shooting as a story: each trouble is brought about, seen with the page's commands, and mended.

The chapters stand in the page's order. One `everynode up` serves them all; its simulation file says what the program's versions
are like: `:missing` is in no registry, `:crashing` exits at once, `:shortlived` after a second, `:hanging` never passes
its probe.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Kubectl, Up
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE, NEW, OLD
from tests.walkthrough.waiting import eventually

RULES = """
rules:
- match: {image: "*:missing"}
  imagePullBackOff: true
- match: {image: "*:crashing"}
  crashLoopBackOff: true
- match: {image: "*:hanging"}
  neverReady: true
- match: {image: "*:shortlived"}
  exitAfterSeconds: 1
  exitCode: 1
- match: {node: node-00001}
  clockOffsetSeconds: 300
- match: {node: node-00002}
  clockOffsetSeconds: -300
"""
NODES = [f"node-{number:05d}" for number in range(5)]
REPOSITORY = OLD.partition(":")[0]
DONE = f'daemon set "{NAME}" successfully rolled out\n'
WAITING = f'Waiting for daemon set "{NAME}" rollout to finish: '


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """`everynode up --nodes 5` with the rules above."""
    folder = tmp_path_factory.mktemp("troubles")
    (folder / "rules.yaml").write_text(RULES)
    one = Up(folder / "data", ("--nodes", "5", "--simulation", str(folder / "rules.yaml"))).start()
    yield one
    one.kill()


@pytest.fixture
def ds(kubectl: Kubectl, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl with the page's DaemonSet rolled out; gone afterwards."""
    kubectl("apply", "-f", str(page.write(tmp_path)))
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    yield kubectl
    # The page's last command: clean up.
    kubectl("delete", "ds", NAME, *NAMESPACE)
    kubectl("wait", "--for=delete", "pods", "-l", f"name={NAME}", *NAMESPACE, "--timeout=60s")


def pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    """The DaemonSet's pods."""
    items: list[dict[str, Any]] = json.loads(
        kubectl("get", "pods", "-l", f"name={NAME}", *NAMESPACE, "-o", "json"),
    )["items"]
    return items


def uids(kubectl: Kubectl) -> dict[str, str]:
    """The pod on each node."""
    return {one["spec"].get("nodeName", ""): one["metadata"]["uid"] for one in pods(kubectl)}


def table(kubectl: Kubectl) -> dict[str, list[str]]:
    """The page's command, `get pods -l … -o wide`: the rows, by the name of the pod."""
    shown = kubectl("get", "pods", "-l", f"name={NAME}", "-o", "wide", *NAMESPACE, "--no-headers")
    return {row.split()[0]: row.split() for row in shown.splitlines()}


def statuses(kubectl: Kubectl) -> list[str]:
    """The column STATUS of all pods."""
    return sorted(row[2] for row in table(kubectl).values())


def set_image(kubectl: Kubectl, image: str) -> None:
    assert kubectl("set", "image", DS, f"{NAME}={image}", *NAMESPACE) == f"daemonset.apps/{NAME} image updated\n"


def stands_still(kubectl: Kubectl, seconds: int = 1) -> str:
    """`rollout status` waits for as long as it may; what it says meanwhile."""
    told = kubectl.run("rollout", "status", DS, *NAMESPACE, f"--timeout={seconds}s")
    assert (told.returncode, told.stderr) == (1, "error: timed out waiting for the condition\n")
    return told.stdout


def goes_through(kubectl: Kubectl) -> None:
    assert kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s").endswith(DONE)


# Some nodes run out of resources


def test_a_node_is_short_of_resources(ds: Kubectl) -> None:
    # Somebody's program takes most of one node.
    hog = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hog", "labels": {"app": "hog"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": NODES[2]},
            "containers": [{"name": "hog", "image": "hog:v1", "resources": {"requests": {"cpu": "3500m"}}}],
        },
    }
    ds("create", "-f", "-", stdin=json.dumps(hog))
    ds("wait", "--for=condition=Ready", "pod/hog", "--timeout=30s")
    ds("create", "poddisruptionbudget", "hog", "--selector=app=hog", "--min-available=1")

    # The update asks for more than is left there, and stands still.
    ds("set", "resources", DS, "--requests=cpu=1", *NAMESPACE)
    eventually(lambda: statuses(ds), lambda seen: seen == ["Pending"] + ["Running"] * 4)
    assert f"{WAITING}3 out of 5 new pods have been updated..." in stands_still(ds)

    # Which node is it? The one that `get nodes` has and the pods have not.
    nodes = {line.split()[0] for line in ds("get", "nodes", "--no-headers").splitlines()}
    shown = table(ds)
    assert nodes - {row[-3] for row in shown.values()} == {NODES[2]}
    (pending,) = (name for name, row in shown.items() if row[2] == "Pending")
    described = ds("describe", "pod", pending, *NAMESPACE)
    assert "FailedScheduling" in described
    assert "1 Insufficient cpu" in described

    # Make room: delete a pod that is not the DaemonSet's.
    there = ds("get", "pods", "-A", "--field-selector", f"spec.nodeName={NODES[2]}", "--no-headers")
    assert [line.split()[1] for line in there.splitlines()] == ["hog"]
    assert ds("delete", "pod", "hog") == 'pod "hog" deleted from default namespace\n'
    goes_through(ds)

    # The page's warning: no controller brings that pod back, and its PodDisruptionBudget was not asked.
    assert "NotFound" in ds.refused("get", "pod", "hog")
    ds("delete", "poddisruptionbudget", "hog")


# The rollout is broken

BROKEN = {
    "the container crashes": (
        f"{REPOSITORY}:crashing",
        ["Error", "CrashLoopBackOff"],
        ["Back-off restarting failed container fluentd-elasticsearch in pod fluentd-elasticsearch-"],
    ),
    "the image is missing": (
        f"{REPOSITORY}:missing",
        ["ErrImagePull", "ImagePullBackOff"],
        [
            f'Failed to pull image "{REPOSITORY}:missing": rpc error: code = NotFound desc = ',
            "Error: ErrImagePull",
            f'Back-off pulling image "{REPOSITORY}:missing"',
            "Error: ImagePullBackOff",
        ],
    ),
    "the image has a typo": (
        "quay.io/fluentd_elasticsearch/Fluentd:v2.6.0",
        ["InvalidImageName"],
        [
            "Failed to apply default image tag",
            "repository name (fluentd_elasticsearch/Fluentd) must be lowercase",
            "Error: InvalidImageName",
        ],
    ),
    "it is never ready": (
        f"{REPOSITORY}:hanging",
        ["Running"],
        ["Readiness probe failed: HTTP probe failed with statuscode: 503"],
    ),
}


@pytest.mark.parametrize("trouble", BROKEN)
def test_an_update_is_broken_and_the_next_one_mends_it(ds: Kubectl, trouble: str) -> None:
    image, shown, said = BROKEN[trouble]
    before = uids(ds)
    set_image(ds, image)

    # It takes one node, as maxUnavailable says, and waits.
    broken = NODES[0]
    assert stands_still(ds).endswith(f"{WAITING}1 out of 5 new pods have been updated...\n")
    assert ds("rollout", "status", DS, *NAMESPACE, "--watch=false").endswith(
        "1 out of 5 new pods have been updated...\n"
    )
    for status in shown:
        eventually(lambda: statuses(ds), sorted([status, *["Running"] * 4]).__eq__)
    rows = {row[-3]: row for row in table(ds).values()}
    assert rows[broken][1] == "0/1"
    assert {node: uid for node, uid in uids(ds).items() if node != broken} == {
        node: uid for node, uid in before.items() if node != broken
    }

    # Its pod says why.
    described = ds("describe", "pod", rows[broken][0], *NAMESPACE)
    assert not [words for words in said if words not in described]

    # Update the template again: nobody has to delete anything.
    set_image(ds, NEW)
    goes_through(ds)
    assert {one["spec"]["containers"][0]["image"] for one in pods(ds)} == {NEW}


def test_broken_updates_in_a_row_leave_the_others_alone(ds: Kubectl) -> None:
    before = uids(ds)
    for trouble in ("the container crashes", "the image is missing", "the image has a typo", "it is never ready"):
        set_image(ds, BROKEN[trouble][0])
        stands_still(ds)
        # kubernetes#123232: every further try used to cost one more healthy pod.
        now = uids(ds)
        assert sorted(node for node in now if now[node] != before[node]) == [NODES[0]]

    history = ds("rollout", "history", DS, *NAMESPACE)
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3", "4", "5"]
    # The last revision was broken as well, so a plain undo would not do.
    assert BROKEN["the image has a typo"][0] in ds("rollout", "history", DS, *NAMESPACE, "--revision=4")
    assert ds("rollout", "undo", DS, *NAMESPACE, "--to-revision=1") == f"daemonset.apps/{NAME} rolled back\n"
    goes_through(ds)
    now = uids(ds)
    assert sorted(node for node in now if now[node] != before[node]) == [NODES[0]]


def test_a_broken_update_with_a_share_of_the_nodes(ds: Kubectl) -> None:
    ds("patch", DS, *NAMESPACE, "-p", '{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"30%"}}}}')
    set_image(ds, BROKEN["the image is missing"][0])
    # 30% of 5 nodes, rounded up.
    assert f"{WAITING}2 out of 5 new pods have been updated..." in stands_still(ds)
    assert statuses(ds).count("Running") == 3
    assert ds("rollout", "undo", DS, *NAMESPACE) == f"daemonset.apps/{NAME} rolled back\n"
    goes_through(ds)


def test_a_broken_update_with_surge_takes_nothing_away(ds: Kubectl) -> None:
    surge = '{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":1,"maxUnavailable":0}}}}'
    ds("patch", DS, *NAMESPACE, "-p", surge)
    before = {one["metadata"]["uid"] for one in pods(ds)}
    # Of a node's two pods the older one is counted; both made in one second, that is a matter of their names.
    made = max(one["metadata"]["creationTimestamp"] for one in pods(ds))
    eventually(lambda: time.strftime("%FT%TZ", time.gmtime()), lambda now: now > made)
    for trouble in ("the container crashes", "the image has a typo"):
        set_image(ds, BROKEN[trouble][0])
        assert f"{WAITING}0 out of 5 new pods have been updated..." in stands_still(ds)
        now = {one["metadata"]["uid"] for one in pods(ds)}
        assert (len(now), before - now) == (6, set())
    assert ds("get", DS, *NAMESPACE, "--no-headers").split()[1:6] == ["5", "5", "5", "0", "5"]
    set_image(ds, OLD)
    goes_through(ds)
    eventually(lambda: {one["metadata"]["uid"] for one in pods(ds)}, lambda seen: seen == before)


def test_only_min_ready_seconds_stops_what_crashes_later(ds: Kubectl) -> None:
    ds("patch", DS, *NAMESPACE, "-p", '{"spec":{"minReadySeconds":2}}')
    goes_through(ds)
    set_image(ds, f"{REPOSITORY}:shortlived")
    # It was ready for a second.
    eventually(lambda: statuses(ds), lambda seen: seen == ["Error"] + ["Running"] * 4)
    assert f"{WAITING}1 out of 5 new pods have been updated..." in stands_still(ds)

    # Without it each node counts as soon as it is ready, and the next one is taken.
    ds("patch", DS, *NAMESPACE, "-p", '{"spec":{"minReadySeconds":0}}')
    set_image(ds, NEW)
    goes_through(ds)
    set_image(ds, f"{REPOSITORY}:shortlived")
    images = ("get", "pods", "-l", f"name={NAME}", *NAMESPACE, "-o", "jsonpath={.items[*].spec.containers[0].image}")
    eventually(lambda: ds(*images).count(":shortlived"), lambda broken: broken > 1)


def test_what_a_person_asks_of_a_broken_update(ds: Kubectl) -> None:
    set_image(ds, BROKEN["the container crashes"][0])
    eventually(lambda: statuses(ds), lambda seen: seen == ["CrashLoopBackOff"] + ["Running"] * 4)
    (broken,) = (name for name, row in table(ds).items() if row[2] == "CrashLoopBackOff")

    told = ds("get", "pod", broken, *NAMESPACE, "-o", "jsonpath={.status.containerStatuses[0]}")
    container = json.loads(told)
    assert container["state"]["waiting"]["message"].startswith(
        f"back-off 10s restarting failed container={NAME} pod={broken}_"
    )
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert table(ds)[broken][3] == "1"

    # The DaemonSet's own events tell only of pods made and deleted.
    events = ds("events", "--for", DS, *NAMESPACE)
    assert f"Created pod: {broken}" in events
    assert "BackOff" not in events
    assert "Back-off restarting" in ds("events", "--for", f"pod/{broken}", *NAMESPACE, "--types=Warning")

    waited = ds.refused("wait", "--for=condition=Ready", f"pod/{broken}", *NAMESPACE, "--timeout=1s")
    assert waited == f"error: timed out waiting for the condition on pods/{broken}\n"

    # A simulated node runs no containers: whatever needs one says so.
    for command in (("logs", broken), ("exec", broken, "--", "ls"), ("debug", broken, "--image=busybox")):
        refused = ds.refused(*command[:2], *NAMESPACE, *command[2:])
        assert f'node "{NODES[0]}" is simulated and runs no containers' in refused
    assert ds.refused("top", "pods", *NAMESPACE) == "error: Metrics API not available\n"


def test_a_cause_that_goes_away_needs_no_new_template(cluster: Up, ds: Kubectl) -> None:
    rules = cluster.data_dir.parent / "rules.yaml"
    set_image(ds, BROKEN["it is never ready"][0])
    stands_still(ds)
    rules.write_text(RULES.replace("neverReady: true", "readySeconds: 0"))
    goes_through(ds)
    rules.write_text(RULES)


def test_a_broken_update_on_delete_waits_for_a_person(ds: Kubectl) -> None:
    ds(
        "patch",
        DS,
        *NAMESPACE,
        "--type=merge",
        "-p",
        '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}',
    )
    before = uids(ds)
    set_image(ds, BROKEN["the image has a typo"][0])
    observed = ("get", DS, *NAMESPACE, "-o", "jsonpath={.metadata.generation}={.status.observedGeneration}")
    eventually(lambda: ds(*observed).split("="), lambda seen: seen[0] == seen[1])
    assert uids(ds) == before

    victim = next(name for name, row in table(ds).items() if row[-3] == NODES[3])
    ds("delete", "pod", victim, *NAMESPACE)
    eventually(lambda: statuses(ds), lambda seen: seen == ["InvalidImageName"] + ["Running"] * 4)
    # The next template is for whoever deletes next: the broken pod stays until a person takes it away.
    set_image(ds, NEW)
    eventually(lambda: ds(*observed).split("="), lambda seen: seen[0] == seen[1])
    broken = next(name for name, row in table(ds).items() if row[-3] == NODES[3])
    assert table(ds)[broken][2] == "InvalidImageName"
    ds("delete", "pod", broken, *NAMESPACE)
    eventually(lambda: statuses(ds), lambda seen: seen == ["Running"] * 5)
    assert sorted(one["spec"]["containers"][0]["image"] for one in pods(ds)) == [OLD] * 4 + [NEW]


# Nodes in trouble


def test_nodes_that_are_not_ready_or_cordoned_hold_nothing_up(ds: Kubectl) -> None:
    # A machine joins whose kubelet never says that it is ready.
    machine = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge"}}
    ds("create", "-f", "-", stdin=json.dumps(machine))
    condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no network yet"}
    ds("patch", "node", "edge", "--subresource=status", "-p", json.dumps({"status": {"conditions": [condition]}}))
    ds("cordon", NODES[3])
    seen = {line.split()[0]: line.split()[1] for line in ds("get", "nodes", "--no-headers").splitlines()}
    assert (seen["edge"], seen[NODES[3]]) == ("NotReady", "Ready,SchedulingDisabled")

    # No pod is wanted where nothing is ready; a cordoned node keeps its own and gets the new one too.
    set_image(ds, NEW)
    goes_through(ds)
    assert sorted(row[-3] for row in table(ds).values()) == NODES
    ds("uncordon", NODES[3])
    ds("delete", "node", "edge")


def test_an_update_leaves_a_node_whose_new_taint_is_not_tolerated(ds: Kubectl) -> None:
    ds("taint", "node", NODES[3], "reserved=yes:NoSchedule")
    eventually(lambda: ds("get", DS, *NAMESPACE, "--no-headers").split()[1], "4".__eq__)
    # What runs there runs on; the update takes it away and brings nothing.
    assert sorted(row[-3] for row in table(ds).values()) == NODES
    set_image(ds, NEW)
    goes_through(ds)
    eventually(lambda: sorted(row[-3] for row in table(ds).values()), [*NODES[:3], NODES[4]].__eq__)
    ds("taint", "node", NODES[3], "reserved-")
    goes_through(ds)
    eventually(lambda: sorted(row[-3] for row in table(ds).values()), NODES.__eq__)


# Clock skew


def test_clocks_that_are_wrong_hold_nothing_up(ds: Kubectl) -> None:
    # node-00001 is five minutes ahead and node-00002 five behind, far more than minReadySeconds.
    ds("patch", DS, *NAMESPACE, "-p", '{"spec":{"minReadySeconds":1}}')
    goes_through(ds)
    started = time.monotonic()
    set_image(ds, NEW)
    goes_through(ds)
    # Five nodes one after the other, a second of readiness each: not less where a clock is behind, not more where it is ahead.
    assert 5 <= time.monotonic() - started < 60
    now = time.time()
    readiness = "jsonpath={range .items[*]}{.spec.nodeName} {.status.startTime}{'\\n'}{end}"
    starts = dict(line.split() for line in ds("get", "pods", *NAMESPACE, "-o", readiness).splitlines())
    assert starts[NODES[1]] > time.strftime("%FT%TZ", time.gmtime(now + 200))
    assert starts[NODES[2]] < time.strftime("%FT%TZ", time.gmtime(now - 200))
