"""The rows of pods: one word for the state of all their containers, as kubectl's users know it.

The word begins as the pod's phase or reason. Init containers that have not succeeded speak next (`Init:1/3`); once they are
through, the first container that waits or has ended speaks (`CrashLoopBackOff`, `Completed`, `ExitCode:1`). A deletion under
way outranks them all.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everynode.apiserver.tables.printer import (
    AGE,
    NAME,
    WIDE,
    Cells,
    Metadata,
    Printer,
    RowCondition,
    View,
    age_of,
    text,
)
from everynode.values.timestamps import human_duration, parse


class Ended(msgspec.Struct, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    finished_at: str | None = None

    def word(self) -> str:
        """Why, in one word."""
        return self.reason or (f"Signal:{self.signal}" if self.signal else f"ExitCode:{self.exit_code}")


class Waiting(msgspec.Struct):
    """Why a container waits."""

    reason: str = ""


class Running(msgspec.Struct):
    """That a container runs is all there is to read."""


class State(msgspec.Struct):
    """A container's state: at most one of these is there."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Ended | None = None


class ContainerStatus(msgspec.Struct, rename="camel"):
    """What is read of a container's status."""

    name: str = ""
    state: State = msgspec.field(default_factory=State)
    last_state: State = msgspec.field(default_factory=State)
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0


class Container(msgspec.Struct, rename="camel"):
    """What is read of a container."""

    name: str = ""
    restart_policy: str | None = None

    @property
    def is_sidecar(self) -> bool:
        """Whether an init container goes on running beside the others."""
        return self.restart_policy == "Always"


class ReadinessGate(msgspec.Struct, rename="camel"):
    """A condition that somebody else sets and readiness waits for."""

    condition_type: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    """What is read of a pod's spec."""

    containers: list[Container] = []
    init_containers: list[Container] = []
    node_name: str = ""
    readiness_gates: list[ReadinessGate] = []


class Condition(msgspec.Struct):
    """What is read of a condition."""

    type: str = ""
    status: str = ""
    reason: str = ""


class PodIP(msgspec.Struct):
    """One of a pod's addresses."""

    ip: str = ""


class PodStatus(msgspec.Struct, rename="camel"):
    """What is read of a pod's status."""

    phase: str = ""
    reason: str = ""
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []
    nominated_node_name: str = ""
    pod_ips: list[PodIP] = msgspec.field(default_factory=list, name="podIPs")

    def is_true(self, type: str) -> bool:
        """Whether the condition of this type is True."""
        return next((each.status == "True" for each in self.conditions if each.type == type), False)


class PodView(View):
    """What is read of a pod."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class _Tally:
    """Counts over the containers looked at so far."""

    def __init__(self) -> None:
        self.ready = 0
        self.restarts = 0
        self.last_restart = 0.0  # Unix seconds; 0 when there was none

    def count_restarts(self, status: ContainerStatus) -> None:
        self.restarts += status.restart_count
        ended = status.last_state.terminated
        if ended is not None and ended.finished_at:
            self.last_restart = max(self.last_restart, parse(ended.finished_at))


def _cells(pod: PodView, metadata: Metadata, now: float) -> Cells:
    spec, status = pod.spec, pod.status
    word, tally = _state(pod)
    if metadata.deletion_timestamp and status.reason == "NodeLost":
        word = "Unknown"
    elif metadata.deletion_timestamp and status.phase not in ("Succeeded", "Failed"):
        word = "Terminating"
    total = len(spec.containers) + sum(container.is_sidecar for container in spec.init_containers)
    restarts = str(tally.restarts)
    if tally.restarts and tally.last_restart:
        restarts += f" ({human_duration(now - tally.last_restart)} ago)"
    return (
        metadata.name,
        f"{tally.ready}/{total}",
        word,
        restarts,
        age_of(metadata, now),
        (status.pod_ips[0].ip if status.pod_ips else "") or "<none>",
        spec.node_name or "<none>",
        status.nominated_node_name or "<none>",
        _gates(spec.readiness_gates, status),
    )


def _state(pod: PodView) -> tuple[str, _Tally]:
    """The word for the containers' state, and the counts that go with it."""
    status = pod.status
    word = status.reason or status.phase
    if any(each.type == "PodScheduled" and each.reason == "SchedulingGated" for each in status.conditions):
        word = "SchedulingGated"
    sidecars = {container.name for container in pod.spec.init_containers if container.is_sidecar}
    tally, sidecar_tally = _Tally(), _Tally()
    initializing = False
    for index, each in enumerate(status.init_container_statuses):
        tally.count_restarts(each)
        if each.name in sidecars:
            sidecar_tally.count_restarts(each)
        ended, waiting = each.state.terminated, each.state.waiting
        if ended is not None and ended.exit_code == 0:
            continue
        if each.name in sidecars and each.started:
            sidecar_tally.ready += each.ready
            continue
        if ended is not None:
            word = f"Init:{ended.word()}"
        elif waiting is not None and waiting.reason not in ("", "PodInitializing"):
            word = f"Init:{waiting.reason}"
        else:
            word = f"Init:{index}/{len(pod.spec.init_containers)}"
        initializing = True
        break
    if initializing and not status.is_true("Initialized"):
        tally.ready = sidecar_tally.ready
        return word, tally
    return _running_state(word, status, sidecar_tally), sidecar_tally


def _running_state(word: str, status: PodStatus, tally: _Tally) -> str:
    """The word once the init containers are through; counts the containers into `tally`."""
    any_running = False
    for each in reversed(status.container_statuses):
        tally.count_restarts(each)
        if each.state.waiting is not None and each.state.waiting.reason:
            word = each.state.waiting.reason
        elif each.state.terminated is not None:
            word = each.state.terminated.word()
        elif each.ready and each.state.running is not None:
            any_running = True
            tally.ready += 1
    if word == "Completed" and any_running:
        return "Running" if status.is_true("Ready") else "NotReady"
    return word


def _gates(gates: list[ReadinessGate], status: PodStatus) -> str:
    if not gates:
        return "<none>"
    return f"{sum(status.is_true(gate.condition_type) for gate in gates)}/{len(gates)}"


def _conditions(pod: PodView) -> Sequence[RowCondition]:
    match pod.status.phase:
        case "Succeeded":
            return [RowCondition("Completed", "True", "Succeeded", "The pod has completed successfully.")]
        case "Failed":
            return [RowCondition("Completed", "True", "Failed", "The pod failed.")]
        case _:
            return []


POD = Printer(
    (
        NAME,
        text("Ready", "How many of the pod's containers are ready"),
        text("Status", "The state of all the pod's containers in one word"),
        text("Restarts", "How often containers were started again, and when last"),
        AGE,
        text("IP", "The pod's address", WIDE),
        text("Node", "The node the pod is bound to", WIDE),
        text("Nominated Node", "The node where others make room for the pod", WIDE),
        text("Readiness Gates", "How many of the pod's readiness gates are open", WIDE),
    ),
    PodView,
    _cells,
    _conditions,
)
