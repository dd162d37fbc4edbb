"""Carries out what `revisions` decides: keeps the ControllerRevisions of one DaemonSet in order.

In: the revisions as the informer shows them; out: the hash of the current one, and writes. What was written stays in force
here until the informer shows it, so a slow informer leads to no second revision.

A revision's name is taken when another template has the same hash, when another object owns it, or when we made it ourselves
and do not see it yet. In the first two cases the DaemonSet's collisionCount is raised (if ours was not simply out of date),
which changes the hash, and the sync is tried again. What a DaemonSet before us left under our name is waited for, unless
something holds it.
"""

from __future__ import annotations

from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS, PODS
from everynode.api.status import ApiError, conflict
from everynode.client.client import Client
from everynode.controllers.daemonset.claim import claim
from everynode.controllers.daemonset.ledger import Ledger
from everynode.controllers.daemonset.observe import HASH_LABEL, ControllerRevision, DaemonSet
from everynode.controllers.daemonset.revisions import Review, holds, new_revision, patch_of, review, surplus
from everynode.reconcile.informer import Informer


class History:
    """The revisions of one DaemonSet: what the informer shows, corrected by our own writes that it does not show yet."""

    def __init__(self, client: Client, informer: Informer[ControllerRevision]) -> None:
        self._client = client
        self._informer = informer
        self._written: dict[str, ControllerRevision] = {}
        self._deleted: set[str] = set()
        self._old: tuple[ControllerRevision, ...] = ()

    async def current_hash(self, ledger: Ledger) -> str:
        """Makes sure that today's template is the current revision, alone and with the highest number; tells its hash."""
        ds = ledger.ds
        await self._claim_strays(ledger)
        patch = patch_of(ds.spec.template)
        found = review(self._ours(ledger), patch)
        for revision in found.unlabelled:
            await self._patch(revision, {"metadata": {"labels": {HASH_LABEL: revision.metadata.name}}})
        if found.unlabelled:
            found = review(self._ours(ledger), patch)
        self._old = found.old
        if found.current is None:
            return await self._create(ds, patch, found.number)
        current = found.current
        if found.duplicates:
            await self._merge_duplicates(ledger, found, current)
        if current.revision < found.number:
            await self._patch(current, {"revision": found.number})
        return current.hash

    async def clean_up(self, ledger: Ledger) -> None:
        """Deletes old revisions beyond the limit that no pod carries any more."""
        for revision in surplus(self._old, ledger.ds.spec.revision_history_limit, ledger.hashes):
            await self._delete(revision)
            self._old = tuple(one for one in self._old if one is not revision)

    def _ours(self, ledger: Ledger) -> list[ControllerRevision]:
        shown = {one.metadata.name: one for one in self._informer.by_index("controller", ledger.ds.metadata.uid)}
        for name, written in list(self._written.items()):
            revision = int(written.metadata.resource_version or 0)
            if self._informer.seen_revision >= revision or _newer(shown.get(name), revision):
                del self._written[name]
            else:
                shown[name] = written
        here = [one for one in shown.values() if one.metadata.uid not in self._deleted]
        self._deleted.intersection_update(one.metadata.uid for one in shown.values())
        return [one for one in here if ledger.selector.matches(one.metadata.labels)]

    async def _claim_strays(self, ledger: Ledger) -> None:
        meta, selector = ledger.ds.metadata, ledger.selector
        orphans = self._informer.by_index("controller", f"none in {meta.namespace}")
        strays = [
            one for one in orphans if one.metadata.deletion_timestamp is None and selector.matches(one.metadata.labels)
        ]
        strays += [
            one for one in self._informer.by_index("controller", meta.uid) if not selector.matches(one.metadata.labels)
        ]
        if strays:
            await claim(self._client, ledger.ds, CONTROLLER_REVISIONS, strays, self._claimed)

    def _claimed(self, before: ControllerRevision, after: ControllerRevision) -> None:
        if before.metadata.controller is None:
            self._written[after.metadata.name] = after

    async def _create(self, ds: DaemonSet, patch: bytes, number: int) -> str:
        hash, body = new_revision(ds, patch, number)
        name, namespace = body["metadata"]["name"], ds.metadata.namespace
        try:
            made = await self._client.create(CONTROLLER_REVISIONS, body, namespace, view=ControllerRevision)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            made = await self._client.get(CONTROLLER_REVISIONS, name, namespace, view=ControllerRevision)
            owner = made.metadata.controller
            if owner is not None and owner.precedes(ds) and made.metadata.deletion_timestamp is None:
                # The garbage collector is about to take it.
                raise
            if not holds(made, patch) or (owner is not None and owner.uid != ds.metadata.uid):
                await self._collided(ds)
                raise
        self._written[name] = made
        return made.hash or hash

    async def _collided(self, ds: DaemonSet) -> None:
        """The name is another template's: from now on hashes are made with a higher collisionCount."""
        meta = ds.metadata
        fresh = await self._client.get(DAEMON_SETS, meta.name, meta.namespace, view=DaemonSet)
        known, now = ds.status.collision_count, fresh.status.collision_count
        if known != now:
            why = f"found a stale collision count ({known}, expected {now}) of DaemonSet {ds.key} while processing"
            raise conflict(DAEMON_SETS, meta.name, f"{why}; will retry until it is updated")
        change = {
            "metadata": {"uid": meta.uid, "resourceVersion": fresh.metadata.resource_version},
            "status": {"collisionCount": (now or 0) + 1},
        }
        await self._client.patch(DAEMON_SETS, meta.name, change, meta.namespace, subresource="status")

    async def _merge_duplicates(self, ledger: Ledger, found: Review, kept: ControllerRevision) -> None:
        """Gives all pods the hash of the revision that stays, then deletes the others that hold the same template."""
        for pod in list(ledger.pods()):
            if pod.hash != kept.hash:
                change = {"metadata": {"labels": {HASH_LABEL: kept.hash}}}
                await self._client.patch(PODS, pod.metadata.name, change, pod.metadata.namespace)
        for duplicate in found.duplicates:
            await self._delete(duplicate)

    async def _patch(self, revision: ControllerRevision, change: dict[str, object]) -> None:
        meta = revision.metadata
        self._written[meta.name] = await self._client.patch(
            CONTROLLER_REVISIONS, meta.name, change, meta.namespace, view=ControllerRevision
        )

    async def _delete(self, revision: ControllerRevision) -> None:
        meta = revision.metadata
        try:
            await self._client.delete(CONTROLLER_REVISIONS, meta.name, meta.namespace, uid=meta.uid)
        except ApiError as error:
            if error.code != 404:
                raise
        self._written.pop(meta.name, None)
        self._deleted.add(meta.uid)


def _newer(shown: ControllerRevision | None, revision: int) -> bool:
    return shown is not None and int(shown.metadata.resource_version or 0) >= revision
