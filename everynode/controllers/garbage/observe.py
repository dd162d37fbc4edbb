"""Who owns whom: every stored object's uid, its owners and its dependents, from views of metadata alone.

An event costs what the object's own references cost, whatever the size of the graph. Owners that were seen to go are
remembered for a while, so that their dependents need not ask the API each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from everynode.api.scheme import Resource
from everynode.api.views import Identity, View

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
# Owners remembered to be gone.
GONE = 10_000


class OwnerReference(View):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    block_owner_deletion: bool | None = None


class Meta(Identity):
    deletion_timestamp: str | None = None
    finalizers: list[str] = []
    owner_references: list[OwnerReference] = []


class Thing(View):
    """Any object, as far as it matters here."""

    metadata: Meta = msgspec.field(default_factory=Meta)


class Item(NamedTuple):
    """One object of the graph."""

    resource: Resource
    meta: Meta

    @property
    def deleting(self) -> bool:
        return self.meta.deletion_timestamp is not None

    @property
    def waits_for_dependents(self) -> bool:
        """It is being deleted in the foreground: it goes after those that block it."""
        return self.deleting and FOREGROUND in self.meta.finalizers

    @property
    def leaves_orphans(self) -> bool:
        return self.deleting and ORPHAN in self.meta.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether the owner with this uid may not go before this object."""
        return any(each.uid == owner and each.block_owner_deletion for each in self.meta.owner_references)


class Graph:
    """The objects by uid, and the dependents of each uid, whether its object has been seen or not."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        self._gone: dict[str, None] = {}

    def get(self, uid: str) -> Item | None:
        return self._items.get(uid)

    def dependents(self, uid: str) -> list[Item]:
        """In the order in which they came."""
        return [self._items[each] for each in self._dependents.get(uid, ())]

    def has_dependents(self, uid: str) -> bool:
        return uid in self._dependents

    def is_gone(self, uid: str) -> bool:
        """Whether the object with this uid was seen to go; uids never come again."""
        return uid in self._gone

    def remember_gone(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]

    def put(self, resource: Resource, old: Meta | None, new: Meta) -> Iterable[str]:
        """Files an object that came or changed; gives the uids that must be looked at for it."""
        self._items[new.uid] = Item(resource, new)
        if old is None or old.owner_references != new.owner_references:
            return self._relink(old, new)
        begins = new.deletion_timestamp is not None and (
            old.deletion_timestamp is None or old.finalizers != new.finalizers
        )
        return (new.uid,) if begins else ()

    def drop(self, meta: Meta) -> Iterable[str]:
        """Forgets an object that is gone; its dependents must be looked at, and the owners that waited for it."""
        self._items.pop(meta.uid, None)
        self.remember_gone(meta.uid)
        for reference in meta.owner_references:
            self._unlink(reference.uid, meta.uid)
        waiting = [each.uid for each in meta.owner_references if self._waits(each.uid)]
        return [*self._dependents.get(meta.uid, ()), *waiting]

    def _relink(self, old: Meta | None, new: Meta) -> Iterable[str]:
        before = {each.uid for each in old.owner_references} if old is not None else set()
        after = {each.uid for each in new.owner_references}
        for uid in before - after:
            self._unlink(uid, new.uid)
        for uid in after:
            self._dependents.setdefault(uid, {})[new.uid] = None
        # A former owner, or one that this object blocks no longer, may now be able to go.
        waiting = sorted(uid for uid in before | after if self._waits(uid))
        needs_look = new.deletion_timestamp is not None or any(
            (owner := self._items.get(uid)) is None or owner.deleting for uid in after
        )
        return [*waiting, new.uid] if needs_look else waiting

    def _unlink(self, owner: str, dependent: str) -> None:
        dependents = self._dependents.get(owner)
        if dependents is not None:
            dependents.pop(dependent, None)
            if not dependents:
                del self._dependents[owner]

    def _waits(self, uid: str) -> bool:
        item = self._items.get(uid)
        return item is not None and (item.waits_for_dependents or item.leaves_orphans)
