"""Keeps views of one resource current, and tells controllers of every change.

An informer lists the resource, then watches from the list's revision. It hands every change to its handlers as
(old, new), synchronously and in revision order; the initial list arrives as (None, new). What was deleted while nobody
watched is noticed at the next list and handed on as (old, None), so a handler sees each object come, change and go, and
a change never joins two objects: one deleted and made again under its name is first gone, then new.

A view needs `metadata` with `name`, `namespace`, `uid` and `resource_version` (and what the controller reads); each line of
the watch is decoded once, straight into it. Views are shared: nobody changes them.

A watch that the server ends is resumed from the newest revision seen; one that is too old, or any other error, leads to a
new list, after an exponential pause with jitter. An `InformerSet` shares one informer among all who ask for the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any, Generic, Protocol, TypeVar

from everynode.api.scheme import Resource
from everynode.api.status import ApiError
from everynode.client.client import Client, ClientUnreachable
from everynode.reconcile.bunches import Bunches

log = logging.getLogger(__name__)

# Objects in one page of a list: what client-go asks for.
PAGE = 500
# Changes handled before others get their turn on the loop: about 2 ms of work.
TURN = 100
# Seconds of the first pause after a failure, and of the longest (client-go's reflector).
FIRST_PAUSE, LONGEST_PAUSE = 0.8, 30.0


class View(Protocol):
    """What an informer needs of a view: `metadata` with name, namespace, uid and resource_version."""

    @property
    def metadata(self) -> Any: ...


T = TypeVar("T", bound=View)
ChangeHandler = Callable[[T | None, T | None], None]
Terms = Callable[[T], Iterable[str]]


def key_of(namespace: str, name: str) -> str:
    """`ns/name`, or `name` of a cluster-scoped object: how informers and queues call it."""
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """The namespace (empty if cluster-scoped) and the name."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


class _Index(Generic[T]):
    """Keys by term; what matches a term is found without looking at anything else."""

    def __init__(self, terms: Terms[T]) -> None:
        self.terms = terms
        self.keys = Bunches()

    def replace(self, key: str, old: T | None, new: T | None) -> None:
        before = tuple(self.terms(old)) if old is not None else ()
        after = tuple(self.terms(new)) if new is not None else ()
        if before == after:
            return
        for term in before:
            if term not in after:
                self.keys.discard(term, key)
        for term in after:
            self.keys.add(term, key)


class Informer(Generic[T]):
    """One list and watch of one resource (of one namespace, or what two selectors leave of it)."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        view: type[T],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        dice: random.Random | None = None,
    ) -> None:
        self._client = client
        self._scope = {"namespace": namespace, "labels": labels, "fields": fields}
        self._view = view
        self._dice = dice or random.SystemRandom()
        self._handlers: list[ChangeHandler[T]] = []
        self._indexes: dict[str, _Index[T]] = {}
        self.resource = resource
        self.objects: dict[str, T] = {}
        self.synced = asyncio.Event()
        self.seen_revision = 0

    def get(self, namespace: str, name: str) -> T | None:
        """The newest view seen, or None."""
        return self.objects.get(f"{namespace}/{name}" if namespace else name)

    def on_change(self, handler: ChangeHandler[T]) -> None:
        """Calls `handler(old, new)` for every change from now on, and at once for what is there already."""
        self._handlers.append(handler)
        for view in list(self.objects.values()):
            _tell(handler, None, view)

    def add_index(self, name: str, terms: Terms[T]) -> None:
        """Indexes objects by the terms that a pure function of their view gives."""
        index = self._indexes[name] = _Index(terms)
        for key, view in self.objects.items():
            index.replace(key, None, view)

    def by_index(self, name: str, term: str) -> Iterable[T]:
        """What carries the term, in the order in which it came to carry it."""
        return [self.objects[key] for key in self._indexes[name].keys.of(term)]

    async def run(self) -> None:
        """Lists, watches, and begins anew after whatever goes wrong, until it is cancelled.

        Beginnings are a growing pause apart: a watch that lived longer than that is followed by the next one at once.
        """
        loop = asyncio.get_running_loop()
        pause, listed = FIRST_PAUSE, False
        while True:
            began = loop.time()
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._watch()
            except ClientUnreachable as error:
                log.info("watching %s: %s", self.resource.group_resource, error)
            except ApiError as error:
                listed = False
                level = logging.DEBUG if error.code == 410 else logging.WARNING
                log.log(level, "listing %s anew: %s", self.resource.group_resource, error)
            lived = loop.time() - began
            if lived > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(max(0.0, pause * (1 + self._dice.random()) - lived))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _list(self) -> None:
        """Makes the views equal to a fresh list, telling the handlers of every difference."""
        listing = await self._client.list(self.resource, view=self._view, limit=PAGE, **self._scope)
        listed = {key_of(view.metadata.namespace, view.metadata.name): view for view in listing.items}
        gone = [key for key in self.objects if key not in listed]
        for number, key in enumerate(gone, start=1):
            self._replace(key, None)
            if number % TURN == 0:
                await asyncio.sleep(0)
        for number, (key, view) in enumerate(listed.items(), start=1):
            known = self.objects.get(key)
            if known is None or known.metadata.resource_version != view.metadata.resource_version:
                self._replace(key, view)
            if number % TURN == 0:
                await asyncio.sleep(0)
        self.seen_revision = int(listing.resource_version or 0)
        self.synced.set()

    async def _watch(self) -> None:
        """Follows changes from the newest revision seen until the stream ends."""
        changes = self._client.watch(self.resource, since=str(self.seen_revision), view=self._view, **self._scope)
        number = 0
        async with aclosing(changes):
            async for change in changes:
                meta = change.object.metadata
                if change.type != "BOOKMARK":
                    key = f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name
                    self._replace(key, change.object if change.type != "DELETED" else None)
                self.seen_revision = int(meta.resource_version)
                number += 1
                if number % TURN == 0:
                    await asyncio.sleep(0)

    def _replace(self, key: str, new: T | None) -> None:
        """Puts one view in the place of another and tells everybody."""
        # Other informers call the object the same.
        key = sys.intern(key)
        old = self.objects.get(key)
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            self._replace(key, None)
            old = None
        if new is not None:
            self.objects[key] = new
        elif old is not None:
            del self.objects[key]
        else:
            return
        for index in self._indexes.values():
            index.replace(key, old, new)
        for handler in self._handlers:
            _tell(handler, old, new)


def _tell(handler: ChangeHandler[Any], old: Any, new: Any) -> None:
    try:
        handler(old, new)
    except Exception:
        # One controller's fault must not blind the others that share this informer.
        log.exception("a handler of changes failed")


class InformerSet:
    """The informers of one process: whoever asks for the same resource, view and selection shares one."""

    def __init__(self, client: Client, *, dice: random.Random | None = None) -> None:
        self._client = client
        self._dice = dice
        self._informers: dict[tuple[Any, ...], Informer[Any]] = {}
        self._group: asyncio.TaskGroup | None = None

    def informer(
        self, resource: Resource, view: type[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Informer[T]:
        """The informer of this selection; one that is new while the set runs is started at once."""
        wanted = (resource, view, namespace, labels, fields)
        known = self._informers.get(wanted)
        if known is None:
            known = self._informers[wanted] = Informer(
                self._client, resource, view, namespace=namespace, labels=labels, fields=fields, dice=self._dice
            )
            if self._group is not None:
                self._group.create_task(known.run())
        return known

    async def synced(self) -> None:
        """Waits until every informer asked for so far has its initial list."""
        for informer in list(self._informers.values()):
            await informer.synced.wait()

    async def run(self) -> None:
        """Runs all informers until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for informer in self._informers.values():
                self._group.create_task(informer.run())
            # Informers may be asked for at any time, so the group stays open.
            await asyncio.get_running_loop().create_future()
