"""The rows of pods: the one word for the state of all containers, and the counts beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from everynode.api import scheme
from everynode.apiserver import tables
from everynode.values.timestamps import parse

NOW = parse("2026-01-01T01:00:00Z")
RUNNING: dict[str, Any] = {"ready": True, "state": {"running": {"startedAt": None}}}
Tree = dict[str, Any]


def container(name: str = "c", restarts: int = 0, **more: Any) -> Tree:
    return {"name": name, "restartCount": restarts, **more}


def waiting(reason: str) -> Tree:
    return {"state": {"waiting": {"reason": reason}}}


def ended(code: int, reason: str = "", signal: int = 0) -> Tree:
    return {"state": {"terminated": {"exitCode": code, "reason": reason, "signal": signal}}}


def pod(
    *containers: Tree,
    init: tuple[Tree, ...] = (),
    sidecars: tuple[str, ...] = (),
    spec: Tree | None = None,
    **status: Any,
) -> Tree:
    return {
        "spec": {
            "containers": [{"name": each["name"]} for each in containers],
            "initContainers": [
                {"name": each["name"], **({"restartPolicy": "Always"} if each["name"] in sidecars else {})}
                for each in init
            ],
            **(spec or {}),
        },
        "status": {"phase": "Running", "containerStatuses": containers, "initContainerStatuses": init, **status},
    }


def whole_row(tree: Tree, **metadata: Any) -> Tree:
    body = json.dumps({"metadata": {"name": "p", **metadata}, **tree}).encode()
    row: Tree = json.loads(tables.table(scheme.PODS, [body], now=NOW))["rows"][0]
    return row


def cells(tree: Tree, **metadata: Any) -> list[Any]:
    shown: list[Any] = whole_row(tree, **metadata)["cells"]
    return shown


TRUE_INITIALIZED: Tree = {"conditions": [{"type": "Initialized", "status": "True"}]}
TRUE_READY: Tree = {"conditions": [{"type": "Ready", "status": "True"}]}
SIDECAR = container("s", **RUNNING, started=True)


@pytest.mark.parametrize(
    ("tree", "ready", "status"),
    [
        (pod(phase="Pending"), "0/0", "Pending"),
        (pod(phase="Failed", reason="Evicted"), "0/0", "Evicted"),
        (
            pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
            "0/0",
            "SchedulingGated",
        ),
        (pod(container(**RUNNING)), "1/1", "Running"),
        (pod(container(**{**RUNNING, "ready": False})), "0/1", "Running"),
        (pod(container(**waiting("CrashLoopBackOff"))), "0/1", "CrashLoopBackOff"),
        (pod(container("a", **waiting("ErrImagePull")), container("b", **waiting("Other"))), "0/2", "ErrImagePull"),
        (pod(container("a", **RUNNING), container("b", **ended(1, "Error"))), "1/2", "Error"),
        (pod(container(**ended(0, "Completed")), phase="Succeeded"), "0/1", "Completed"),
        (pod(container(**ended(3))), "0/1", "ExitCode:3"),
        (pod(container(**ended(137, signal=9))), "0/1", "Signal:9"),
        (pod(container("a", **ended(0, "Completed")), container("b", **RUNNING), **TRUE_READY), "1/2", "Running"),
        (pod(container("a", **ended(0, "Completed")), container("b", **RUNNING)), "1/2", "NotReady"),
        (pod(container(), init=(container("i"), container("j"))), "0/1", "Init:0/2"),
        (pod(container(), init=(container("i", **ended(0)), container("j", **waiting("")))), "0/1", "Init:1/2"),
        (pod(container(), init=(container("i", **waiting("PodInitializing")),)), "0/1", "Init:0/1"),
        (pod(container(), init=(container("i", **waiting("ImagePullBackOff")),)), "0/1", "Init:ImagePullBackOff"),
        (pod(container(), init=(container("i", **ended(1, "Error")),)), "0/1", "Init:Error"),
        (pod(container(), init=(container("i", **ended(2)),)), "0/1", "Init:ExitCode:2"),
        (pod(container(), init=(container("i", **ended(2, signal=15)),)), "0/1", "Init:Signal:15"),
        (pod(container(**RUNNING), init=(container("i", **ended(0, "Completed")),)), "1/1", "Running"),
        (pod(container(**RUNNING), init=(SIDECAR,), sidecars=("s",)), "2/2", "Running"),
        (pod(container(), init=(SIDECAR, container("i")), sidecars=("s",)), "1/2", "Init:1/2"),
        (pod(container(), init=({**SIDECAR, "started": False},), sidecars=("s",)), "0/2", "Init:0/1"),
        (pod(container(**RUNNING), init=(container("i"),), **TRUE_INITIALIZED), "1/1", "Init:0/1"),
    ],
)
def test_ready_and_status(tree: Tree, ready: str, status: str) -> None:
    assert cells(tree)[1:3] == [ready, status]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"phase": "Running"}, "Terminating"),
        ({"phase": "Succeeded"}, "Succeeded"),
        ({"phase": "Running", "reason": "NodeLost"}, "Unknown"),
    ],
)
def test_a_deletion_under_way_outranks_the_containers(status: Tree, word: str) -> None:
    assert cells({"status": status}, deletionTimestamp="2026-01-01T00:59:00Z")[2] == word


def last(time: str) -> Tree:
    return {"lastState": {"terminated": {"exitCode": 1, "finishedAt": time}}}


def test_restarts_are_counted_with_the_time_of_the_last() -> None:
    earlier, later = last("2026-01-01T00:50:00Z"), last("2026-01-01T00:59:50Z")
    assert cells(pod(container("a", 2, **later), container("b", 1, **earlier)))[3] == "3 (10s ago)"
    assert cells(pod(container("a", 2)))[3] == "2"
    assert cells(pod(container("a", 0, **later)))[3] == "0"


def test_restarts_of_init_containers_count_until_they_are_through_and_those_of_sidecars_always() -> None:
    initializing = pod(container("a", 1), init=(container("i", 4, **waiting("CrashLoopBackOff")),))
    assert cells(initializing)[3] == "4"
    through = pod(
        container("a", 1), init=(container("i", 4, **ended(0)), {**SIDECAR, "restartCount": 2}), sidecars=("s",)
    )
    assert cells(through)[3] == "3"


def test_the_wide_columns() -> None:
    gates = {"readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}], "nodeName": "n"}
    conditions = [{"type": "x", "status": "True"}, {"type": "y", "status": "False"}]
    wide = pod(spec=gates, podIPs=[{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], nominatedNodeName="m", conditions=conditions)
    assert cells(wide)[5:] == ["10.0.0.1", "n", "m", "1/2"]
    assert cells(pod())[5:] == ["<none>"] * 4


def test_rows_of_pods_that_are_through_say_so() -> None:
    assert whole_row(pod(phase="Succeeded"))["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ]
    assert whole_row(pod(phase="Failed"))["conditions"][0]["message"] == "The pod failed."
    assert "conditions" not in whole_row(pod())
