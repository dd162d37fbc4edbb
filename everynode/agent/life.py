"""The life of a pod on a node, as a table.

A container waits for its turn, has its image pulled, is started, runs, becomes ready, and may exit; `TABLE` lists every
state (`Stage`, in `pod`), every event and where it leads, and any other pair is a fault of ours. What happens when is said by
the container's `Script`: `_due` gives the next event and its time, `_step` carries one out, and `advance` drives all containers
of a pod as far as `now`, in the order in which Kubernetes starts them: init containers one after the other, sidecars
among them, then all main containers at once.

Nothing here knows a clock, a loop or the API. In: a `Pod`, scripts, the time. Out: the `Pod` changed in place (`change`
counted up, `wake_at` set to the time of the next event, if any) and the `Note`s that a kubelet would record as events.
With nothing in its script a container goes from waiting to ready within one call, so its start is one status write.

Times and messages are Kubernetes': back-off 10 s doubling to 5 min for pulls and for restarts, the first restart as soon as the
exit is seen, and the count begins anew after 10 minutes of running. An exit always is a status of its own: a pod that was ready
and exits is not ready for a while, however soon it runs again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

from everynode.agent import imagename
from everynode.agent.pod import Container, Exit, Pod, PodView, Role, SeenContainer, Stage, Template, exit_of, true_time
from everynode.agent.rules import Script

# Seconds (kubelet: imageBackOffPeriod, MaxContainerBackOff).
FIRST_BACK_OFF, LONGEST_BACK_OFF = 10.0, 300.0
# After so many seconds of running a crash counts as the first again (twice the longest back-off).
GOOD_RUN = 600.0
# What went wrong (ErrImagePull; Error, Completed) is shown for so long before the back-off that follows it: a kubelet's next
# look at the pod.
FAILURE_SHOWN = 2.0
# A kubelet lists its containers once a second: so long until an exit is seen, which the first time is answered by a restart.
FIRST_RESTART = 1.0
# Said in the Pulled event of an image that took time; simulated images have no size of their own.
IMAGE_BYTES = 104_857_600

BEFORE_START = frozenset((Stage.WAITING, Stage.MISNAMED, Stage.PULLING, Stage.PULL_FAILED, Stage.PULL_BACK_OFF))

ScriptOf = Callable[[Pod, Container], Script]


class Event(enum.Enum):
    """What can happen to a container."""

    BEGIN = "its turn has come"
    MISREAD = "its turn has come, but the image's name cannot be read"
    PULLED = "the image is there"
    PULL_ERROR = "the image could not be pulled"
    BACK_OFF = "what went wrong has been shown, now waits"
    RETRY = "the wait is over"
    STARTED = "the program runs"
    PROBE_PASSED = "the readiness probe passed"
    PROBE_FAILED = "the readiness probe failed"
    EXITED = "the program exited and will be started again"
    ENDED = "the program exited for good"


TABLE: dict[tuple[Stage, Event], Stage] = {
    (Stage.WAITING, Event.BEGIN): Stage.PULLING,
    (Stage.WAITING, Event.MISREAD): Stage.MISNAMED,
    (Stage.PULLING, Event.PULLED): Stage.STARTING,
    (Stage.PULLING, Event.PULL_ERROR): Stage.PULL_FAILED,
    (Stage.PULL_FAILED, Event.BACK_OFF): Stage.PULL_BACK_OFF,
    (Stage.PULL_BACK_OFF, Event.RETRY): Stage.PULLING,
    (Stage.STARTING, Event.STARTED): Stage.RUNNING,
    (Stage.RUNNING, Event.PROBE_PASSED): Stage.READY,
    (Stage.READY, Event.PROBE_FAILED): Stage.RUNNING,
    (Stage.RUNNING, Event.EXITED): Stage.EXITED,
    (Stage.READY, Event.EXITED): Stage.EXITED,
    (Stage.EXITED, Event.BACK_OFF): Stage.CRASHED,
    (Stage.EXITED, Event.RETRY): Stage.STARTING,
    (Stage.RUNNING, Event.ENDED): Stage.DONE,
    (Stage.READY, Event.ENDED): Stage.DONE,
    (Stage.CRASHED, Event.RETRY): Stage.STARTING,
}


class Note(NamedTuple):
    """Something worth an event; `ordinary` when it only says that all goes well. `container` is empty for the pod itself."""

    type: str
    reason: str
    message: str
    container: str = ""
    role: Role = Role.MAIN
    ordinary: bool = False


def advance(pod: Pod, script_of: ScriptOf, now: float) -> list[Note]:
    """Lets everything happen that is due."""
    notes: list[Note] = []
    pod.wake_at = None
    if pod.stop_at is not None:
        if now >= pod.stop_at:
            _end_all(pod, now)
            pod.stopped = True
        else:
            pod.wake_at = pod.stop_at
        return notes
    if pod.over or pod.rejection is not None:
        return notes
    for container in pod.containers:
        if container.facts.role is Role.MAIN:
            pod.initialized = True
        _drive(pod, container, script_of(pod, container), now, notes)
        if not pod.initialized and not container.passed:
            break
    if pod.ended:
        # Sidecars serve the main containers and go with them.
        _end_all(pod, now)
        pod.wake_at = None
    return notes


def stop(pod: Pod, grace: float, script_of: ScriptOf, now: float) -> list[Note]:
    """The pod is to end: SIGTERM to all that runs, and after the grace period SIGKILL. Asked again, only earlier counts."""
    running = [one for one in pod.containers if one.runs]
    longest = max((script_of(pod, one).stop for one in running), default=0.0)
    stop_at = now + min(longest, grace)
    again = pod.stop_at is not None
    pod.stop_at = min(stop_at, pod.stop_at) if pod.stop_at is not None else stop_at
    notes = (
        [] if again else [_note(one, "Normal", "Killing", f"Stopping container {one.facts.name}") for one in running]
    )
    return [*notes, *advance(pod, script_of, now)]


def change(pod: Pod, template: Template, now: float) -> list[Note]:
    """The pod's spec is another now. The API lets only images change: what runs with another one is started anew.

    An init container that has begun goes on with its old one. Back-offs are an image's own, and the new one's begin anew.
    """
    notes = []
    for container, facts in zip(pod.containers, template.containers, strict=False):
        begun = container.stage not in BEFORE_START
        if facts.image != container.facts.image and not (begun and container.facts.role is Role.INIT):
            container.failed_pulls = container.crashes = 0
            if container.runs:
                message = f"Container {facts.name} definition changed, will be restarted"
                notes.append(_note(container, "Normal", "Killing", message))
                _exit(container, 0, now)
                container.restarts += 1
            if container.stage is not Stage.DONE:
                container.stage, container.since = Stage.WAITING, now
        container.facts = facts
    pod.template = template
    pod.change += 1
    return notes


def adopt(pod: Pod, view: PodView, clock_offset: float, now: float) -> None:
    """Takes over a pod as its status tells of it: what runs, runs on; what waited, is tried again."""
    status = view.status
    pod.start_time = true_time(status.start_time, clock_offset) or now
    pod.initialized = any(one.type == "Initialized" and one.status == "True" for one in status.conditions)
    seen = {one.name: one for one in (*status.init_container_statuses, *status.container_statuses)}
    for container in pod.containers:
        if container.facts.name in seen:
            _restore(pod, container, seen[container.facts.name], clock_offset, now)


def back_off(tries: int) -> float:
    """Seconds to wait after so many failures (the first is 1)."""
    return min(FIRST_BACK_OFF * float(2 ** min(tries - 1, 10)), LONGEST_BACK_OFF)


def _drive(pod: Pod, container: Container, script: Script, now: float, notes: list[Note]) -> None:
    while (due := _due(pod, container, script, now)) is not None:
        at, event = due
        if at > now:
            pod.wake_at = at if pod.wake_at is None else min(at, pod.wake_at)
            return
        _step(pod, container, event, script, now, notes)


def _due(pod: Pod, container: Container, script: Script, now: float) -> tuple[float, Event] | None:
    """The next event of this container and its time, or None if nothing will happen by itself."""
    match container.stage:
        case Stage.WAITING:
            return now, Event.MISREAD if container.facts.misnamed else Event.BEGIN
        case Stage.PULLING:
            return container.since + script.pull, Event.PULL_ERROR if script.unpullable else Event.PULLED
        case Stage.PULL_FAILED:
            return container.since + FAILURE_SHOWN, Event.BACK_OFF
        case Stage.EXITED if container.retry_at > container.since + FAILURE_SHOWN:
            return container.since + FAILURE_SHOWN, Event.BACK_OFF
        case Stage.PULL_BACK_OFF | Stage.EXITED | Stage.CRASHED:
            return container.retry_at, Event.RETRY
        case Stage.STARTING:
            return container.since + script.start, Event.STARTED
        case Stage.RUNNING | Stage.READY:
            return _due_while_running(pod, container, script, now)
        case _:
            return None


def _due_while_running(pod: Pod, container: Container, script: Script, now: float) -> tuple[float, Event] | None:
    is_init = container.facts.role is Role.INIT
    exits_after = 0.0 if is_init and script.exit_after is None else script.exit_after
    ends = None
    if exits_after is not None:
        again = _is_restarted(pod, container, script.exit_code)
        ends = container.started_at + exits_after, Event.EXITED if again else Event.ENDED
    probe = None
    if container.stage is Stage.READY:
        if script.never_ready:
            probe = now, Event.PROBE_FAILED
    elif not script.never_ready and not is_init:
        probe = container.started_at + script.ready, Event.PROBE_PASSED
    if ends is None or probe is None:
        return ends or probe
    # Of a container that is ready the moment it exits nobody ever saw the readiness.
    return ends if ends[0] <= probe[0] else probe


def _is_restarted(pod: Pod, container: Container, code: int) -> bool:
    if container.facts.role is Role.SIDECAR:
        return True
    policy = pod.template.restart_policy
    if policy == "Always" and container.facts.role is Role.MAIN:
        return True
    return policy != "Never" and code != 0


def _step(pod: Pod, container: Container, event: Event, script: Script, now: float, notes: list[Note]) -> None:
    """Carries out one event: the state from the table, what goes with it, and what is said of it."""
    before = container.stage
    spent, container.since = now - container.since, now
    container.stage = TABLE[before, event]
    pod.change += 1
    image = container.facts.image
    if container.stage is Stage.PULLING and (script.pull or script.unpullable):
        notes.append(_note(container, "Normal", "Pulling", f'Pulling image "{image}"'))
    match event:
        case Event.MISREAD:
            notes.append(_warning(container, "InspectFailed", container.facts.misnamed))
            notes.append(_warning(container, "Failed", "Error: InvalidImageName"))
        case Event.PULLED:
            notes.append(_pulled(container, spent if script.pull else None))
        case Event.PULL_ERROR:
            container.failed_pulls += 1
            container.retry_at = now + back_off(container.failed_pulls)
            notes.append(_warning(container, "Failed", f'Failed to pull image "{image}": {imagename.missing(image)}'))
            notes.append(_warning(container, "Failed", "Error: ErrImagePull"))
        case Event.BACK_OFF if before is Stage.PULL_FAILED:
            notes.append(_note(container, "Normal", "BackOff", f'Back-off pulling image "{image}"', ordinary=False))
            notes.append(_warning(container, "Failed", "Error: ImagePullBackOff"))
        case Event.STARTED:
            container.started_at = now
            notes.append(_note(container, "Normal", "Created", "Container created"))
            notes.append(_note(container, "Normal", "Started", "Container started"))
            if script.never_ready:
                notes.append(_warning(container, "Unhealthy", PROBE_FAILURE))
        case Event.PROBE_FAILED:
            notes.append(_warning(container, "Unhealthy", PROBE_FAILURE))
        case Event.EXITED:
            _crash(pod, container, script, now, notes)
        case Event.ENDED:
            _exit(container, script.exit_code, now)
        case Event.RETRY if before is not Stage.PULL_BACK_OFF:
            container.restarts += 1
            notes.append(_pulled(container, None))


def _exit(container: Container, code: int, now: float) -> None:
    container.before_last, container.last = (
        container.last,
        Exit(code, container.started_at, now, container.restarts),
    )


def _crash(pod: Pod, container: Container, script: Script, now: float, notes: list[Note]) -> None:
    _exit(container, script.exit_code, now)
    if now - container.started_at >= GOOD_RUN:
        container.crashes = 0
    container.retry_at = now + _pause(container)
    container.crashes += 1
    if container.crashes > 1:
        name = container.facts.name
        notes.append(
            _warning(container, "BackOff", f"Back-off restarting failed container {name} in pod {full_name(pod)}")
        )


def _end_all(pod: Pod, now: float) -> None:
    """Every container that runs ends: of itself, or killed at the end of the grace period."""
    for container in pod.containers:
        if container.runs:
            _exit(container, 0, now)
            container.stage = Stage.DONE
            pod.change += 1


def _restore(pod: Pod, container: Container, seen: SeenContainer, clock_offset: float, now: float) -> None:
    container.restarts = container.crashes = seen.restart_count
    state, past = seen.state, seen.last_state.terminated
    if past is not None:
        container.last = exit_of(past, max(0, seen.restart_count - 1), clock_offset)
    if state.running is not None:
        container.stage = Stage.READY if seen.ready else Stage.RUNNING
        container.started_at = container.since = true_time(state.running.started_at, clock_offset)
    elif state.terminated is not None:
        container.before_last = container.last
        container.last = exit_of(state.terminated, seen.restart_count, clock_offset)
        if _is_restarted(pod, container, container.last.code):
            _wait_again(container, Stage.EXITED, container.last)
        else:
            container.stage = Stage.DONE
    elif state.waiting is not None and state.waiting.reason == "CrashLoopBackOff" and container.last is not None:
        _wait_again(container, Stage.CRASHED, container.last)


def _wait_again(container: Container, stage: Stage, last: Exit) -> None:
    """A container that had exited, on its way back to its next start."""
    container.stage, container.since = stage, last.finished_at
    container.retry_at = last.finished_at + _pause(container)
    container.crashes += 1


def _pause(container: Container) -> float:
    """Seconds between an exit, not counted yet, and the next start."""
    return back_off(container.crashes) if container.crashes else FIRST_RESTART


def full_name(pod: Pod) -> str:
    """The pod as a kubelet's messages name it: `name_namespace(uid)`."""
    return f"{pod.name}_{pod.namespace}({pod.uid})"


PROBE_FAILURE = "Readiness probe failed: HTTP probe failed with statuscode: 503"


def _pulled(container: Container, spent: float | None) -> Note:
    """The image is there: after so many seconds, or because it was there already."""
    image = container.facts.image
    if spent is None:
        message = f'Container image "{image}" already present on machine and can be accessed by the pod'
    else:
        took = go_duration(spent)
        message = f'Successfully pulled image "{image}" in {took} ({took} including waiting). Image size: {IMAGE_BYTES} bytes.'
    return _note(container, "Normal", "Pulled", message)


def go_duration(seconds: float) -> str:
    """A duration of whole milliseconds as Go writes it: `350ms`, `1.5s`, `2m10s`."""
    millis = int(seconds * 1000)
    if millis == 0:
        return "0s"
    if millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{text}" if minutes else text


def _note(container: Container, type: str, reason: str, message: str, *, ordinary: bool = True) -> Note:
    return Note(type, reason, message, container.facts.name, container.facts.role, ordinary)


def _warning(container: Container, reason: str, message: str) -> Note:
    return _note(container, "Warning", reason, message, ordinary=False)
