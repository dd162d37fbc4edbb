"""Empties namespaces that are being deleted and lets them go.

Pods are deleted first and waited for, so that nothing they need is taken from under them; then everything else of every
namespaced kind. What is left (objects that finalizers hold, pods that take their time) is counted into the namespace's
conditions, and the next round comes soon: the longer it has lasted, the later, at most five seconds, and one more for every
10,000 objects that are left. What is left for no reason (a pod past its grace, whose node is silent) is told as a failure, in
Kubernetes' words. When nothing is left the finalizer `kubernetes` is taken away and the API server removes the namespace.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from everynode.api.core_v1 import Namespace
from everynode.api.scheme import NAMESPACES, PODS, RESOURCES, Resource
from everynode.api.status import ApiError
from everynode.api.views import Identity, View
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.namespace.plan import Remains, conditions, longest_grace
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner
from everynode.values import timestamps

T = TypeVar("T", bound="Thing")

FINALIZER = "kubernetes"
# Seconds between two rounds, at least and at most.
SOONEST, LATEST = 0.1, 5.0
# Objects that one more second between two rounds is for: a round looks at all that is left (some 10 µs each), and must cost
# little beside the ending of what it waits for.
LOOKED_AT_A_SECOND = 10_000
# Objects read and deleted with one call.
PAGE = 500


class Meta(Identity):
    deletion_timestamp: str | None = None
    finalizers: list[str] = []


class Thing(View):
    """Any object, as far as it matters here."""

    metadata: Meta = msgspec.field(default_factory=Meta)


class PodSpec(View):
    termination_grace_period_seconds: int | None = None


class PodStatus(View):
    phase: str = ""


class Pod(Thing):
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


def _contents() -> list[Resource]:
    """Every stored namespaced kind, once (Events of both groups are the same objects)."""
    return [each for each in RESOURCES if each.namespaced and not each.stored_as and "delete" in each.verbs]


class NamespaceController:
    """Carries out the deletion of namespaces."""

    def __init__(self, client: Client, informers: InformerSet, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queue = Queue()
        self._runner = Runner("namespace controller", self._queue, self._reconcile, workers=4)
        self._namespaces = informers.informer(NAMESPACES, Thing)
        self._namespaces.on_change(self._changed)

    async def run(self) -> None:
        """Works until cancelled."""
        await self._namespaces.synced.wait()
        await self._runner.run()

    def _changed(self, old: Thing | None, new: Thing | None) -> None:
        # Its own conditions change as it goes; only the beginning is news.
        if new is not None and new.metadata.deletion_timestamp is not None:
            begins = old is None or old.metadata.deletion_timestamp is None
            if begins:
                self._queue.add(new.metadata.name)

    async def _reconcile(self, name: str) -> None:
        try:
            namespace = await self._client.get(NAMESPACES, name, view=Namespace)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        begun = namespace.metadata.deletion_timestamp
        if begun is None or FINALIZER not in namespace.spec.finalizers:
            return
        lasted = self._clock.now() - timestamps.parse(begun)
        remains = await self._empty(name, lasted)
        others = [each for each in namespace.spec.finalizers if each != FINALIZER]
        if remains or others or namespace.metadata.finalizers:
            namespace = await self._tell(namespace, remains)
        if remains:
            many = remains.objects.total() / LOOKED_AT_A_SECOND
            self._queue.add_after(name, min(max(SOONEST, lasted / 4), LATEST) + many)
        else:
            namespace.spec.finalizers = others
            await self._client.update(NAMESPACES, name, namespace, subresource="finalize")

    async def _tell(self, namespace: Namespace, remains: Remains) -> Namespace:
        """Writes what there is to tell into a namespace that stays for a while; the namespace as it is then."""
        told = conditions(namespace.status.conditions, remains, timestamps.seconds_text(self._clock.now()))
        if told is None:
            return namespace
        change = {"status": {"conditions": told}}
        return await self._client.patch(
            NAMESPACES, namespace.metadata.name, change, subresource="status", view=Namespace
        )

    async def _empty(self, namespace: str, lasted: float) -> Remains:
        """One round: deletes what is there and counts what stays; the deletion has lasted this many seconds."""
        remains = Remains()
        await self._delete_pods(namespace, lasted, remains)
        if not remains:
            for resource in _contents():
                if resource is not PODS:
                    await self._delete_all(resource, namespace, remains)
        return remains

    async def _delete_pods(self, namespace: str, lasted: float, remains: Remains) -> None:
        try:
            before, left = await self._delete_what_stays(PODS, Pod, namespace)
        except ApiError as error:
            remains.failures.append(str(error))
            return
        grace = longest_grace((pod.status.phase, pod.spec.termination_grace_period_seconds) for pod in before)
        remains.add(PODS, namespace, [pod.metadata.finalizers for pod in left], overdue=lasted >= grace)

    async def _delete_all(self, resource: Resource, namespace: str, remains: Remains) -> None:
        try:
            _, left = await self._delete_what_stays(resource, Thing, namespace)
        except ApiError as error:
            remains.failures.append(str(error))
            return
        remains.add(resource, namespace, [thing.metadata.finalizers for thing in left], overdue=True)

    async def _delete_what_stays(self, resource: Resource, view: type[T], namespace: str) -> tuple[list[T], list[T]]:
        """Deletes what is not being deleted yet; what was there before, and what is there now."""
        before = (await self._client.list(resource, namespace, view=view, limit=PAGE)).items
        if all(thing.metadata.deletion_timestamp is not None for thing in before):
            return before, before
        await self._client.delete_collection(resource, namespace, propagation_policy="Background", limit=PAGE)
        return before, (await self._client.list(resource, namespace, view=view, limit=PAGE)).items
