"""The demo's manifests, its commands' words and its picture, each by itself."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from everynode.api.apps_v1 import DaemonSet
from everynode.cli.demo import manifest
from everynode.cli.demo_commands import DaemonSetView, _columns
from everynode.cli.demo_picture import Fleet, LiveStage, PodView, RevisionView, Row


def test_the_manifests_differ_in_resources_only() -> None:
    first, second = manifest("fluentd-daemonset.yaml"), manifest("fluentd-daemonset-update.yaml")
    for one in (first, second):
        assert msgspec.convert(one, DaemonSet).spec.template.spec.containers[0].name == "fluentd-elasticsearch"
    resources = second["spec"]["template"]["spec"]["containers"][0].pop("resources")
    assert resources == {"limits": {"memory": "200Mi"}, "requests": {"cpu": "100m", "memory": "200Mi"}}
    assert first == second


@pytest.mark.parametrize(
    ("generation", "status", "says"),
    [
        (2, {"observedGeneration": 1}, "Waiting for daemon set spec update to be observed..."),
        (
            1,
            {"observedGeneration": 1, "desiredNumberScheduled": 5, "updatedNumberScheduled": 2, "numberAvailable": 4},
            'Waiting for daemon set "x" rollout to finish: 2 out of 5 new pods have been updated...',
        ),
        (
            1,
            {"observedGeneration": 1, "desiredNumberScheduled": 5, "updatedNumberScheduled": 5, "numberAvailable": 4},
            'Waiting for daemon set "x" rollout to finish: 4 of 5 updated pods are available...',
        ),
        (1, {"observedGeneration": 1}, 'daemon set "x" successfully rolled out'),
    ],
)
def test_rollout_status(generation: int, status: dict[str, int], says: str) -> None:
    seen = msgspec.convert({"metadata": {"name": "x", "generation": generation}, "status": status}, DaemonSetView)
    assert seen.progress() == (says, says.endswith("rolled out"))


def test_columns() -> None:
    assert _columns([["NAME", "AGE"], ["a-long-name", "1s"]]) == ["NAME          AGE", "a-long-name   1s"]


def pod(name: str, *, node: str = "node-00000", hash: str = "b", image: str = "app:v2", **status: object) -> PodView:
    meta = {"name": name, "labels": {"controller-revision-hash": hash}, **dict(status.pop("meta", {}))}  # type: ignore[call-overload]
    return msgspec.convert(
        {"metadata": meta, "spec": {"nodeName": node, "containers": [{"image": image}]}, "status": status}, PodView
    )


RUNNING = {"phase": "Running", "containerStatuses": [{"ready": True, "state": {}}]}
STUCK = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}


def fleet_of(pods: dict[str, PodView]) -> Fleet:
    revisions = {
        name: msgspec.convert({"metadata": {"labels": {"controller-revision-hash": name}}, "revision": n}, RevisionView)
        for name, n in (("a", 1), ("b", 2))
    }
    return Fleet(["node-00000", "node-00001"], pods, revisions)


def test_rows_tell_what_stands_on_each_node() -> None:
    pods = {"1": pod("old", hash="a", image="app:v1", **RUNNING), "2": pod("new", node="node-00001", **STUCK)}
    fleet, told = fleet_of(pods), []
    fleet.changed = told.append
    fleet.watched = True
    fleet.seen()
    assert fleet.rows == [
        Row("node-00000", "old", 1, "v1", "Running", True),
        Row("node-00001", "new", 2, "v2", "ImagePullBackOff", False),
    ]
    assert (fleet.unavailable, fleet.worst, fleet.newest) == (1, 1, 2)
    pods["1"] = pod("old", hash="a", image="app:v1", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}, **RUNNING)
    fleet.seen()
    assert told[-1] == [Row("node-00000", "old", 1, "v1", "Terminating", False)]
    assert fleet.worst == 2
    fleet.seen()
    assert len(told) == 2


def test_the_picture_fits_a_terminal_of_80_columns() -> None:
    pods = {
        "1": pod("fluentd-elasticsearch-abcde", image="app:v2.6.0", **RUNNING),
        "2": pod("fluentd-elasticsearch-fghij", node="node-00001", image="app:v2.6.O", **STUCK),
    }
    fleet = fleet_of(pods)
    fleet.seen()
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(LiveStage(colour=False)._draw(fleet))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("fluentd-elasticsearch-abcde", "fluentd-elasticsearch-fghij", "✗ ImagePullBackOff", "2/2 updated"):
        assert word in drawn
    assert "…" not in drawn
