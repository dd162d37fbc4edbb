"""Says of each DaemonSet how its rollout goes: in its conditions, and in events when that changes.

It looks at a DaemonSet a second after something was synced, at most once a second. While the numbers change, the rollout goes
on and nothing is read; when they have stood still for a while, the pods of a few nodes that are not done are read and
diagnosed, and again every half minute for as long as that lasts. So a DaemonSet costs a bounded amount a second, whatever its
size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from everynode.api.apps_v1 import DaemonSetCondition
from everynode.api.scheme import DAEMON_SETS, NODES, PODS, Resource
from everynode.api.status import ApiError
from everynode.api.views import View
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.books import Books
from everynode.controllers.daemonset.conditions import Report, conditions_of, news, report_of
from everynode.controllers.daemonset.diagnosis.causes import Kind
from everynode.controllers.daemonset.diagnosis.facts import Event, Facts, Involved, Node, Pod
from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis, Phase, diagnose, under_way
from everynode.controllers.daemonset.ledger import Ledger
from everynode.controllers.daemonset.observe import DaemonSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner
from everynode.values.timestamps import seconds_text

# Seconds: from a sync to the look that follows it, of standing still before pods are read, and between two readings.
LOOK, STILL, AGAIN = 1.0, 5.0, 30.0
# Nodes whose pods are read; and when so many of others are read, to tell who takes the room, it is enough.
CLOSELY, NEIGHBOURS = 20, 200

T = TypeVar("T")
Tell = Callable[[DaemonSet, str, str, str], None]


class _Status(View):
    conditions: list[DaemonSetCondition] = []


class _Conditions(View):
    """What is read of a DaemonSet to know what was told before this process began."""

    status: _Status = msgspec.field(default_factory=_Status)


class _Subject:
    """What the reporter remembers of one DaemonSet (one uid)."""

    __slots__ = ("_blocking", "_counted_at", "blocked", "conditions", "numbers", "report", "still_since", "uid")

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.conditions: Sequence[DaemonSetCondition] | None = None
        self.report: Report | None = None
        self.numbers: tuple[object, ...] = ()
        self.still_since = 0.0
        self.blocked: dict[Kind, float] = {}
        self._blocking: Sequence[Kind] = ()
        self._counted_at = 0.0

    def count_blocked(self, kinds: Sequence[Kind]) -> None:
        """What blocked at the last look has blocked until now."""
        now = asyncio.get_running_loop().time()
        for kind in dict.fromkeys(self._blocking):
            self.blocked[kind] = self.blocked.get(kind, 0.0) + now - self._counted_at
        self._blocking, self._counted_at = kinds, now


class Reporter:
    """Keeps conditions, and tells what is new. `tell` records an event about a DaemonSet."""

    def __init__(self, client: Client, books: Mapping[str, Books], tell: Tell, clock: Clock) -> None:
        self._client, self._books, self._tell, self._clock = client, books, tell, clock
        self._queue = Queue()
        self._runner = Runner("rollout reporter", self._queue, self._look)
        self._subjects: dict[str, _Subject] = {}

    async def run(self) -> None:
        """Works until cancelled."""
        await self._runner.run()

    def synced(self, key: str) -> None:
        """Something may have changed."""
        self._queue.add_after(key, LOOK)

    def blocked(self, key: str) -> Mapping[Kind, float]:
        """For how many seconds each kind of cause has blocked this DaemonSet's rollouts, as far as this process has seen."""
        subject = self._subjects.get(key)
        return subject.blocked if subject is not None else {}

    async def _look(self, key: str) -> None:
        books = self._books.get(key)
        if books is None:
            self._subjects.pop(key, None)
            return
        ds, rules = books.ledger.ds, books.ledger.rules
        if rules is None or ds.metadata.deletion_timestamp is not None:
            return
        subject = self._subjects.get(key)
        if subject is None or subject.uid != ds.metadata.uid:
            subject = self._subjects[key] = _Subject(ds.metadata.uid)
        diagnosis = await self._diagnosis(books, subject)
        now = self._clock.now()
        report = report_of(diagnosis, rules.hash, subject.report, now)
        for one in news(subject.report, report, diagnosis, now):
            self._tell(ds, one.type, one.reason, one.message)
        subject.report = report
        subject.count_blocked([cause.kind for cause in diagnosis.causes if cause.blocks])
        await self._write(books, subject, diagnosis, now)
        match diagnosis.phase:
            case Phase.PROGRESSING:
                self._queue.add_after(key, STILL)
            case Phase.BLOCKED:
                self._queue.add_after(key, AGAIN)

    async def _diagnosis(self, books: Books, subject: _Subject) -> Diagnosis:
        ledger, passed = books.ledger, asyncio.get_running_loop().time()
        tally = ledger.tally
        numbers = (ledger.ds.metadata.generation, *tally.states, len(tally.doomed), len(tally.lacking))
        if numbers != subject.numbers:
            subject.numbers, subject.still_since = numbers, passed
        facts = self._known(books)
        at_a_glance = under_way(facts)
        was_blocked = subject.report is not None and subject.report.phase is Phase.BLOCKED
        if at_a_glance.phase is Phase.DONE or (passed - subject.still_since < STILL and not was_blocked):
            # What was blocked is looked into before it is said to go on: a pod that crashes is ready in between.
            return at_a_glance
        return diagnose(await self._read(ledger, facts), self._clock.now())

    def _known(self, books: Books) -> Facts:
        """What is known without asking anybody."""
        ledger = books.ledger
        assert ledger.rules is not None
        ours, now = Involved(uid=ledger.ds.metadata.uid), seconds_text(self._clock.now())
        refused = [
            Event(involved_object=ours, reason="FailedCreate", message=message, last_timestamp=now)
            for message in books.refusals
        ]
        return Facts(ledger.ds, ledger.rules, ledger.strategy, ledger.tally, events=refused, closely=CLOSELY)

    async def _read(self, ledger: Ledger, facts: Facts) -> Facts:
        """With some of the nodes that are not done, and what is on them."""
        names = ledger.tally.up_to_their_pods(CLOSELY)
        seen = [pod for name in names for pod in ledger.pods_for(name)]
        nodes = [await self._get(NODES, name, "", Node) for name in names]
        pods = [await self._get(PODS, pod.metadata.name, pod.metadata.namespace, Pod) for pod in seen]
        uids = {pod.metadata.uid for pod in seen}
        others: list[Pod] = []
        for name in dict.fromkeys(pod.target for pod in seen if not pod.bound):
            there = await self._client.list(PODS, fields=f"spec.nodeName={name}", view=Pod)
            others += [pod for pod in there.items if pod.metadata.uid not in uids]
            if len(others) >= NEIGHBOURS:
                break
        return msgspec.structs.replace(
            facts,
            nodes={node.metadata.name: node for node in nodes if node is not None},
            pods=[pod for pod in pods if pod is not None],
            others=others,
        )

    async def _get(self, resource: Resource, name: str, namespace: str, view: type[T]) -> T | None:
        """The object, unless it has gone meanwhile."""
        try:
            return await self._client.get(resource, name, namespace, view=view)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def _write(self, books: Books, subject: _Subject, diagnosis: Diagnosis, now: float) -> None:
        """Writes the conditions if they are new; those of others stay."""
        ledger = books.ledger
        meta, tally = ledger.ds.metadata, ledger.tally
        if subject.conditions is None:
            # What was told before this process began.
            stored = await self._get(DAEMON_SETS, meta.name, meta.namespace, _Conditions)
            subject.conditions = stored.status.conditions if stored is not None else []
        allowed, _ = ledger.strategy.budgets(tally.desired)
        is_available = tally.desired - tally.available <= allowed
        conditions = conditions_of(diagnosis, is_available, subject.conditions, now)
        if conditions is None:
            return
        change = {"metadata": {"uid": meta.uid}, "status": {"conditions": conditions}}
        try:
            await self._client.patch(
                DAEMON_SETS, meta.name, change, meta.namespace, kind="strategic", subresource="status"
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            # It is gone, or another one stands under its name.
            return
        subject.conditions = conditions
