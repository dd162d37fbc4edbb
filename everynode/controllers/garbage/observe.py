"""Who owns whom: every stored object's uid, its owners and its dependents, from views of metadata alone.

In come the objects as they come, change and go; out go the uids that must be looked at for it. An event costs what the
object's own references cost, whatever the size of the graph: how many dependents block an owner is counted, not looked up, and
an owner that waits is looked at when the last of them has gone. Only the beginning and the end of an owner ask for all its
dependents; as they may be a whole fleet's pods, one key stands for them (`all_of`), to be walked a few at a time.

Owners that were seen to go, or that the API said are not there, are remembered for a while, so that their dependents need not
ask the API each. What the API said is remembered by everything that was asked, since a reference may name a uid that exists
with a name, kind or namespace that it does not have.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from everynode.api.scheme import Resource
from everynode.api.views import SHARED, Identity, Part, View, shared
from everynode.reconcile.bunches import Bunches

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_ALL_OF = "dependents of "
# Owners remembered to be gone.
GONE = 10_000


class OwnerReference(Part, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    block_owner_deletion: bool | None = None


@functools.lru_cache(maxsize=SHARED)
def _shared(references: tuple[OwnerReference, ...]) -> tuple[OwnerReference, ...]:
    """One for all that are equal. Of those that have none like them, a lease's, the owner's own texts are used."""
    for reference in references:
        for field in ("api_version", "kind", "name", "uid"):
            msgspec.structs.force_setattr(reference, field, sys.intern(getattr(reference, field)))
    return references


class Meta(Identity):
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.finalizers, self.owner_references = shared(self.finalizers), _shared(self.owner_references)


class Thing(View):
    """Any object, as far as it matters here."""

    metadata: Meta = msgspec.field(default_factory=Meta)


class Owner(NamedTuple):
    """An owner as a dependent names it: where it looks for it, and what it takes it for."""

    namespace: str
    api_version: str
    kind: str
    name: str
    uid: str


class Item(msgspec.Struct, frozen=True, gc=False):
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

    @property
    def blocked(self) -> list[str]:
        """The uids of the owners that may not go before this object."""
        return [each.uid for each in self.meta.owner_references if each.block_owner_deletion]

    def is_named_by(self, reference: OwnerReference) -> bool:
        """Whether the reference has its kind and name right, not just its uid."""
        resource = self.resource
        named = (reference.api_version, reference.kind, reference.name)
        return named == (resource.api_version, resource.kind, self.meta.name)

    def is_out_of_reach_of(self, dependent: Item) -> bool:
        """Whether it stands in a namespace, and the dependent does not stand there."""
        return self.meta.namespace not in ("", dependent.meta.namespace)


def all_of(uid: str) -> str:
    """The key that stands for every dependent of an owner."""
    return _ALL_OF + uid


def owner_in(key: str) -> str:
    """The owner all of whose dependents the key stands for; "" if it is just a uid."""
    return key.removeprefix(_ALL_OF) if key.startswith(_ALL_OF) else ""


class Graph:
    """The objects by uid, and the dependents of each uid, whether its object has been seen or not."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._dependents = Bunches()
        self._blocking: dict[str, int] = {}
        self._gone: dict[str | Owner, None] = {}

    def get(self, uid: str) -> Item | None:
        return self._items.get(uid)

    def dependents(self, uid: str) -> list[Item]:
        """In the order in which they came."""
        return [self._items[each] for each in self._dependents.of(uid)]

    def uids_of_dependents(self, uid: str) -> list[str]:
        return list(self._dependents.of(uid))

    def has_dependents(self, uid: str) -> bool:
        return uid in self._dependents

    def is_blocked(self, uid: str) -> bool:
        """Whether the owner with this uid may not go before one of its dependents."""
        return uid in self._blocking

    def waits_for_itself(self, item: Item) -> bool:
        """Whether it waits for what waits for it, so that neither would ever go."""
        seen: set[str] = set()
        ahead = item.blocked
        while ahead:
            uid = ahead.pop()
            owner = self._items.get(uid)
            if uid in seen or owner is None or not owner.waits_for_dependents:
                continue
            if uid == item.meta.uid:
                return True
            seen.add(uid)
            ahead += owner.blocked
        return False

    def is_gone(self, owner: Owner) -> bool:
        """Whether this owner was seen to go (uids never come again), or was not there when it was asked for."""
        return owner.uid in self._gone or owner in self._gone

    def remember_gone(self, owner: str | Owner) -> None:
        self._gone[owner] = None
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]

    def put(self, resource: Resource, old: Meta | None, new: Meta) -> Iterable[str]:
        """Files an object that came or changed; gives what must be looked at for it: uids, and keys made by `all_of`."""
        before = Item(resource, old) if old is not None else None
        after = self._items[new.uid] = Item(resource, new)
        affected: list[str] = []
        if before is None or before.meta.owner_references != new.owner_references:
            affected += self._relink(before, after)
        if after.deleting and (before is None or not before.deleting or before.meta.finalizers != new.finalizers):
            if after.waits_for_dependents and new.uid in self._dependents:
                affected.append(all_of(new.uid))
            affected.append(new.uid)
        return affected

    def drop(self, resource: Resource, meta: Meta) -> Iterable[str]:
        """Forgets an object that is gone; its dependents must be looked at, and the owners that waited for it."""
        self._items.pop(meta.uid, None)
        affected = self._relink(Item(resource, meta), None)
        if meta.uid in self._dependents:
            self.remember_gone(meta.uid)
            affected.append(all_of(meta.uid))
        return affected

    def _relink(self, before: Item | None, after: Item | None) -> list[str]:
        """Replaces an object's references; gives the owners that can go now, and the object if it must be looked at."""
        old = before.meta.owner_references if before is not None else ()
        new = after.meta.owner_references if after is not None else ()
        if after is not None:
            for reference in new:
                self._dependents.add(reference.uid, after.meta.uid)
            self._count(after.blocked, 1)
        if before is not None:
            self._count(before.blocked, -1)
            for uid in {each.uid for each in old} - {each.uid for each in new}:
                self._dependents.discard(uid, before.meta.uid)
        affected = [uid for uid in {each.uid: None for each in old} if self._released(uid)]
        # An owner that leaves orphans behind must hear of a late one.
        affected += [each.uid for each in new if (owner := self._items.get(each.uid)) and owner.leaves_orphans]
        if after is not None and (after.deleting or any(self._doubtful(after, reference) for reference in new)):
            affected.append(after.meta.uid)
        return affected

    def _count(self, owners: Iterable[str], more: int) -> None:
        for uid in owners:
            self._blocking[uid] = self._blocking.get(uid, 0) + more
            if not self._blocking[uid]:
                del self._blocking[uid]

    def _released(self, uid: str) -> bool:
        """Whether an owner that has been waiting need not wait any longer."""
        item = self._items.get(uid)
        if item is None:
            return False
        if item.leaves_orphans:
            return uid not in self._dependents
        return item.waits_for_dependents and uid not in self._blocking

    def _doubtful(self, item: Item, reference: OwnerReference) -> bool:
        """Whether a reference is to something that is not known to be there, and to stay."""
        owner = self._items.get(reference.uid)
        if owner is None or owner.deleting:
            return True
        return owner.is_out_of_reach_of(item) or not owner.is_named_by(reference)
