"""ResourceQuotas: whether one more object goes in, decided at once and for all who ask at the same time.

For each namespace that has quotas, and that somebody has written to since the server began, there is a book: what is used
under each quota, counted once from the store and kept up by every write from then on (`booking.py`). A creation that is
judged *takes* what it will use before it is stored, so that of two in the same turn of the loop the second finds what the
first has left. What was taken is given back when the write has ended: then it has either come into the book as a write, or
came to nothing.

So a creation costs the same however many objects there are, nothing is written for it but the object, and a write that is
refused later on leaves no trace. A namespace without quotas costs one look into the store's index. Quotas are read from the
store each time, and `spec.hard` holds from the moment it is stored. The status is written by the controller
(docs/decisions/0006).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from everynode.api import scheme, status
from everynode.api.core_v1 import ResourceQuotaSpec
from everynode.api.quota.counted import COUNTED_KINDS, NONE, Counted, Usage, count, view_of
from everynode.api.quota.rule import Rule, counts_alike
from everynode.api.quota.tally import Tally, Uncounted
from everynode.api.scheme import Resource
from everynode.api.views import Identity, View
from everynode.apiserver.admission.naming import called
from everynode.base.clock import Clock
from everynode.store.contract import Entry, Event, Store
from everynode.values.quantity import Quantity

# What a judged write has taken of each quota, until it has ended.
Charge = Sequence[tuple[Tally, Usage]]
NOTHING: Charge = ()

# Objects counted before others get their turn on the loop: about 2 ms.
TURN = 150

_KINDS = {resource.prefix: resource for resource in COUNTED_KINDS}


class _Quota(View):
    """What is read of a quota."""

    metadata: Identity
    spec: ResourceQuotaSpec


_quota = msgspec.json.Decoder(_Quota)
_things = {resource: msgspec.json.Decoder(view_of(resource)) for resource in COUNTED_KINDS}


class _Account:
    """One quota in a book: the version that was read, and what is used under it since it was counted."""

    __slots__ = ("counted_at", "entry", "spec", "tally")

    def __init__(self, entry: Entry, spec: ResourceQuotaSpec, tally: Tally, counted_at: int) -> None:
        self.entry = entry
        self.spec = spec
        self.tally = tally
        self.counted_at = counted_at


class Quotas:
    """The books of all namespaces, and the judge."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._books: dict[str, dict[str, _Account]] = {}

    async def charge(self, resource: Resource, obj: Any, old: Any = None) -> Charge:
        """Takes what a new object will use, or an update (of `old`) more than before; raises the 403 with what is short."""
        if resource.prefix not in _KINDS or resource.stored_as:
            return NOTHING
        accounts = await self._counted_accounts(obj.metadata.namespace)
        if not accounts:
            return NOTHING
        now = self._clock.now()
        new, before = count(resource, obj), None if old is None else count(resource, old)
        taken: list[tuple[Tally, Usage]] = []
        for account in accounts:
            tally = account.tally
            if not tally.rule.counts(new):
                continue
            tally.advance(now)
            if resource is scheme.PODS and (unsaid := tally.rule.unsaid(obj)):
                raise status.forbidden(resource, called(obj), f"failed quota: {tally.rule.name}: must specify {unsaid}")
            wanted = _more(tally.rule, new, before)
            if wanted:
                _refuse_beyond(resource, obj, tally, wanted)
                taken.append((tally, wanted))
        for tally, usage in taken:
            tally.take(usage)
        return taken

    def release(self, charge: Charge) -> None:
        """The write has ended: if it took place, it has been booked."""
        for tally, usage in charge:
            tally.give_back(usage)

    def keeps(self, key: str) -> bool:
        """Whether writes under this key change a book."""
        if not self._books:
            return False
        group, plural, rest = key.split("/", 2)
        namespace, slash, _ = rest.partition("/")
        return bool(slash) and namespace in self._books and f"{group}/{plural}/" in _KINDS

    def book(self, event: Event) -> None:
        """Takes over a write that has become durable."""
        if not self.keeps(event.key):
            return
        group, plural, rest = event.key.split("/", 2)
        resource = _KINDS[f"{group}/{plural}/"]
        namespace = rest.partition("/")[0]
        book = self._books[namespace]
        before = after = None
        for account in book.values():
            tally = account.tally
            if resource not in tally.rule.by_kind or event.revision <= account.counted_at:
                continue
            if before is None and after is None:
                before = _read(resource, event.before) if event.before is not None else None
                after = _read(resource, event.after) if event.after is not None else None
            tally.change(before, after, self._clock.now())
        if resource is scheme.RESOURCE_QUOTAS and event.after is None:
            book.pop(event.key, None)
            if not book:
                del self._books[namespace]

    async def _counted_accounts(self, namespace: str) -> Sequence[_Account]:
        """The accounts of a namespace when everything has been counted. Whoever waits for that takes a turn at it."""
        while True:
            accounts = await self._accounts(namespace)
            now = self._clock.now()
            if all(account.tally.count_some(TURN, now) for account in accounts):
                return accounts
            await asyncio.sleep(0)

    async def _accounts(self, namespace: str) -> Sequence[_Account]:
        """An account for each quota that stands now, in the order of their names."""
        page = await self._store.range(scheme.RESOURCE_QUOTAS.scope(namespace))
        if not page.entries:
            if self._books:
                self._books.pop(namespace, None)
            return ()
        book = self._books.get(namespace, {})
        known = [account.entry.revision for account in book.values()]
        if known == [entry.revision for entry in page.entries]:
            return list(book.values())
        fresh = {entry.key: await self._account(namespace, entry, book.get(entry.key)) for entry in page.entries}
        self._books[namespace] = fresh
        return list(fresh.values())

    async def _account(self, namespace: str, entry: Entry, known: _Account | None) -> _Account:
        quota = _quota.decode(entry.value)
        if known is not None and known.entry.created == entry.created and counts_alike(known.spec, quota.spec):
            known.entry = entry
            if known.spec.hard != quota.spec.hard:
                known.spec = quota.spec
                known.tally.rule = Rule.of(quota)
            return known
        rule = Rule.of(quota)
        there, revision = await self._there(namespace, list(rule.by_kind))
        return _Account(entry, quota.spec, Tally(rule, there, _read), revision)

    async def _there(self, namespace: str, kinds: Sequence[Resource]) -> tuple[Uncounted, int]:
        """Everything of these kinds in the namespace, and the revision that this is true of."""
        while True:
            pages = [await self._store.range(kind.scope(namespace)) for kind in kinds]
            if all(page.revision == self._store.revision for page in pages):
                break
        there: Uncounted = {
            (kind, entry.key.rpartition("/")[2]): entry
            for kind, page in zip(kinds, pages, strict=True)
            for entry in page.entries
        }
        return there, self._store.revision


def _read(resource: Resource, entry: Entry) -> Counted:
    return count(resource, _things[resource].decode(entry.value))


def _more(rule: Rule, new: Counted, before: Counted | None) -> dict[str, Quantity]:
    """What the new version uses beyond what the one before did under this rule."""
    wanted = rule.share(new.usage)
    used = rule.share(before.usage) if before is not None and rule.counts(before) else {}
    return {name: amount for name, all_of_it in wanted.items() if (amount := all_of_it - used.get(name, NONE)) > NONE}


def _refuse_beyond(resource: Resource, obj: Any, tally: Tally, wanted: Mapping[str, Quantity]) -> None:
    short = tally.beyond(wanted)
    if short:
        why = (
            f"exceeded quota: {tally.rule.name}, requested: {_listed(wanted, short)}, "
            f"used: {_listed(tally.used, short)}, limited: {_listed(tally.rule.hard, short)}"
        )
        raise status.forbidden(resource, called(obj), why)


def _listed(amounts: Mapping[str, Quantity], names: Sequence[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names)
