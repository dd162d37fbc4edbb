"""Empties namespaces that are being deleted and lets them go.

Pods are deleted first and waited for, so that nothing they need is taken from under them; then everything else of every
namespaced kind. What is left (objects that finalizers hold, pods that take their time) is counted into the namespace's
conditions, and the next round comes soon: the longer it has lasted, the later, at most every five seconds. When nothing is
left the finalizer `kubernetes` is taken away and the API server removes the namespace.
"""

from __future__ import annotations

import msgspec

from everynode.api.core_v1 import Namespace
from everynode.api.scheme import NAMESPACES, PODS, RESOURCES, Resource
from everynode.api.status import ApiError
from everynode.api.views import Identity
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.namespace.plan import Remains, conditions
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner
from everynode.values import timestamps

FINALIZER = "kubernetes"
# Seconds between two rounds, at least and at most.
SOONEST, LATEST = 0.1, 5.0


class Meta(Identity):
    deletion_timestamp: str | None = None
    finalizers: list[str] = []


class Thing(msgspec.Struct, gc=False):
    """Any object, as far as it matters here."""

    metadata: Meta = msgspec.field(default_factory=Meta)


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
        remains = await self._empty(name)
        now = self._clock.now()
        told = conditions(namespace.status.conditions, remains, timestamps.seconds_text(now))
        if remains and told is not None:
            change = {"status": {"conditions": told}}
            await self._client.patch(NAMESPACES, name, change, subresource="status")
        if remains:
            lasted = now - timestamps.parse(begun)
            self._queue.add_after(name, min(max(SOONEST, lasted / 4), LATEST))
        else:
            namespace.spec.finalizers = [each for each in namespace.spec.finalizers if each != FINALIZER]
            await self._client.update(NAMESPACES, name, namespace, subresource="finalize")

    async def _empty(self, namespace: str) -> Remains:
        """One round: deletes what is there and counts what stays."""
        remains = Remains()
        await self._delete_all(PODS, namespace, remains)
        if not remains:
            for resource in _contents():
                if resource is not PODS:
                    await self._delete_all(resource, namespace, remains)
        return remains

    async def _delete_all(self, resource: Resource, namespace: str, remains: Remains) -> None:
        try:
            there = await self._client.list(resource, namespace, view=Thing)
            if any(thing.metadata.deletion_timestamp is None for thing in there.items):
                await self._client.delete_collection(resource, namespace, propagation_policy="Background")
                there = await self._client.list(resource, namespace, view=Thing)
        except ApiError as error:
            remains.failures.append(str(error))
            return
        if there.items:
            remains.objects[resource] += len(there.items)
        remains.finalizers.update(name for thing in there.items for name in thing.metadata.finalizers)
