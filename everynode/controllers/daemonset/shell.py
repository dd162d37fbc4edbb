"""The DaemonSet controller: events in, actions out.

Five informers feed it: DaemonSets, pods, nodes, ControllerRevisions, and quotas, for those they kept out. An event is filed
in the Ledger of the DaemonSet it concerns, at a price that does not depend on the fleet, and queues that DaemonSet. A sync then

    1. adopts and releases pods,
    2. makes sure that today's template is the current revision,
    3. judges the nodes that have changed since, and only those,
    4. plans, and carries the plan out: creations in batches of 1, 2, 4, ... that stop at the first that fails, deletions
       side by side, each with the uid and resourceVersion it was decided on,
    5. writes the status, if it changed.

What a decision means is decided in the pure modules; here are reading, calling and carrying out. Nothing is done for a
DaemonSet that is being deleted, and nothing about a node whose last write has not been seen yet.

The status is written at once when things are quiet, and at most STATUS_RATE times a second for one DaemonSet while a rollout
runs; the last state is always written. `examined` counts the nodes that were looked at, for benchmarks and tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS, RESOURCE_QUOTAS
from everynode.api.status import ApiError
from everynode.api.views import Identity, View
from everynode.base.clock import Clock, SteadyClock
from everynode.base.samples import Sample
from everynode.client.client import Client
from everynode.controllers.daemonset.books import Books
from everynode.controllers.daemonset.calls import all_of, namespace_terminating
from everynode.controllers.daemonset.claim import claim
from everynode.controllers.daemonset.flightlog import FlightLog
from everynode.controllers.daemonset.history import History
from everynode.controllers.daemonset.ledger import Awaited, Ledger
from everynode.controllers.daemonset.measures import samples_of
from everynode.controllers.daemonset.observe import (
    KIND,
    ControllerRevision,
    DaemonSet,
    Node,
    Pod,
    controller_terms,
    daemon_set_terms,
    places_like,
)
from everynode.controllers.daemonset.placement import Cause
from everynode.controllers.daemonset.plan import Creation, Deletion, Plan, make_plan
from everynode.controllers.daemonset.reporter import Reporter
from everynode.controllers.daemonset.room import Quota, makes_room, over_quota
from everynode.controllers.daemonset.status import status_of, status_patch
from everynode.controllers.daemonset.template import PodMould, rules_of
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner

COMPONENT = "daemonset-controller"
WORKERS = 2  # DaemonSets synced side by side: Kubernetes' --concurrent-daemonset-syncs
STATUS_RATE = 10  # status writes a second for one DaemonSet
MOMENT = (
    1e-6  # seconds that are no time to wait for: sums of floats are not exact, and a timer may fire that much early
)
TURN = 100  # nodes judged before others get their turn on the loop: about 1 ms
NEXT_TRY = (
    1.0  # seconds after a quota has room again; where pods come and go all the time, no more than one try in each
)
ENDING = 30.0  # seconds until a namespace that is being ended is asked for pods again: it seldom comes back
RECHECK = 5.0  # seconds until a write whose event never came is looked into


class _Written(View):
    """What is read of the answer to a creation."""

    metadata: Identity


class DaemonSetController:
    """Keeps every DaemonSet's pods on the nodes they belong to. `run` works until it is cancelled."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder, clock: Clock) -> None:
        self._client = client
        self._recorder = recorder
        # It waits, and writes no time down: a clock that is set must not make a pod available too early or too late.
        self._clock = SteadyClock(clock)
        self._daemon_sets = informers.informer(DAEMON_SETS, DaemonSet)
        self._pods = informers.informer(PODS, Pod)
        self._nodes = informers.informer(NODES, Node)
        self._revisions = informers.informer(CONTROLLER_REVISIONS, ControllerRevision)
        self._quotas = informers.informer(RESOURCE_QUOTAS, Quota)
        self._pods.add_index("daemon set", daemon_set_terms)
        self._revisions.add_index("controller", controller_terms)
        self._queue = Queue()
        self._runner = Runner(COMPONENT, self._queue, self._sync, workers=WORKERS)
        self._books: dict[str, Books] = {}
        self._by_uid: dict[str, Books] = {}
        self._flight_log = FlightLog()
        self._reporter = Reporter(client, self._books, self._tell, clock)
        self.syncs = 0

    @property
    def examined(self) -> int:
        """How many nodes have been looked at, judging and planning, for the DaemonSets there are."""
        return sum(books.examined for books in self._books.values())

    def samples(self) -> Iterator[Sample]:
        """How each DaemonSet's rollout goes, in numbers."""
        for key, books in self._books.items():
            ledger = books.ledger
            yield from samples_of(ledger.ds, ledger.tally, ledger.strategy, self._reporter.blocked(key), books.examined)

    def decisions(self, key: str) -> bytes | None:
        """The latest decisions about a DaemonSet, as JSON; None if there is none of that `namespace/name`."""
        books = self._books.get(key)
        return msgspec.json.encode(self._flight_log.recording(books.ledger.ds)) if books is not None else None

    async def run(self) -> None:
        informers = (self._daemon_sets, self._pods, self._nodes, self._revisions)
        for informer in informers:
            await informer.synced.wait()
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._revisions.on_change(self._revision_changed)
        self._daemon_sets.on_change(self._daemon_set_changed)
        self._quotas.on_change(self._quota_changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reporter.run())
                group.create_task(self._runner.run())
        finally:
            for books in self._books.values():
                books.close()

    # Events

    def _daemon_set_changed(self, old: DaemonSet | None, new: DaemonSet | None) -> None:
        if new is None:
            if old is not None and (gone := self._books.pop(old.key, None)):
                gone.close()
                self._reporter.synced(old.key)
                gone.ledger.epoch += 1  # for a sync that is under way
                self._by_uid.pop(old.metadata.uid, None)
                self._flight_log.forget(old.metadata.uid)
            return
        books = self._books.get(new.key)
        if books is None:
            known = (
                *self._pods.by_index("daemon set", new.key),
                *self._pods.by_index("daemon set", f"none in {new.metadata.namespace}"),
            )
            books = Books(Ledger(new, self._pods, self._nodes, known), History(self._client, self._revisions))
            self._books[new.key] = self._by_uid[new.metadata.uid] = books
        elif not books.took_over(new):
            # Our own status came back.
            return
        self._queue.add(new.key)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        now = self._clock.now()
        for books in self._concerned(old, new):
            if books.ledger.pod_changed(old, new, now):
                self._queue.add(books.key)

    def _concerned(self, old: Pod | None, new: Pod | None) -> Iterable[Books]:
        """The DaemonSets that manage or managed this pod, or bear its manager's name; all of its namespace if it has none."""
        owners = []
        for pod in (old, new):
            if pod is None:
                continue
            owner = pod.metadata.controller
            if owner is None:
                namespace = pod.metadata.namespace
                return [one for one in self._books.values() if one.ledger.ds.metadata.namespace == namespace]
            books = self._by_uid.get(owner.uid)
            if books is None and owner.is_daemon_set:
                books = self._books.get(f"{pod.metadata.namespace}/{owner.name}")
            if books is not None and books not in owners:
                owners.append(books)
        return owners

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is not None and places_like(new, old):
            return
        node = new or old
        assert node is not None
        for books in self._books.values():
            books.ledger.node_changed(node.metadata.name)
            self._queue.add(books.key)

    def _revision_changed(self, old: ControllerRevision | None, new: ControllerRevision | None) -> None:
        for revision in (old, new):
            if revision is None:
                continue
            owner = revision.metadata.controller
            for books in self._books.values():
                ds = books.ledger.ds.metadata
                if owner.uid == ds.uid if owner else revision.metadata.namespace == ds.namespace:
                    books.ledger.history_stale = True
                    # A new one that has its owner already waits for the next sync, as in Kubernetes: whoever made it (we, most
                    # often, or somebody who brings a history along) need not see it merged with its like at once.
                    if old is not None or owner is None:
                        self._queue.add(books.key)

    def _quota_changed(self, old: Quota | None, new: Quota | None) -> None:
        quota = new or old
        assert quota is not None
        if makes_room(old, new):
            for books in self._books.values():
                if over_quota(books.refusals) and books.ledger.ds.metadata.namespace == quota.metadata.namespace:
                    self._queue.add_after(books.key, NEXT_TRY)

    # One sync

    async def _sync(self, key: str) -> None:
        books = self._books.get(key)
        if books is None:
            return
        ledger = books.ledger
        ds, epoch = ledger.ds, ledger.epoch
        if ds.metadata.deletion_timestamp is not None:
            return
        if ds.selects_everything:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self._tell(ds, "Warning", "SelectingAll", message)
            return
        self.syncs += 1
        await self._read(ledger)
        if ledger.strays:
            await claim(self._client, ds, PODS, list(ledger.strays.values()), ledger.claimed)
        if ledger.history_stale:
            ledger.history_stale = False
            try:
                hash = await books.history.current_hash(ledger)
            except BaseException:
                ledger.history_stale = True
                raise
            if ledger.epoch != epoch:
                # It changed while we wrote; the change has queued it again.
                return
            ledger.retarget(rules_of(ds, hash, ledger.strategy.surge), self._clock.now())
            books.mould = PodMould(ds, hash)
        now = self._clock.now()
        ledger.wake(now)
        await self._refresh(ledger, now)
        if ledger.epoch != epoch:
            return
        plan = Plan() if self._is_barred(books) else make_plan(ledger.tally, ledger.strategy)
        books.planned += len(plan.examined)
        decision = self._flight_log.note(now, ledger, plan)
        errors = await self._carry_out(books, plan)
        books.refusals = tuple(str(error) for error in errors)
        decision.refused(books.refusals)
        if not errors:
            await books.history.clean_up(ledger)
        # Moments that have come since the plan are left to the timer: what they ask for must be planned, not just judged.
        await self._refresh(ledger, self._clock.now())
        await self._write_status(books, ds)
        self._reporter.synced(key)
        self._arm(books)
        if errors:
            raise errors[0]
        if plan.more and not self._is_barred(books):
            self._queue.add(key)

    async def _read(self, ledger: Ledger) -> None:
        """Files the pods that were there before the DaemonSet was heard of."""
        while True:
            if not ledger.read(self._clock.now(), TURN):
                return
            await asyncio.sleep(0)

    async def _refresh(self, ledger: Ledger, now: float) -> None:
        """Judges all that is stale, as of `now`; when it returns nothing is, and no event has come in between."""
        while True:
            ledger.refresh(now, TURN)
            if not ledger.stale:
                return
            await asyncio.sleep(0)

    def _arm(self, books: Books) -> None:
        """Sets the one timer of this DaemonSet to the next moment at which something happens by itself."""
        now = self._clock.now()
        delay = books.ledger.wake(now) - now
        if books.ledger.unsettled:
            delay = min(delay, RECHECK)
        if books.ledger.stale:
            delay = 0.0
        books.arm(delay, self._wake)

    def _wake(self, books: Books) -> None:
        books.ledger.recheck_awaited()
        self._queue.add(books.key)

    # Actions

    async def _carry_out(self, books: Books, plan: Plan) -> list[ApiError]:
        """Does what the plan says; returns what the API refused."""
        self._announce(books, plan.deletions)
        created, deleted = await asyncio.gather(
            self._create_all(books, plan.creations),
            all_of(self._delete(books, deletion) for deletion in plan.deletions),
        )
        return created + deleted

    async def _create_all(self, books: Books, creations: Sequence[Creation]) -> list[ApiError]:
        """Slow start: if the first pod is refused (a quota, a webhook, a namespace that ends), the other 249 need not be."""
        done, size = 0, 1
        while done < len(creations):
            batch = creations[done : done + size]
            errors = await all_of(self._create(books, creation.node) for creation in batch)
            if errors:
                return [error for error in errors if not namespace_terminating(error)]
            done, size = done + len(batch), size * 2
        return []

    async def _create(self, books: Books, node: str) -> None:
        ds, ledger = books.ledger.ds, books.ledger
        assert books.mould is not None, "a plan comes after the current revision"
        namespace = ds.metadata.namespace
        try:
            made = await self._client.create(PODS, books.mould.pod_for(node), namespace, view=_Written)
        except ApiError as error:
            if namespace_terminating(error):
                books.barred_until = asyncio.get_running_loop().time() + ENDING
                self._queue.add_after(books.key, ENDING)
            else:
                self._tell(ds, "Warning", "FailedCreate", f"Error creating: {error}")
            if error.code >= 500:
                await self._outcome_unknown(ledger, node)
            raise
        meta = made.metadata
        ledger.wrote(node, Awaited(namespace, meta.name, meta.uid, created_at=int(meta.resource_version or 0)))
        self._tell(ds, "Normal", "SuccessfulCreate", f"Created pod: {meta.name}")

    def _is_barred(self, books: Books) -> bool:
        return asyncio.get_running_loop().time() < books.barred_until - MOMENT

    async def _outcome_unknown(self, ledger: Ledger, node: str) -> None:
        """The pod may have been created all the same: nothing more for its node until the informer has seen all until now."""
        namespace = ledger.ds.metadata.namespace
        try:
            nothing = await self._client.list(PODS, namespace, view=_Written, fields="metadata.name=none")
            revision = int(nothing.resource_version)
        except ApiError:
            # Not to be had either; the next thing that the informer sees has to do.
            revision = self._pods.seen_revision + 1
        ledger.wrote(node, Awaited(namespace, "", "", created_at=revision))

    async def _delete(self, books: Books, deletion: Deletion) -> None:
        ds, ledger, meta = books.ledger.ds, books.ledger, deletion.pod.metadata
        try:
            await self._client.delete(
                PODS, meta.name, meta.namespace, uid=meta.uid, resource_version=meta.resource_version
            )
        except ApiError as error:
            if error.code not in (404, 409):
                self._tell(ds, "Warning", "FailedDelete", f"Error deleting: {error}")
                raise
            # The pod has changed or gone since we decided: decide again when the informer shows it.
            outdated = meta.resource_version if error.code == 409 else ""
            ledger.wrote(deletion.node, Awaited(meta.namespace, meta.name, meta.uid, changed_from=outdated))
            return
        ledger.wrote(deletion.node, Awaited(meta.namespace, meta.name, meta.uid))
        self._tell(ds, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

    def _announce(self, books: Books, deletions: Iterable[Deletion]) -> None:
        """Tells of pods that ended though they should run for ever, and lets their nodes wait."""
        ledger = books.ledger
        for deletion in deletions:
            pod = f"{deletion.pod.key} on node {deletion.node}"
            if deletion.cause is Cause.FAILED:
                ledger.backoff.deleted(deletion.node, ledger.status.observed_generation, self._clock.now())
                ledger.node_changed(deletion.node)
                self._tell(
                    ledger.ds, "Warning", "FailedDaemonPod", f"Found failed daemon pod {pod}, will try to kill it"
                )
            elif deletion.cause is Cause.SUCCEEDED:
                message = f"Found succeeded daemon pod {pod}, will try to delete it"
                self._tell(ledger.ds, "Normal", "SucceededDaemonPod", message)

    async def _write_status(self, books: Books, ds: DaemonSet) -> None:
        ledger = books.ledger
        status = status_of(ledger.tally, ds.metadata.generation, ledger.status.collision_count)
        if status == ledger.status:
            return
        now = asyncio.get_running_loop().time()
        wait = ledger.status_written + 1 / STATUS_RATE - now
        if wait > MOMENT:
            self._queue.add_after(books.key, wait)
            return
        ledger.status_written = now
        meta = ds.metadata
        body = status_patch(meta.uid, status)
        try:
            written = await self._client.patch(
                DAEMON_SETS, meta.name, body, meta.namespace, subresource="status", view=DaemonSet
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            # It is gone, or another one stands under its name.
            return
        books.took_over_status(written)

    def _tell(self, ds: DaemonSet, type: str, reason: str, message: str) -> None:
        meta = ds.metadata
        regarding = ObjectReference(
            kind=KIND,
            api_version="apps/v1",
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
        self._recorder.event(regarding, type, reason, message)
