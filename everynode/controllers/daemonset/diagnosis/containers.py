"""Why the containers of one pod do not run, or do not become ready, from the statuses that its kubelet wrote.

Init containers are looked at first, for until they are done nothing else says anything. One pod gives one finding, the first
container's that has one: mending it shows the next.
"""

from __future__ import annotations

import re

from everynode.controllers.daemonset.diagnosis.causes import Finding, Kind
from everynode.controllers.daemonset.diagnosis.facts import Container, ContainerStatus, Event, Pod, Terminated, moment

# Seconds that starting may take, and becoming ready, before they are more than a matter of waiting.
LONG_START, LONG_UNREADY = 300.0, 60.0
_PULLING = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError")
_MISSING = re.compile(r'(?P<kind>secret|configmap)s? "(?P<name>[^"]+)" not found', re.IGNORECASE)
_NOT_FOUND = {"secret": Kind.SECRET_MISSING, "configmap": Kind.CONFIG_MAP_MISSING}


def container_finding(pod: Pod, events: list[Event], now: float) -> Finding | None:
    """What keeps this pod's containers from being ready; None if all of them are, or nothing is known of them."""
    for status in pod.status.init_container_statuses:
        finding = _init_finding(pod, status, events, now)
        if finding is not None:
            return finding
    for status in pod.status.container_statuses:
        finding = _trouble(pod, status, events, "container")
        if finding is not None:
            return finding
    for status in pod.status.container_statuses:
        if not status.ready:
            return _unready(pod, status, events, now)
    return _nothing_yet(pod, events, now) if not pod.status.container_statuses else None


def _init_finding(pod: Pod, status: ContainerStatus, events: list[Event], now: float) -> Finding | None:
    terminated = status.state.terminated
    if terminated is not None and terminated.exit_code == 0:
        return None
    trouble = _trouble(pod, status, events, "init container")
    if trouble is not None:
        return trouble
    running = status.state.running
    sidecar = any(one.name == status.name and one.restart_policy == "Always" for one in pod.spec.init_containers)
    if running is None or (sidecar and status.started):
        return None
    since = moment(running.started_at)
    return Finding(
        Kind.INIT_RUNNING,
        f"init container {status.name} is still running",
        pod=pod.key,
        holds=since is not None and now - since > LONG_START,
        key=status.name,
        since=since,
        proof=f"started at {running.started_at}",
        remedy=_logs(pod, status.name),
    )


def _trouble(pod: Pod, status: ContainerStatus, events: list[Event], role: str) -> Finding | None:
    """What is wrong with a container that does not run, or has just ended."""
    waiting, name = status.state.waiting, status.name
    reason = waiting.reason if waiting else ""
    message = waiting.message if waiting else ""
    image = _image(pod, status)
    if reason == "InvalidImageName":
        what = f'image "{image}" of {role} {name} is not the name of an image'
        return Finding(Kind.IMAGE_NAME_INVALID, what, pod=pod.key, key=image, proof=message, since=_since(pod))
    if reason in _PULLING:
        what = f'image "{image}" of {role} {name} cannot be pulled'
        proof = _newest(events, "Failed", "Failed to pull image") or message
        return Finding(Kind.IMAGE_NOT_PULLED, what, pod=pod.key, key=image, proof=proof, since=_since(pod))
    if reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError"):
        return _missing(pod, message, f"{role} {name}") or Finding(
            Kind.CONTAINER_NOT_CREATED,
            f"{role} {name} cannot be started ({reason})",
            pod=pod.key,
            key=f"{name} {reason}",
            since=_since(pod),
            proof=message,
            remedy=_describe(pod),
        )
    ended = status.state.terminated or status.last_state.terminated
    if ended is not None and (reason == "CrashLoopBackOff" or status.state.terminated is not None):
        return _crash(pod, status, ended, role)
    return None


def _crash(pod: Pod, status: ContainerStatus, ended: Terminated, role: str) -> Finding:
    why = f" ({ended.reason})" if ended.reason not in ("", "Error", "Completed") else ""
    words = f": {_first_line(ended.message)}" if ended.message else ""
    return Finding(
        Kind.CRASH_LOOP,
        f"{role} {status.name} ends with exit code {ended.exit_code}{why} after each start",
        pod=pod.key,
        key=f"{status.name} {ended.exit_code} {ended.reason}",
        since=moment(ended.finished_at) if status.restart_count <= 1 else _since(pod),
        proof=f"{status.restart_count} restarts; it last ended at {ended.finished_at or 'an unknown time'}{words}",
        remedy=f"{_logs(pod, status.name)} --previous",
    )


def _unready(pod: Pod, status: ContainerStatus, events: list[Event], now: float) -> Finding | None:
    waiting, running = status.state.waiting, status.state.running
    if running is None:
        if waiting is None or waiting.reason in ("ContainerCreating", "PodInitializing", "CrashLoopBackOff", ""):
            return _nothing_yet(pod, events, now)
        what = f"container {status.name} waits: {waiting.reason}"
        return Finding(
            Kind.CONTAINER_NOT_CREATED, what, pod=pod.key, key=waiting.reason, since=_since(pod), proof=waiting.message
        )
    spec = next((one for one in pod.spec.containers if one.name == status.name), Container())
    probe = "startup" if spec.startup_probe and status.started is False else "readiness"
    there = spec.startup_probe if probe == "startup" else spec.readiness_probe
    failing = _newest(events, "Unhealthy", f"{probe.capitalize()} probe failed")
    since = moment(running.started_at)
    what = f"container {status.name} runs, but is not ready"
    if failing:
        what = f"container {status.name} runs, but its {probe} probe fails"
    elif there:
        what = f"container {status.name} runs, but its {probe} probe has not passed"
    return Finding(
        Kind.NOT_READY,
        what,
        pod=pod.key,
        holds=bool(failing) or (since is not None and now - since > LONG_UNREADY),
        key=f"{status.name} {probe}",
        since=since,
        proof=failing or f"running since {running.started_at}",
        remedy=_describe(pod),
    )


def _nothing_yet(pod: Pod, events: list[Event], now: float) -> Finding:
    """A pod whose containers are being made: what its volumes wait for, if anything is told of them."""
    mount = _newest(events, "FailedMount") or _newest(events, "FailedAttachVolume")
    sandbox = _newest(events, "FailedCreatePodSandBox")
    since = _since(pod)
    if mount:
        return _missing(pod, mount, "a volume") or Finding(
            Kind.VOLUME_NOT_MOUNTED, "a volume cannot be mounted", pod=pod.key, since=since, proof=mount
        )
    if sandbox:
        what = "the pod's sandbox cannot be made"
        return Finding(
            Kind.CONTAINER_NOT_CREATED,
            what,
            pod=pod.key,
            key="sandbox",
            since=since,
            proof=sandbox,
            remedy=_describe(pod),
        )
    return Finding(
        Kind.STARTING,
        "containers are being started",
        pod=pod.key,
        holds=since is not None and now - since > LONG_START,
        since=since,
        proof=f"phase {pod.status.phase or 'unknown'}",
        remedy=_describe(pod),
    )


def _missing(pod: Pod, message: str, who: str) -> Finding | None:
    """A Secret or ConfigMap that the message says is not there."""
    found = _MISSING.search(message)
    if found is None:
        return None
    kind, name = found["kind"].lower(), found["name"].rpartition("/")[2]
    words = {"secret": "Secret", "configmap": "ConfigMap"}[kind]
    return Finding(
        _NOT_FOUND[kind],
        f'{who} needs the {words} "{name}", which is not there',
        pod=pod.key,
        key=name,
        since=_since(pod),
        proof=message,
        remedy=f"kubectl get {kind} {name} -n {pod.metadata.namespace}",
    )


def _image(pod: Pod, status: ContainerStatus) -> str:
    """As the spec words it: a status may hold what a runtime made of it."""
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        if container.name == status.name and container.image:
            return container.image
    return status.image


def _newest(events: list[Event], reason: str, begins: str = "") -> str:
    """The newest message with this reason, or nothing."""
    told = [one for one in events if one.reason == reason and one.message.startswith(begins)]
    return max(told, key=lambda one: one.last).message if told else ""


def _since(pod: Pod) -> float | None:
    """Since when it could have been ready: it has a node, or was made."""
    scheduled = pod.status.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "True" and scheduled.since is not None:
        return scheduled.since
    return moment(pod.metadata.creation_timestamp)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:200] if text.strip() else ""


def _logs(pod: Pod, container: str) -> str:
    return f"kubectl logs -n {pod.metadata.namespace} {pod.metadata.name} -c {container}"


def _describe(pod: Pod) -> str:
    return f"kubectl describe pod -n {pod.metadata.namespace} {pod.metadata.name}"
