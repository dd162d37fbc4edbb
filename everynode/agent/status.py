"""A pod's status as its kubelet writes it, worked out from the agent's record of the pod.

Pure. In: the `Pod`, the addresses of its node and of itself, and how its node's clock goes. Out: a complete `PodStatus`. The
conditions that are not a kubelet's are kept, and each condition keeps the time of its last transition as long as it
stays what it is; the phase follows Kubernetes' rule from the containers' states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from everynode.agent import imagename, life
from everynode.agent.pod import Container, Exit, Pod, Role, Stage, shared_conditions
from everynode.api.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    PodCondition,
    PodIP,
    PodStatus,
)

RUNTIME = "simulated"
OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")

Stamp = Callable[[float], str]


def pod_status(pod: Pod, host_ip: str, pod_ip: str, stamp: Stamp, now: float) -> PodStatus:
    """The whole status; `stamp` writes a time as the node's clock shows it. The pod's `conditions` become those written."""
    stage = phase(pod)
    conditions = _conditions(pod, stage, stamp(now))
    pod.conditions = shared_conditions(conditions)
    status = PodStatus(
        observed_generation=pod.generation,
        phase=stage,
        conditions=conditions,
        host_ip=host_ip,
        host_ips=[HostIP(ip=host_ip)],
        start_time=stamp(pod.start_time),
    )
    if pod.rejection is not None:
        status.reason = pod.rejection.reason
        status.message = f"Pod was rejected: {pod.rejection.message}"
        return status
    status.pod_ip = pod_ip
    status.pod_ips = [PodIP(ip=pod_ip)]
    initial = [one for one in pod.containers if one.facts.role is not Role.MAIN]
    default = "PodInitializing" if initial else "ContainerCreating"
    status.init_container_statuses = [_container_status(pod, one, default, stamp) for one in initial]
    status.container_statuses = [_container_status(pod, one, default, stamp) for one in pod.main]
    return status


def phase(pod: Pod) -> str:
    """Kubernetes' phase."""
    if pod.ended:
        ran = pod.rejection is None and pod.initialized
        return "Succeeded" if ran and all(one.last and one.last.code == 0 for one in pod.main) else "Failed"
    main = pod.main
    if not pod.initialized or any(not one.runs and one.last is None for one in main):
        return "Pending"
    return "Running"


def would_be_ready(pod: Pod, seen: Sequence[PodCondition]) -> bool:
    """Whether the pod's agent would now write Ready, given the conditions that others have written."""
    ready = all(one.stage is Stage.READY for one in pod.containers if one.facts.role is not Role.INIT)
    gates = pod.template.readiness_gates
    return ready and not (gates and _why_gates_closed(gates, {one.type: one for one in seen})[0])


def _conditions(pod: Pod, stage: str, stamp: str) -> list[PodCondition]:
    before = {one.type: one for one in pod.conditions}
    kept = [one for one in pod.conditions if one.type not in OWN_CONDITIONS]

    def condition(type: str, reason: str = "", message: str = "", *, holds: bool) -> PodCondition:
        status = "True" if holds else "False"
        known = before.get(type)
        since = known.last_transition_time if known is not None and known.status == status else stamp
        return PodCondition(
            type=type,
            observed_generation=pod.generation,
            status=status,
            last_transition_time=since,
            reason=reason,
            message=message,
        )

    if pod.rejection is not None:
        return [*kept, condition("PodScheduled", holds=True)]
    ready_reason, ready_message = _why_containers_unready(pod, stage)
    containers_ready = condition("ContainersReady", ready_reason, ready_message, holds=not ready_reason)
    if not ready_reason:
        ready_reason, ready_message = _why_gates_closed(pod.template.readiness_gates, before)
    return [
        *kept,
        condition("PodReadyToStartContainers", holds=not pod.ended),
        condition("Initialized", *_why_uninitialized(pod, stage), holds=pod.initialized),
        condition("Ready", ready_reason, ready_message, holds=not ready_reason),
        containers_ready,
        condition("PodScheduled", holds=True),
    ]


def _why_containers_unready(pod: Pod, stage: str) -> tuple[str, str]:
    """Reason and message; empty when all containers are ready."""
    if stage == "Succeeded":
        return "PodCompleted", ""
    if stage == "Failed":
        return "PodFailed", ""
    unready = [
        one.facts.name for one in pod.containers if one.stage is not Stage.READY and one.facts.role is not Role.INIT
    ]
    return ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else ("", "")


def _why_gates_closed(gates: Sequence[str], conditions: dict[str, PodCondition]) -> tuple[str, str]:
    closed = []
    for gate in gates:
        found = conditions.get(gate)
        if found is None:
            closed.append(f'corresponding condition of pod readiness gate "{gate}" does not exist.')
        elif found.status != "True":
            closed.append(f'the status of pod readiness gate "{gate}" is not "True", but {found.status}')
    return ("ReadinessGatesNotReady", ", ".join(closed)) if closed else ("", "")


def _why_uninitialized(pod: Pod, stage: str) -> tuple[str, str]:
    if pod.initialized:
        return ("PodCompleted" if stage == "Succeeded" else "", "")
    missing = [one.facts.name for one in pod.containers if one.facts.role is not Role.MAIN and not one.passed]
    return "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(missing)}]"


def _container_status(pod: Pod, container: Container, default: str, stamp: Stamp) -> ContainerStatus:
    facts, last = container.facts, container.last
    state = _state(pod, container, default, stamp)
    status = ContainerStatus(
        name=facts.name,
        state=state,
        ready=container.passed if facts.role is Role.INIT else container.stage is Stage.READY,
        restart_count=container.restarts,
        image=facts.image,
        started=container.runs,
    )
    if container.runs:
        status.container_id = container_id(pod.uid, facts.name, container.restarts)
    elif last is not None:
        status.container_id = container_id(pod.uid, facts.name, last.run)
    if status.container_id and not facts.misnamed:
        status.image_id = imagename.identity(facts.image)
    past = container.before_last if state.terminated is not None else last
    if past is not None:
        status.last_state = _terminated(pod, container, past, stamp)
    return status


def _state(pod: Pod, container: Container, default: str, stamp: Stamp) -> ContainerState:
    image = container.facts.image
    match container.stage:
        case Stage.RUNNING | Stage.READY:
            return ContainerState(running=ContainerStateRunning(started_at=stamp(container.started_at)))
        case Stage.MISNAMED:
            return _waiting("InvalidImageName", container.facts.misnamed)
        case Stage.PULL_FAILED:
            return _waiting("ErrImagePull", imagename.missing(image))
        case Stage.PULL_BACK_OFF:
            error = f"ErrImagePull: {imagename.missing(image)}"
            return _waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')
        case Stage.CRASHED:
            delay = life.go_duration(life.back_off(max(1, container.crashes - 1)))
            name = container.facts.name
            message = f"back-off {delay} restarting failed container={name} pod={life.full_name(pod)}"
            return _waiting("CrashLoopBackOff", message)
    if container.last is not None:
        return _terminated(pod, container, container.last, stamp)
    return _waiting(default)


def _waiting(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def _terminated(pod: Pod, container: Container, exit: Exit, stamp: Stamp) -> ContainerState:
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=exit.code,
            reason="Completed" if exit.code == 0 else "Error",
            started_at=stamp(exit.started_at),
            finished_at=stamp(exit.finished_at),
            container_id=container_id(pod.uid, container.facts.name, exit.run),
        )
    )


def container_id(uid: str, container: str, run: int) -> str:
    """Names one run of one container; the same for as long as it runs, whoever asks."""
    return f"{RUNTIME}://{hashlib.sha256(f'{uid}/{container}/{run}'.encode()).hexdigest()}"
