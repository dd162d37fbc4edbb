"""The runtime that only pretends: containers that are nothing but states and times.

It drives `life` with the clock. At rest it holds no task, timer or closure per pod: what will happen next stands in one heap,
and one timer of the loop waits for the earliest of it. A pod's entry in the heap counts only while the pod's `wake_at`
says the same; others are dropped when they come up.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable

from everynode.agent import life
from everynode.agent.life import Note
from everynode.agent.node import SimulatedNode
from everynode.agent.pod import Container, Pod, PodView, Template
from everynode.agent.rulebook import RuleBook
from everynode.agent.rules import Script, Subject
from everynode.base.clock import Clock

# Pods woken before others get their turn on the loop.
TURN = 100


class SimulatedRuntime:
    """Pods that live by rules. `changed` is told of a pod with news, `noted` of what a kubelet would record as an event."""

    version = "simulated://1.0"

    def __init__(
        self,
        clock: Clock,
        book: RuleBook,
        changed: Callable[[Pod], None],
        noted: Callable[[Pod, Note], None],
    ) -> None:
        self._clock = clock
        self._book = book
        self._changed = changed
        self._noted = noted
        self._heap: list[tuple[float, int, Pod]] = []
        self._entries = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, pod: Pod) -> None:
        self._advance(pod)

    def adopt(self, pod: Pod, view: PodView) -> None:
        node: SimulatedNode = pod.node
        life.adopt(pod, view, node.clock_offset, self._clock.now())
        self._advance(pod)

    def change(self, pod: Pod, template: Template) -> None:
        self._tell(pod, life.change(pod, template, self._clock.now()))
        self._advance(pod)

    def stop(self, pod: Pod, grace: float) -> None:
        self._tell(pod, life.stop(pod, grace, self._script, self._clock.now()))

    def forget(self, pod: Pod) -> None:
        pod.wake_at = None

    def reconsider(self, pods: Iterable[Pod]) -> None:
        """The rules are others now: what these pods do next is worked out anew, a few at a time."""
        now = self._clock.now()
        for pod in pods:
            pod.wake_at = now
            self._push(pod, now)
        self._arm()

    def close(self) -> None:
        """Nothing happens any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()

    def _script(self, pod: Pod, container: Container) -> Script:
        node: SimulatedNode = pod.node
        facts = container.facts
        subject = Subject(facts.image, facts.name, pod.namespace, pod.name, pod.template.labels)
        return self._book.current.script(subject, node.name, node.labels)

    def _advance(self, pod: Pod) -> None:
        self._tell(pod, life.advance(pod, self._script, self._clock.now()))

    def _tell(self, pod: Pod, notes: list[Note]) -> None:
        for note in notes:
            self._noted(pod, note)
        if pod.wake_at is not None:
            self._push(pod, pod.wake_at)
            if self._heap[0][2] is pod:
                self._arm()
        if pod.change != pod.written or pod.stopped:
            self._changed(pod)

    def _push(self, pod: Pod, at: float) -> None:
        self._entries += 1
        heapq.heappush(self._heap, (at, self._entries, pod))

    def _arm(self) -> None:
        """Sets the one timer to the earliest entry."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        now = self._clock.now()
        for _ in range(TURN):
            if not self._heap or self._heap[0][0] > now:
                break
            at, _, pod = heapq.heappop(self._heap)
            if pod.wake_at == at:
                self._advance(pod)
        self._arm()
