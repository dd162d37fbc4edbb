"""N simulated machines over the API, as one shell.

In: a client, a number, and rules. It registers the machines' Nodes (and takes over those that an earlier process registered),
renews their Leases, reports their status, and lives the pods that are bound to them. Only Nodes that carry the label
`everynode.dev/simulated` are touched; whoever makes a Node of another kind plays its kubelet.

There is one watch of pods and one of nodes for the whole fleet, a fixed number of workers, and nothing per machine or pod that
waits: timers stand in the runtime's heap, heartbeats go round (`node.Round`). What is to be written is worked out when a
worker gets to it, so many changes in a row cost one write, and a status already written is not written again. After a
restart pods are where their status says; a settled cluster sees heartbeats and no other write.

A silent machine keeps its containers but neither reads nor writes; when it speaks again it catches up.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from everynode.agent import admission, status
from everynode.agent.life import Note
from everynode.agent.node import (
    ALLOCATABLE,
    LEASE_NAMESPACE,
    MOST_NODES,
    SIMULATED,
    NodeView,
    Round,
    SimulatedNode,
    lease_duration,
    lease_object,
    node_conditions,
    node_object,
    renewal_period,
    report_period,
)
from everynode.agent.pod import OVER, Pod, PodView, Role, Templates, shared_conditions
from everynode.agent.rulebook import RuleBook
from everynode.agent.runtime import Runtime
from everynode.agent.simulated import SimulatedRuntime
from everynode.api.core_v1 import NodeCondition, NodeStatus, ObjectReference, PodStatus
from everynode.api.scheme import LEASES, NODES, PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.base.ids import Ids
from everynode.client.client import Client
from everynode.reconcile.informer import Informer
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import micro_text

log = logging.getLogger(__name__)

# Writes under way at the same time: enough to share commits, few enough to leave the loop to others.
WORKERS = 32
# Leases renewed at the same time. A heartbeat must not wait its turn behind what a busy cluster writes beside it: who is late
# for long enough is taken for dead.
RENEWALS = 512
# Machines up to which ordinary events (Pulled, Created, Started, Killing) are recorded unless told otherwise; beyond it they
# would be most of all writes.
MOST_NARRATED = 100
# Seconds between two tries of a write that failed, first and longest.
FIRST_DELAY, LONGEST_DELAY = 0.05, 30.0


class _Uid(msgspec.Struct):
    uid: str


class _PodPatch(msgspec.Struct):
    """A merge patch of a pod's status; the uid makes it fail on another pod of that name."""

    metadata: _Uid
    status: PodStatus


class _Conditions(msgspec.Struct):
    conditions: list[NodeCondition]


class _NodePatch(msgspec.Struct):
    status: _Conditions | NodeStatus


class SimulatedFleet:
    """`count` machines, `node-00000` upwards. `ready` is set once all of them are Ready and open for pods."""

    def __init__(
        self,
        client: Client,
        recorder: Recorder,
        clock: Clock,
        ids: Ids,
        count: int,
        rules: RuleBook | None = None,
        *,
        narrate: bool | None = None,
    ) -> None:
        """`narrate`: record the events of ordinary starts and stops too (by default in fleets of up to 100 machines).

        The recorder is the fleet's own and speaks as `kubelet`. Raises ValueError for a count that is not to be had.
        """
        if not 0 <= count <= MOST_NODES:
            raise ValueError(f"a fleet has 0 to {MOST_NODES} simulated nodes, not {count}")
        self._client, self._recorder = client, recorder
        self._clock, self._ids = clock, ids
        self._book = rules or RuleBook()
        self._book.changed = self._rules_changed
        self._narrate = count <= MOST_NARRATED if narrate is None else narrate
        self._count = count
        self._lease_duration = lease_duration(count)
        self._nodes = [SimulatedNode(index) for index in range(count)]
        self._named = {node.name: node for node in self._nodes}
        self._closed = set(self._named)
        self._waking: set[str] = set()
        self._pods: dict[str, Pod] = {}
        self._templates = Templates()
        self._runtime = SimulatedRuntime(clock, self._book, self._pod_changed, self._noted)
        self._pod_queue = Queue(first_delay=FIRST_DELAY, longest_delay=LONGEST_DELAY)
        self._node_queue = Queue(first_delay=FIRST_DELAY, longest_delay=LONGEST_DELAY)
        self._node_informer = Informer(client, NODES, NodeView, labels=f"{SIMULATED}=true")
        self._pod_informer = Informer(client, PODS, PodView, fields="spec.nodeName!=")
        self.ready = asyncio.Event()

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    @property
    def found(self) -> asyncio.Event:
        """Set once the Nodes are known that stood when the fleet began."""
        return self._node_informer.synced

    async def run(self) -> None:
        """Runs the machines until cancelled."""
        if not self._nodes:
            self.ready.set()
        self._node_informer.on_change(self._node_seen)
        self._pod_informer.on_change(self._pod_seen)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._recorder.run())
                group.create_task(self._book.run())
                group.create_task(self._node_informer.run())
                await self._node_informer.synced.wait()
                for node in self._nodes:
                    self._apply_rules(node)
                    self._node_queue.add(node.name)
                group.create_task(Runner("nodes", self._node_queue, self._sync_node, workers=WORKERS).run())
                group.create_task(self._pod_informer.run())
                group.create_task(Runner("pods", self._pod_queue, self._sync_pod, workers=WORKERS).run())
                group.create_task(self._renew_leases())
                group.create_task(self._report_statuses())
        finally:
            self._runtime.close()
            for node in self._nodes:
                node.pods = ()

    # Nodes.

    def _node_seen(self, old: NodeView | None, new: NodeView | None) -> None:
        view = new or old
        node = self._named.get(view.metadata.name) if view is not None else None
        if node is None:
            return
        node.view = new
        if new is not None and new.is_open:
            self._opened(node)
        if new is None:
            return
        if old is None or old.metadata.labels != new.metadata.labels:
            self._apply_rules(node)
        if old is None and node.acts:
            self._catch_up_soon(node)
        if not new.reports_ready and node.acts:
            self._node_queue.add(node.name)

    def _opened(self, node: SimulatedNode) -> None:
        """This machine is Ready, or not to be waited for."""
        self._closed.discard(node.name)
        if not self._closed:
            self.ready.set()

    def _apply_rules(self, node: SimulatedNode) -> None:
        """How this machine behaves now; one that was silent and is no longer catches up."""
        was_silent = node.silent
        script = self._book.current.node_script(node.name, node.labels)
        node.silent, node.clock_offset = script.silent, script.clock_offset
        if node.silent:
            # Nobody waits for a machine that is meant not to be heard of.
            self._opened(node)
        if was_silent and node.acts:
            node.status_due = True
            self._node_queue.add(node.name)
            self._catch_up_soon(node)
            for pod in node.pods:
                self._pod_queue.add(pod.key)

    def _catch_up_soon(self, node: SimulatedNode) -> None:
        """Has this machine look at what was said of its pods while it did not act, together with others that wake now."""
        if node.missed:
            node.missed = False
            if not self._waking:
                asyncio.get_running_loop().call_soon(self._catch_up)
            self._waking.add(node.name)

    def _catch_up(self) -> None:
        waking, self._waking = self._waking, set()
        known = self._pod_informer.objects
        # Who is gone makes room for who came.
        for name in sorted(waking):
            for pod in self._named[name].pods:
                if pod.key not in known or known[pod.key].metadata.uid != pod.uid:
                    self._drop(pod)
        for view in list(known.values()):
            name = view.spec.node_name
            if name in waking and view.spec is not self._named[name].bare:
                self._pod_seen(None, view)

    def _rules_changed(self) -> None:
        for node in self._nodes:
            self._apply_rules(node)
        self._runtime.reconsider(list(self._pods.values()))

    async def _sync_node(self, name: str) -> None:
        """Registers a machine that has no Node yet, or reports the status of one that has."""
        node = self._named[name]
        if node.view is None:
            await self._register(node)
        elif node.acts and (node.status_due or not node.view.reports_ready):
            node.status_due = False
            now = self._clock.now()
            body: _Conditions | NodeStatus = _Conditions(node_conditions(node, now))
            if not node.view.status.described:
                # Not the Node that this machine registered, but one that was made in its place: it is told all.
                body = node_object(node, self._ids, self._runtime.version, now).status
            was_ready = node.view.reports_ready
            await self._client.patch(NODES, name, _NodePatch(body), subresource="status")
            if not was_ready:
                # It is back: its Lease may have run out long ago.
                await self._renew(node)

    async def _register(self, node: SimulatedNode) -> None:
        now = self._clock.now()
        try:
            made = await self._client.create(
                NODES, node_object(node, self._ids, self._runtime.version, now), view=NodeView
            )
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            if self._node_informer.get("", node.name) is None:
                log.warning("node %s was made by somebody else and is left alone", node.name)
                self._opened(node)
            return
        lease = lease_object(node, made.metadata.uid, self._lease_duration, now)
        try:
            await self._client.create(LEASES, lease, LEASE_NAMESPACE)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # Of a Node of this name that is gone: its Lease is about to go as well, or is taken over.
            await self._client.patch(LEASES, node.name, lease, LEASE_NAMESPACE)

    async def _renew_leases(self) -> None:
        """Renews each lease in its turn.

        Turns begin when all machines are there, or after a period: a Lease that was just made need not be renewed, and whoever
        judges silence gives every node at a start as long as its Lease lasts, which is four periods.
        """
        loop, period = asyncio.get_running_loop(), renewal_period(self._count)
        with suppress(TimeoutError):
            async with asyncio.timeout(period):
                await self.ready.wait()
        turn = Round(self._count, period, loop.time())
        while True:
            await asyncio.sleep(turn.tick)
            await self._for_all(turn.due(loop.time()))

    async def _for_all(self, indexes: Iterable[int]) -> None:
        waiting = list(indexes)
        for first in range(0, len(waiting), RENEWALS):
            nodes = [self._nodes[index] for index in waiting[first : first + RENEWALS]]
            await asyncio.gather(*(self._renew(node) for node in nodes if node.acts))

    async def _renew(self, node: SimulatedNode) -> None:
        """Renews one lease; what fails now is tried again at its next turn, as a kubelet does."""
        now = self._clock.now()
        spec = {
            "holderIdentity": node.name,
            "leaseDurationSeconds": self._lease_duration,
            "renewTime": micro_text(now + node.clock_offset),
        }
        try:
            await self._client.patch(LEASES, node.name, {"spec": spec}, LEASE_NAMESPACE)
        except ApiError as error:
            if error.code != 404 or node.view is None:
                log.log(_weight_of(error), "renewing the lease of %s: %s", node.name, error)
                return
            lease = lease_object(node, node.view.metadata.uid, self._lease_duration, now)
            try:
                await self._client.create(LEASES, lease, LEASE_NAMESPACE)
            except ApiError as refused:
                log.log(_weight_of(refused), "making the lease of %s: %s", node.name, refused)

    async def _report_statuses(self) -> None:
        """Has each machine report its status in its turn, changed or not."""
        loop = asyncio.get_running_loop()
        turn = Round(self._count, report_period(self._count), loop.time())
        while True:
            await asyncio.sleep(turn.tick)
            for index in turn.due(loop.time()):
                node = self._nodes[index]
                if node.acts:
                    node.status_due = True
                    self._node_queue.add(node.name)

    # Pods.

    def _pod_seen(self, old: PodView | None, new: PodView | None) -> None:
        view = new or old
        node = self._named.get(view.spec.node_name) if view is not None else None
        if view is None or node is None:
            return
        if not node.acts:
            node.missed = True
            return
        key = f"{view.metadata.namespace}/{view.metadata.name}"
        pod = self._pods.get(key)
        if pod is not None and (new is None or pod.uid != new.metadata.uid):
            self._drop(pod)
            pod = None
        if new is None:
            return
        if pod is None:
            pod = self._take(node, new)
        elif new.metadata.generation != pod.generation and new.metadata.deletion_timestamp is None:
            pod.generation = new.metadata.generation
            self._runtime.change(pod, self._templates.of(new))
        pod.finalizers = bool(new.metadata.finalizers)
        if new.metadata.deletion_timestamp is not None:
            grace = new.metadata.deletion_grace_period_seconds
            self._runtime.stop(pod, float(grace or 0))
        elif new.status.phase in OVER and not pod.ended:
            # Somebody else has ended it: nothing of it runs any more, and nothing more is told.
            pod.over = True
            pod.written = pod.change
            self._runtime.forget(pod)
        elif _contradicts(pod, new):
            # Another component spoke for this pod while its machine was not heard of.
            pod.conditions = shared_conditions(new.status.conditions)
            pod.change += 1
            self._pod_queue.add(key)
        new.strip(node.bare)

    def _take(self, node: SimulatedNode, view: PodView) -> Pod:
        """The record of a pod not known so far: one to begin with, one to go on with, or one to refuse."""
        now = self._clock.now()
        pod = Pod.of(view, self._templates.of(view), node, now)
        pod.place = node.place_of(view.status.pod_ip) or node.free_place()
        others = node.pods
        node.pods = (*others, pod)
        self._pods[sys.intern(pod.key)] = pod
        if pod.over or view.status.container_statuses:
            self._runtime.adopt(pod, view)
        elif view.metadata.deletion_timestamp is None:
            assert node.view is not None
            pod.rejection = admission.refuse(
                view.spec, pod.template, node.view, node.view.spec.taints, ALLOCATABLE, others
            )
            if pod.rejection is None:
                self._runtime.start(pod)
            else:
                self._refused(pod)
        return pod

    def _refused(self, pod: Pod) -> None:
        assert pod.rejection is not None
        self._noted(pod, Note("Warning", pod.rejection.reason, pod.rejection.message))
        pod.change += 1
        self._pod_queue.add(pod.key)

    def _drop(self, pod: Pod) -> None:
        self._runtime.forget(pod)
        del self._pods[pod.key]
        node: SimulatedNode = pod.node
        node.pods = tuple(one for one in node.pods if one is not pod)

    def _pod_changed(self, pod: Pod) -> None:
        self._pod_queue.add(pod.key)

    async def _sync_pod(self, key: str) -> None:
        """Writes what is to be told of one pod: its status, or that nothing of it is left."""
        pod = self._pods.get(key)
        if pod is None or not pod.node.acts or pod.removed:
            return
        try:
            # Of a pod that stopped nobody will read how, unless something holds it.
            if pod.change != pod.written and (not pod.stopped or pod.finalizers):
                await self._write_status(pod)
            if pod.stopped:
                await self._client.delete(PODS, pod.name, pod.namespace, uid=pod.uid, grace_period_seconds=0)
                pod.removed = True
        except ApiError as error:
            if error.code != 404:
                raise
            # Gone: the watch says so, or has said so.
            log.debug("pod %s: %s", key, error)

    async def _write_status(self, pod: Pod) -> None:
        change = pod.change
        node: SimulatedNode = pod.node
        pod_ip = node.address if pod.template.host_network else node.pod_address(pod.place)
        body = status.pod_status(pod, node.address, pod_ip, node.stamp, self._clock.now())
        await self._client.patch(PODS, pod.name, _PodPatch(_Uid(pod.uid), body), pod.namespace, subresource="status")
        pod.written = change

    def _noted(self, pod: Pod, note: Note) -> None:
        """Records what a kubelet would, if it is heard and says more than that all goes well in a fleet too large for that."""
        if not pod.node.acts or (note.ordinary and not self._narrate):
            return
        field = ""
        if note.container:
            field = f"spec.{'containers' if note.role is Role.MAIN else 'initContainers'}{{{note.container}}}"
        regarding = ObjectReference(
            kind="Pod", namespace=pod.namespace, name=pod.name, uid=pod.uid, api_version="v1", field_path=field
        )
        self._recorder.event(regarding, note.type, note.reason, note.message)


def _weight_of(error: ApiError) -> int:
    """The level at which a heartbeat that failed is told of: an API that serves nobody is no news of 100,000 machines."""
    return logging.DEBUG if error.code == 503 else logging.INFO


def _contradicts(pod: Pod, view: PodView) -> bool:
    """Whether the API's word on the readiness of a pod whose status is written is not its agent's.

    So it is when a machine was not heard of and its pods were declared unready, and when a readiness gate opens or closes.
    """
    if pod.change != pod.written or pod.ended or pod.stop_at is not None:
        return False
    conditions = view.status.conditions
    ready = any(one.type == "Ready" and one.status == "True" for one in conditions)
    return status.would_be_ready(pod, conditions) != ready
