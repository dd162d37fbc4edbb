"""Keeps the status of every PodDisruptionBudget as its pods ask.

An event about a pod is filed in the tallies of the budgets of its namespace that select it; where there are none it costs a
look into a dict. The pods of a new budget, or of one with a new selector, are counted in one pass over all pods, in turns,
together with those of all budgets that are new just then; events that come meanwhile are filed as ever.

A status is worked out when something that it tells of has changed, at once when things are quiet and at most STATUS_RATE
times a second for one budget. It is written on the version it was worked out from, so that no eviction that the API granted
in between is forgotten: the write is refused, and the status worked out anew from what stands then.

Beside the budgets, the condition DisruptionTarget is taken back from pods that were to be deleted and were not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from everynode.api.core_v1 import ObjectReference
from everynode.api.policy_v1 import PodDisruptionBudgetStatus
from everynode.api.scheme import DAEMON_SETS, POD_DISRUPTION_BUDGETS, PODS, Resource
from everynode.api.status import ApiError
from everynode.api.views import Identity
from everynode.base.clock import Clock
from everynode.client.client import Client, PatchKind
from everynode.controllers.disruption.observe import Budget, DaemonSet, Pod
from everynode.controllers.disruption.plan import Notice, plan, seconds_to_spare
from everynode.controllers.disruption.tally import Tally
from everynode.reconcile.informer import InformerSet, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner
from everynode.values.labels import Selector
from everynode.values.timestamps import seconds_text

T = TypeVar("T")

NAME = "disruption controller"
WORKERS = 4  # statuses written at the same time, so that they share a commit
STATUS_RATE = 10  # a second, for one budget
TURN = 250  # pods counted before others get their turn on the loop: about 1 ms


@dataclass(slots=True, eq=False)
class Watched:
    """One budget, and its pods once they are `counted`. `told` are the notices that hold, so that none is repeated."""

    budget: Budget
    selector: Selector
    tally: Tally = field(default_factory=Tally)
    counted: bool = False
    worked_out: float = float("-inf")  # loop time
    told: tuple[Notice, ...] = ()

    def file(self, name: str, pod: Pod | None) -> bool:
        """Takes up what has become of a pod; False when it makes no difference to the budget."""
        if pod is not None and self.selector.matches(pod.metadata.labels):
            return self.tally.put(pod)
        return self.tally.drop(name)


class DisruptionController:
    """Writes the status of PodDisruptionBudgets. `run` works until it is cancelled."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._pods = informers.informer(PODS, Pod)
        self._daemon_sets = informers.informer(DAEMON_SETS, DaemonSet)
        self._budgets = informers.informer(POD_DISRUPTION_BUDGETS, Budget)
        self._queue = Queue()
        self._runner = Runner(NAME, self._queue, self._sync, workers=WORKERS)
        # Counting has one key of its own, and one worker: every round serves all that wait for it.
        self._to_count = Queue()
        self._counter = Runner(NAME, self._to_count, self._count)
        self._uncounted: list[Watched] = []
        self._condemned = Queue()
        self._sparer = Runner(NAME, self._condemned, self._spare)
        self._by_namespace: dict[str, dict[str, Watched]] = {}
        self._desired: dict[str, int] = {}

    async def run(self) -> None:
        for informer in (self._pods, self._daemon_sets, self._budgets):
            await informer.synced.wait()
        self._pods.on_change(self._pod_changed)
        self._daemon_sets.on_change(self._daemon_set_changed)
        self._budgets.on_change(self._budget_changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._runner.run())
            group.create_task(self._counter.run())
            group.create_task(self._sparer.run())

    # Events

    def _budget_changed(self, old: Budget | None, new: Budget | None) -> None:
        meta = _present(old, new).metadata
        if new is None:
            left = self._by_namespace[meta.namespace]
            del left[meta.name]
            if not left:
                del self._by_namespace[meta.namespace]
            return
        watched = self._by_namespace.setdefault(meta.namespace, {})
        known = watched.get(meta.name)
        if known is None or known.budget.spec.selector != new.spec.selector:
            known = watched[meta.name] = Watched(new, new.selector)
            self._uncounted.append(known)
            self._to_count.add("pods")
            return
        known.budget = new
        self._soon(known)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None and new.status.condemned_since is not None:
            self._await_deletion(new)
        meta = _present(old, new).metadata
        watched = self._by_namespace.get(meta.namespace)
        if watched is None:
            return
        joined = False
        for each in watched.values():
            known = meta.name in each.tally.members
            if each.file(meta.name, new):
                self._soon(each)
                joined = joined or not known
        if joined and len(watched) > 1:
            self._tell_if_several(meta, watched.values())

    def _daemon_set_changed(self, old: DaemonSet | None, new: DaemonSet | None) -> None:
        meta = _present(old, new).metadata
        known = self._desired.get(meta.uid)
        desired = new.status.desired_number_scheduled if new is not None else None
        if desired == known:
            return
        if desired is None:
            del self._desired[meta.uid]
        else:
            self._desired[meta.uid] = desired
        for each in self._by_namespace.get(meta.namespace, {}).values():
            if meta.uid in each.tally.controllers:
                self._soon(each)

    def _soon(self, watched: Watched) -> None:
        if watched.counted:
            now = asyncio.get_running_loop().time()
            self._queue.add_after(watched.budget.key, watched.worked_out + 1 / STATUS_RATE - now)

    # Work

    async def _count(self, _: str) -> None:
        """Counts the pods of all budgets that are new."""
        counting, self._uncounted = self._uncounted, []
        by_namespace: dict[str, list[Watched]] = {}
        for each in counting:
            by_namespace.setdefault(each.budget.metadata.namespace, []).append(each)
        for number, key in enumerate(list(self._pods.objects), start=1):
            namespace, name = split_key(key)
            for each in by_namespace.get(namespace, ()):
                each.file(name, self._pods.objects.get(key))
            if number % TURN == 0:
                await asyncio.sleep(0)
        for each in counting:
            each.counted = True
            self._queue.add(each.budget.key)

    async def _sync(self, key: str) -> None:
        namespace, name = split_key(key)
        watched = self._by_namespace.get(namespace, {}).get(name)
        if watched is None or not watched.counted:
            return
        watched.worked_out = asyncio.get_running_loop().time()
        decided = plan(watched.budget, watched.tally, self._desired, self._clock.now())
        self._tell(watched, decided.notices)
        if decided.status is not None:
            await self._write(watched.budget, decided.status)
        if decided.look_again_after is not None:
            self._queue.add_after(key, decided.look_again_after)

    async def _write(self, budget: Budget, status: PodDisruptionBudgetStatus) -> None:
        meta = budget.metadata
        fields = msgspec.to_builtins(status)
        # In a merge patch what is to go is null.
        fields["disruptedPods"] = {**dict.fromkeys(budget.status.disrupted_pods), **status.disrupted_pods}
        change = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}, "status": fields}
        await self._patch_status(POD_DISRUPTION_BUDGETS, meta, change)

    def _await_deletion(self, pod: Pod) -> None:
        """Looks at the pod again when it should be gone."""
        seconds = seconds_to_spare(pod, self._clock.now())
        if seconds is not None:
            self._condemned.add_after(pod.key, seconds)

    async def _spare(self, key: str) -> None:
        """Says of a pod that should be gone, and stands, that it is not to be disrupted any more."""
        pod = self._pods.objects.get(key)
        seconds = seconds_to_spare(pod, self._clock.now()) if pod is not None else None
        if pod is None or seconds is None:
            return
        if seconds:
            self._condemned.add_after(key, seconds)
            return
        meta, now = pod.metadata, seconds_text(self._clock.now())
        spared = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": now}
        change = {
            "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "status": {"conditions": [{**spared, "reason": None, "message": None}]},
        }
        await self._patch_status(PODS, meta, change, "strategic")

    async def _patch_status(
        self, resource: Resource, meta: Identity, change: dict[str, Any], kind: PatchKind = "merge"
    ) -> None:
        """Patches a status; what is gone needs none."""
        try:
            await self._client.patch(resource, meta.name, change, meta.namespace, subresource="status", kind=kind)
        except ApiError as error:
            if error.code != 404:
                raise

    # Events that people read

    def _tell(self, watched: Watched, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            if notice in watched.told:
                continue
            meta = watched.budget.metadata
            about = _reference(POD_DISRUPTION_BUDGETS, meta)
            if notice.pod:
                pod = self._pods.get(meta.namespace, notice.pod)
                about = _reference(PODS, pod.metadata if pod is not None else Identity(notice.pod, meta.namespace))
            self._recorder.event(about, notice.type, notice.reason, notice.message)
        watched.told = notices

    def _tell_if_several(self, pod: Identity, watched: Iterable[Watched]) -> None:
        """A pod that several budgets select cannot be evicted."""
        selecting = [each.budget.metadata.name for each in watched if pod.name in each.tally.members]
        if len(selecting) > 1:
            message = (
                f'Pod "{pod.namespace}"/"{pod.name}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{selecting[0]}" arbitrarily.'
            )
            self._recorder.event(_reference(PODS, pod), "Warning", "MultiplePodDisruptionBudgets", message)


def _present(old: T | None, new: T | None) -> T:
    """The object that a change is about, as it is or as it was when it went."""
    changed = new if new is not None else old
    assert changed is not None
    return changed


def _reference(resource: Resource, meta: Identity) -> ObjectReference:
    return ObjectReference(
        kind=resource.kind,
        api_version=resource.api_version,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )
