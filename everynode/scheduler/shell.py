"""Carries the scheduler's decisions out: binds pods, or tells them why they have no node, and lets them look again.

A pod is looked at when it appears, when its spec changes, and after it was refused when something happened that could help:
a node it waits for came or changed, or a pod left one. It is then looked at again after its back-off (1 s doubling to
10 s; at once on the node that has room promised to it), and in any case every five minutes. Who waits for which node is
indexed, so that an event wakes those alone. Of those that may look, the most important does first.

Deciding and charging the account happen in one step without waiting, so any number of bindings may be under way. The same holds
of preemption: what it has to know of victims is read first, then everything is decided anew on what is known by then.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from everynode.api.scheme import NODES, POD_DISRUPTION_BUDGETS, PODS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.reconcile.informer import InformerSet, key_of, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.scheduler.evict import Evictor, reference
from everynode.scheduler.line import ByPriority
from everynode.scheduler.observe import Account, Budget, Node, Occupant, PendingPod, PlacedPod, PodCondition
from everynode.scheduler.plan import Placed, Unplaced, ours, plan, wanted
from everynode.scheduler.preempt import Asks, Preempts, Stands, preempt
from everynode.values.timestamps import seconds_text

log = logging.getLogger(__name__)

# Bindings under way at once, so that they share the store's commits.
BINDINGS = 64
# Seconds before a refused pod may look again, the first time and at most; and when it looks again if nothing happens.
FIRST_WAIT, LONGEST_WAIT, LOOK_ANYWAY = 1.0, 10.0, 300.0
# How often a pod is decided on in one go, while what it asks for is read; then it looks again later.
LOOKS = 3
# Characters of an event's message; Kubernetes cuts there.
LONGEST_NOTE, CUT = 1024, " ..."


class _Waiting(msgspec.Struct):
    """A refused pod: the nodes it waits for (None: any), how often it was refused, and the loop time it may look again."""

    nodes: frozenset[str] | None
    refused: int
    not_before: float


class Scheduler:
    """Binds the pods that name `default-scheduler` and have no node."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder, *, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._account = Account()
        self._evictor = Evictor(client, recorder, clock)
        self._waiting: dict[str, _Waiting] = {}
        self._waiting_for: dict[str, set[str]] = {}
        self._waiting_for_any: set[str] = set()
        self._queue = Queue(line=ByPriority(self._priority))
        self._runner = Runner("scheduler", self._queue, self._reconcile, workers=BINDINGS)
        self._pending = informers.informer(PODS, PendingPod, fields="spec.nodeName=")
        self._placed = informers.informer(PODS, PlacedPod)
        self._nodes = informers.informer(NODES, Node)
        self._budgets = informers.informer(POD_DISRUPTION_BUDGETS, Budget)
        self._pending.on_change(self._pending_changed)
        self._placed.on_change(self._placed_changed)
        self._nodes.on_change(self._node_changed)

    async def run(self) -> None:
        """Schedules until cancelled; begins when everything has been seen once."""
        for informer in (self._nodes, self._placed, self._pending, self._budgets):
            await informer.synced.wait()
        await self._runner.run()

    # What happened.

    def _pending_changed(self, old: PendingPod | None, new: PendingPod | None) -> None:
        meta = (new or old).metadata  # type: ignore[union-attr]
        key = key_of(meta.namespace, meta.name)
        if new is None:
            self._no_longer_waits(key)
            self._withdraw(meta.uid)
            return
        nominated = new.status.nominated_node_name
        if nominated != (old.status.nominated_node_name if old is not None else "") and ours(new):
            # Told by the API: our own doing that comes back, or what another process, or we before a restart, had decided.
            self._nominate(new, nominated)
        if old is None or old.spec != new.spec:
            # Its status changes as it is refused; that alone is no reason to look again.
            self._queue.add(key)

    def _placed_changed(self, old: PlacedPod | None, new: PlacedPod | None) -> None:
        meta = (new or old).metadata  # type: ignore[union-attr]
        if new is not None and new.takes_room:
            self._account.charge(meta.uid, new.spec.node_name, new.spec.taken)
        elif new is None or new.spec.node_name:
            self._wake(self._account.discharge(meta.uid))
        elif old is None:
            self._queue.add(key_of(meta.namespace, meta.name))

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            self._account.drop_node(old.metadata.name)  # type: ignore[union-attr]
        elif self._account.put_node(new):
            self._wake(new.metadata.name)

    def _wake(self, node: str) -> None:
        """The node may now take a pod that it refused."""
        if not node:
            return
        now = asyncio.get_running_loop().time()
        known = self._account.nodes.get(node)
        promised = {_key(pod) for pod in known.nominated.values()} if known is not None and known.nominated else ()
        for key in sorted(self._waiting_for.get(node, ())) + sorted(self._waiting_for_any):
            self._queue.add_after(key, 0.0 if key in promised else self._waiting[key].not_before - now)

    # Who is promised what.

    def _nominate(self, pod: PendingPod, node: str) -> None:
        """The pod has room promised on this node ("": on none); where it had some before, others may look again."""
        uid = pod.metadata.uid
        before = self._account.nomination(uid)
        if before == node:
            return
        if node:
            self._account.nominate(pod, node)
            self._wake(before)
        else:
            self._withdraw(uid)

    def _withdraw(self, uid: str) -> None:
        node = self._account.withdraw(uid)
        if not self._account.holds(uid):
            self._wake(node)

    # What is done.

    def _priority(self, key: str) -> int:
        pod = self._pending.get(*split_key(key))
        return pod.spec.priority if pod is not None else 0

    async def _reconcile(self, key: str) -> None:
        namespace, name = split_key(key)
        known: dict[str, dict[str, Occupant]] = {}
        for _ in range(LOOKS):
            pod = self._pending.get(namespace, name)
            seen = self._placed.get(namespace, name)
            if pod is None or not wanted(pod) or self._account.holds(pod.metadata.uid):
                return
            if seen is None or seen.metadata.uid != pod.metadata.uid:
                # The account is behind: it may not know yet of the pod that made room for this one. Its own news wakes us.
                return
            nodes, nominated = self._account.nodes, self._account.nomination(pod.metadata.uid)
            decision = plan(pod, nodes, nominated)
            if isinstance(decision, Placed):
                self._no_longer_waits(key)
                await self._bind(pod, seen, decision.node)
                return
            budgets = list(self._budgets.objects.values())
            outcome = preempt(pod, decision, nodes, nominated, known, budgets, self._clock.now())
            if not isinstance(outcome, Asks):
                await self._refuse(key, pod, decision, outcome)
                return
            for node in sorted(outcome.nodes):
                known[node] = await self._occupants(node)
        # Pods there are just coming or going: what the API tells of them and what the account knows is not the same yet.
        self._queue.add_after(key, FIRST_WAIT)

    async def _occupants(self, node: str) -> dict[str, Occupant]:
        """The pods on a node by uid, as the API knows them now."""
        listing = await self._client.list(PODS, view=Occupant, fields=f"spec.nodeName={node}")
        return {occupant.metadata.uid: occupant for occupant in listing.items}

    async def _bind(self, pod: PendingPod, seen: PlacedPod, node: str) -> None:
        meta = pod.metadata
        self._account.charge(meta.uid, node, seen.spec.taken)
        self._withdraw(meta.uid)
        binding = {
            "kind": "Binding",
            "apiVersion": "v1",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self._client.create_sub(PODS, meta.name, "binding", binding, meta.namespace)
        except ApiError as error:
            self._wake(self._account.discharge(meta.uid))
            if error.code == 404:
                return
            raise
        message = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
        self._recorder.event(reference(pod.metadata), "Normal", "Scheduled", message)

    async def _refuse(self, key: str, pod: PendingPod, decision: Unplaced, outcome: Preempts | Stands) -> None:
        """The pod has to wait: for the victims that give way to it, or for better times."""
        self._wait(key, decision.waits_for)
        self._promise(pod, outcome)
        message = f"{decision.message} preemption: {outcome.message}" if outcome.message else decision.message
        note = message if len(message) <= LONGEST_NOTE else message[: LONGEST_NOTE - len(CUT)] + CUT
        self._recorder.event(reference(pod.metadata), "Warning", "FailedScheduling", note)
        status: dict[str, object] = {}
        condition = self._condition(pod, message)
        if condition is not None:
            status["conditions"] = [condition]
        nominated = self._account.nomination(pod.metadata.uid)
        if nominated != pod.status.nominated_node_name:
            status["nominatedNodeName"] = nominated or None
        if status:
            await self._write_status(pod, status)
        if isinstance(outcome, Preempts):
            for victim in outcome.victims:
                await self._evictor.evict(victim, pod, outcome.node)

    def _promise(self, pod: PendingPod, outcome: Preempts | Stands) -> None:
        """Promises the room that its victims will leave, or takes a promise back that is of no use."""
        if isinstance(outcome, Stands):
            if not outcome.nomination_holds:
                self._withdraw(pod.metadata.uid)
            return
        self._nominate(pod, outcome.node)
        for other in list(self._account.nodes[outcome.node].nominated.values()):
            if other.spec.priority < pod.spec.priority:
                # It may not fit any more. It looks at once, and then its status tells what became of it.
                self._account.withdraw(other.metadata.uid)
                self._queue.add(_key(other))

    async def _write_status(self, pod: PendingPod, status: dict[str, object]) -> None:
        """Patches the pod's status; one that is gone, or another's by now, is left alone."""
        meta = pod.metadata
        change = {"metadata": {"uid": meta.uid}, "status": status}
        try:
            await self._client.patch(PODS, meta.name, change, meta.namespace, kind="strategic", subresource="status")
        except ApiError as error:
            if error.code != 404:
                raise

    def _condition(self, pod: PendingPod, message: str) -> dict[str, object] | None:
        """PodScheduled=False for this reason; None if the pod says so already."""
        told = next((each for each in pod.status.conditions if each.type == "PodScheduled"), PodCondition())
        if (told.status, told.reason, told.message) == ("False", "Unschedulable", message):
            return None
        since = told.last_transition_time if told.status == "False" else None
        return {
            "type": "PodScheduled",
            "status": "False",
            "observedGeneration": pod.metadata.generation,
            "lastProbeTime": None,
            "lastTransitionTime": since or seconds_text(self._clock.now()),
            "reason": "Unschedulable",
            "message": message,
        }

    # Who waits for what.

    def _wait(self, key: str, nodes: frozenset[str] | None) -> None:
        known = self._waiting.get(key)
        refused = known.refused + 1 if known else 1
        self._no_longer_waits(key)
        wait = min(FIRST_WAIT * 2 ** min(refused - 1, 10), LONGEST_WAIT)
        self._waiting[key] = _Waiting(nodes, refused, asyncio.get_running_loop().time() + wait)
        if nodes is None:
            self._waiting_for_any.add(key)
        for node in nodes or ():
            self._waiting_for.setdefault(node, set()).add(key)
        self._queue.add_after(key, LOOK_ANYWAY)

    def _no_longer_waits(self, key: str) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        self._waiting_for_any.discard(key)
        for node in waiting.nodes or ():
            keys = self._waiting_for[node]
            keys.discard(key)
            if not keys:
                del self._waiting_for[node]


def _key(pod: PendingPod) -> str:
    return key_of(pod.metadata.namespace, pod.metadata.name)
