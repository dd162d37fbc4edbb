"""Collects garbage: watches the metadata of everything stored and carries out what `plan` decides.

Nothing is deleted because something was merely not seen: an owner that is missing from the graph, or that is not what the
reference says, is asked for by name, and the answer's uid decides, unless it was seen to go. Deletions carry the uid and
resourceVersion they were decided on, so an object that found a new owner meanwhile stays. Events are not collected: they
expire.
"""

from __future__ import annotations

import asyncio
import functools

from everynode.api import scheme
from everynode.api.core_v1 import ObjectReference
from everynode.api.scheme import EVENTS, RESOURCES, Resource
from everynode.api.status import ApiError
from everynode.client.client import Client
from everynode.controllers.garbage.observe import Graph, Item, Owner, OwnerReference, Thing, owner_in
from everynode.controllers.garbage.plan import (
    Action,
    Delete,
    DropReferences,
    Orphan,
    OwnerState,
    Release,
    Stay,
    Unblock,
    plan_deleting,
    plan_owned,
)
from everynode.reconcile.informer import Informer, InformerSet
from everynode.reconcile.queue import Queue
from everynode.reconcile.recorder import Recorder
from everynode.reconcile.runner import Runner

# Objects worked on at once, as Kubernetes' --concurrent-gc-syncs.
WORKERS = 20
# Dependents that one owner lets go of at once.
ORPHANS_AT_ONCE = 50
# Dependents queued before others get their turn on the loop: about 1 ms.
TURN = 1_000
# Seconds until an owner that the API shows and no informer does is asked for again.
UNSEEN = 30.0


class GarbageCollector:
    """Deletes dependents of what is gone. Queue keys are uids, and keys that stand for all dependents of one."""

    def __init__(self, client: Client, informers: InformerSet, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._graph = Graph()
        self._queue = Queue()
        self._runner = Runner("garbage collector", self._queue, self._reconcile, workers=WORKERS)
        self._informers: list[Informer[Thing]] = []
        for resource in RESOURCES:
            if "delete" in resource.verbs and not resource.stored_as and resource is not EVENTS:
                informer = informers.informer(resource, Thing)
                informer.on_change(functools.partial(self._changed, resource))
                self._informers.append(informer)

    async def run(self) -> None:
        """Works until cancelled; begins when every kind has been seen once."""
        for informer in self._informers:
            await informer.synced.wait()
        await self._runner.run()

    def _changed(self, resource: Resource, old: Thing | None, new: Thing | None) -> None:
        if new is not None:
            affected = self._graph.put(resource, old.metadata if old is not None else None, new.metadata)
        else:
            assert old is not None
            affected = self._graph.drop(resource, old.metadata)
        for key in affected:
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        if owner := owner_in(key):
            await self._queue_dependents(owner)
        else:
            await self._look_at(key)

    async def _queue_dependents(self, owner: str) -> None:
        for number, dependent in enumerate(self._graph.uids_of_dependents(owner), start=1):
            self._queue.add(dependent)
            if number % TURN == 0:
                await asyncio.sleep(0)

    async def _look_at(self, uid: str) -> None:
        item = self._graph.get(uid)
        if item is None:
            return
        action: Action
        if item.deleting:
            action = plan_deleting(item, self._graph)
        elif item.meta.owner_references:
            owners = [(each, await self._state_of(item, each)) for each in item.meta.owner_references]
            action = plan_owned(item, owners, self._graph.has_dependents(uid))
        else:
            return
        try:
            await self._carry_out(item, action)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _state_of(self, item: Item, reference: OwnerReference) -> OwnerState:
        """What an owner reference points to, from the graph or, where it is silent, from the API."""
        owner = self._graph.get(reference.uid)
        if owner is not None and owner.is_out_of_reach_of(item):
            self._tell_wrong_namespace(item, reference)
        resource = scheme.of_kind(reference.api_version, reference.kind)
        if resource is None or "get" not in resource.verbs or (resource.namespaced and not item.meta.namespace):
            return OwnerState.UNKNOWN
        if owner is not None and owner.is_named_by(reference) and not owner.is_out_of_reach_of(item):
            return _state(owner)
        namespace = item.meta.namespace if resource.namespaced else ""
        named = Owner(namespace, reference.api_version, reference.kind, reference.name, reference.uid)
        if self._graph.is_gone(named):
            return OwnerState.GONE
        found = await self._ask(resource, named)
        if found.metadata.uid != reference.uid:
            self._graph.remember_gone(named)
            return OwnerState.GONE
        if owner is None:
            # Should it come and go between two lists, no event will ever tell.
            self._queue.add_after(item.meta.uid, UNSEEN)
        return _state(Item(resource, found.metadata))

    async def _ask(self, resource: Resource, owner: Owner) -> Thing:
        """What stands under the owner's name now; nothing if there is nothing."""
        try:
            return await self._client.get(resource, owner.name, owner.namespace, view=Thing)
        except ApiError as error:
            if error.code != 404:
                raise
            return Thing()

    async def _carry_out(self, item: Item, action: Action) -> None:
        meta = item.meta
        match action:
            case Stay():
                return
            case Delete(policy):
                await self._client.delete(
                    item.resource,
                    meta.name,
                    meta.namespace,
                    uid=meta.uid,
                    resource_version=meta.resource_version,
                    propagation_policy=policy,
                )
            case DropReferences(owners):
                await self._drop_references(item, owners)
            case Unblock():
                freed = [{"uid": each.uid, "blockOwnerDeletion": False} for each in meta.owner_references]
                await self._patch(item, {"ownerReferences": freed})
            case Release(finalizer):
                rest = [each for each in meta.finalizers if each != finalizer]
                change = {"metadata": {"resourceVersion": meta.resource_version, "finalizers": rest}}
                await self._client.patch(item.resource, meta.name, change, meta.namespace)
            case Orphan(dependents):
                await self._orphan(dependents, meta.uid)

    async def _orphan(self, dependents: tuple[Item, ...], owner: str) -> None:
        for start in range(0, len(dependents), ORPHANS_AT_ONCE):
            some = dependents[start : start + ORPHANS_AT_ONCE]
            dropped = (self._drop_references(each, (owner,)) for each in some)
            for outcome in await asyncio.gather(*dropped, return_exceptions=True):
                if outcome is not None:
                    raise outcome

    async def _drop_references(self, item: Item, owners: tuple[str, ...]) -> None:
        """Takes the references to these owners away; the rest of the list stays whatever it has become."""
        try:
            await self._patch(item, {"ownerReferences": [{"$patch": "delete", "uid": uid} for uid in owners]})
        except ApiError as error:
            if error.code != 404:
                raise

    async def _patch(self, item: Item, metadata: dict[str, object]) -> None:
        change = {"metadata": {"uid": item.meta.uid, **metadata}}
        await self._client.patch(item.resource, item.meta.name, change, item.meta.namespace, kind="strategic")

    def _tell_wrong_namespace(self, item: Item, reference: OwnerReference) -> None:
        identity = (
            f"[{reference.api_version}/{reference.kind}, namespace: {item.meta.namespace}, "
            f"name: {reference.name}, uid: {reference.uid}]"
        )
        regarding = ObjectReference(
            kind=item.resource.kind,
            api_version=item.resource.api_version,
            namespace=item.meta.namespace,
            name=item.meta.name,
            uid=item.meta.uid,
        )
        message = f'ownerRef {identity} does not exist in namespace "{item.meta.namespace}"'
        self._recorder.event(regarding, "Warning", "OwnerRefInvalidNamespace", message)


def _state(owner: Item) -> OwnerState:
    return OwnerState.WAITING if owner.waits_for_dependents else OwnerState.LIVE
