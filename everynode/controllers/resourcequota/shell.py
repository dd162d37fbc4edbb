"""The ResourceQuota controller: counts what is there, where somebody wants it counted, and tells it in the quotas' status.

A namespace that has quotas is watched for just the kinds that they bound, so that one without costs nothing. Every change of
an object moves the tallies of its namespace by what it changes. A status is written at once when things are quiet, and at most
STATUS_RATE times a second while they are not; the last state is always written. Between two writes the status may lag behind:
the API server, which judges creations, has a count of its own that does not.
"""

from __future__ import annotations

import asyncio
import random
from math import inf
from typing import Any

from everynode.api.core_v1 import ResourceQuotaSpec
from everynode.api.quota.counted import count, view_of
from everynode.api.quota.rule import Rule, counts_alike
from everynode.api.quota.tally import Tally, Uncounted
from everynode.api.scheme import RESOURCE_QUOTAS, Resource
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.resourcequota.observe import Quota
from everynode.controllers.resourcequota.plan import kinds_counted, status_change
from everynode.reconcile.informer import Informer, InformerSet, split_key
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner

STATUS_RATE = 10  # status writes a second for one quota
WORKERS = 5  # quotas synced side by side: Kubernetes' --concurrent-resource-quota-syncs
TURN = 150  # objects counted before others get their turn on the loop: about 2 ms
MOMENT = 0.001  # seconds that are no time to wait for: timers may fire a little early, and sums of floats are not exact


class _Account:
    """One quota: the version it was read in, and the tally that is kept for it once everything has been counted."""

    __slots__ = ("spec", "tally", "uid", "written")

    def __init__(self, quota: Quota) -> None:
        self.uid = quota.metadata.uid
        self.spec: ResourceQuotaSpec = quota.spec
        self.tally = Tally(Rule.of(quota))
        self.written = -inf

    def count(self, there: Uncounted) -> None:
        """Begins to count."""
        self.tally = Tally(self.tally.rule, there)

    def took_over(self, quota: Quota) -> bool:
        """Goes on with another version of the quota; False if something else must be counted for it."""
        if self.uid != quota.metadata.uid or not counts_alike(self.spec, quota.spec):
            return False
        if self.spec.hard != quota.spec.hard:
            self.tally.rule = Rule.of(quota)
        self.spec = quota.spec
        return True


class _Namespace:
    """The quotas of one namespace by name, and the watches of what they count."""

    def __init__(self) -> None:
        self.accounts: dict[str, _Account] = {}
        self.watches: dict[Resource, tuple[Informer[Any], asyncio.Task[None]]] = {}


class ResourceQuotaController:
    """Writes the status of every quota. `run` works until it is cancelled."""

    def __init__(self, client: Client, informers: InformerSet, clock: Clock, dice: random.Random | None = None) -> None:
        self._client = client
        self._clock = clock
        self._dice = dice
        self._queue = Queue()
        self._runner = Runner("resource quota controller", self._queue, self._sync, workers=WORKERS)
        self._namespaces: dict[str, _Namespace] = {}
        self._watching: asyncio.TaskGroup | None = None
        self._quotas = informers.informer(RESOURCE_QUOTAS, Quota)
        self._quotas.add_index("namespace", lambda quota: (quota.metadata.namespace,))

    async def run(self) -> None:
        await self._quotas.synced.wait()
        async with asyncio.TaskGroup() as self._watching:
            self._quotas.on_change(self._quota_changed)
            await self._runner.run()

    def _quota_changed(self, old: Quota | None, new: Quota | None) -> None:
        quota = new or old
        assert quota is not None
        self._queue.add(quota.key)

    async def _sync(self, key: str) -> None:
        namespace, name = split_key(key)
        quota = self._quotas.get(namespace, name)
        if quota is None:
            self._close(namespace, name)
            return
        account = self._account(quota)
        if account is None:
            return
        now, tally = self._clock.now(), account.tally
        if not tally.count_some(TURN, now):
            self._queue.add(key)
            return
        tally.advance(now)
        if tally.next_moment < inf:
            self._queue.add_after(key, tally.next_moment - now + MOMENT)
        await self._write(quota, account)

    def _account(self, quota: Quota) -> _Account | None:
        """The account of this version of the quota; None while something of what it counts has not been read yet."""
        meta = quota.metadata
        home = self._namespaces.setdefault(meta.namespace, _Namespace())
        account = home.accounts.get(meta.name)
        if account is not None and account.took_over(quota):
            return account
        fresh = _Account(quota)
        informers = [(kind, self._watch(meta.namespace, home, kind)) for kind in fresh.tally.rule.by_kind]
        if not all(informer.synced.is_set() for _, informer in informers):
            return None
        fresh.count(
            {(kind, obj.metadata.name): obj for kind, informer in informers for obj in informer.objects.values()}
        )
        if account is not None:
            fresh.written = account.written
        home.accounts[meta.name] = fresh
        self._trim(meta.namespace, home)
        return fresh

    async def _write(self, quota: Quota, account: _Account) -> None:
        change = status_change(quota, account.tally)
        if change is None:
            return
        now = asyncio.get_running_loop().time()
        wait = account.written + 1 / STATUS_RATE - now
        if wait > MOMENT:
            self._queue.add_after(quota.key, wait)
            return
        account.written = now
        meta = quota.metadata
        try:
            await self._client.patch(RESOURCE_QUOTAS, meta.name, change, meta.namespace, subresource="status")
        except ApiError as error:
            # It is gone, or another one stands under its name; that will be heard of.
            if error.code not in (404, 409):
                raise

    # What is counted

    def _watch(self, namespace: str, home: _Namespace, kind: Resource) -> Informer[Any]:
        known = home.watches.get(kind)
        if known is not None:
            return known[0]
        assert self._watching is not None, "the controller runs"
        informer: Informer[Any] = Informer(self._client, kind, view_of(kind), namespace=namespace, dice=self._dice)
        informer.on_change(lambda old, new: self._changed(namespace, home, kind, old, new))
        home.watches[kind] = informer, self._watching.create_task(self._follow(namespace, informer))
        return informer

    async def _follow(self, namespace: str, informer: Informer[Any]) -> None:
        """Keeps an informer going; when it has read all that is there, the quotas of its namespace can be counted."""
        async with asyncio.TaskGroup() as group:
            group.create_task(informer.run())
            await informer.synced.wait()
            for quota in self._quotas.by_index("namespace", namespace):
                self._queue.add(quota.key)

    def _changed(self, namespace: str, home: _Namespace, kind: Resource, old: Any, new: Any) -> None:
        accounts = [(name, each) for name, each in home.accounts.items() if kind in each.tally.rule.by_kind]
        if not accounts:
            return
        before = count(kind, old) if old is not None else None
        after = count(kind, new) if new is not None else None
        now = self._clock.now()
        for name, account in accounts:
            moment = account.tally.next_moment
            if account.tally.change(before, after, now) or account.tally.next_moment < moment:
                self._queue.add(f"{namespace}/{name}")

    def _close(self, namespace: str, name: str) -> None:
        home = self._namespaces.get(namespace)
        if home is not None:
            home.accounts.pop(name, None)
            self._trim(namespace, home)

    def _trim(self, namespace: str, home: _Namespace) -> None:
        """Ends the watches of what no quota counts any more."""
        standing = list(self._quotas.by_index("namespace", namespace))
        needed = kinds_counted(Rule.of(quota) for quota in standing)
        for kind in home.watches.keys() - needed:
            home.watches.pop(kind)[1].cancel()
        if not standing:
            self._namespaces.pop(namespace, None)
