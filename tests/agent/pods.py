"""Pods for the agent's tests, and a driver that lives one by a script without any clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from everynode.agent import life, status
from everynode.agent.life import Note
from everynode.agent.node import SimulatedNode
from everynode.agent.pod import Container, Pod, PodView, Templates
from everynode.agent.rules import WELL, Script
from everynode.api.core_v1 import PodStatus

START = 1_700_000_000.0


def view(
    *containers: Mapping[str, Any],
    init: list[dict[str, Any]] | None = None,
    policy: str = "Always",
    meta: Mapping[str, Any] | None = None,
    pod_status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> PodView:
    """A pod `default/web` bound to node-00000; without containers, with one called `app`."""
    return msgspec.convert(
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u-1", "generation": 1, **(meta or {})},
            "spec": {
                "nodeName": "node-00000",
                "containers": list(containers) or [{"name": "app", "image": "app:v1"}],
                "initContainers": init or [],
                "restartPolicy": policy,
                **spec,
            },
            "status": pod_status or {"phase": "Pending"},
        },
        PodView,
    )


class Lived:
    """One pod, its scripts by container name, and the time."""

    def __init__(self, pod: PodView, scripts: Mapping[str, Script] | None = None) -> None:
        self.node = SimulatedNode(0)
        self.pod = Pod.of(pod, Templates().of(pod), self.node, START)
        self.scripts = dict(scripts or {})
        self.now = START
        self.notes: list[Note] = []

    def script(self, pod: Pod, container: Container) -> Script:
        return self.scripts.get(container.facts.name, WELL)

    def go(self, seconds: float = 0.0) -> PodStatus:
        """Lets so much time pass, each event at its own time, and gives the status that would then be written."""
        end = self.now + seconds
        self._advance()
        while self.pod.wake_at is not None and self.pod.wake_at <= end:
            assert self.pod.wake_at >= self.now
            self.now = self.pod.wake_at
            self._advance()
        self.now = end
        return self.status()

    def stop(self, grace: float = 30.0) -> None:
        self.notes += life.stop(self.pod, grace, self.script, self.now)

    def status(self) -> PodStatus:
        return status.pod_status(self.pod, "172.16.0.1", "10.0.0.1", self.node.stamp, self.now)

    @property
    def reasons(self) -> list[str]:
        return [note.reason for note in self.notes]

    def _advance(self) -> None:
        self.notes += life.advance(self.pod, self.script, self.now)


def waits_for(found: PodStatus, container: int = 0) -> str:
    waiting = found.container_statuses[container].state.waiting
    return waiting.reason if waiting is not None else ""


def conditions(found: PodStatus) -> dict[str, str]:
    return {one.type: one.status for one in found.conditions}
