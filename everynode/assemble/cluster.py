"""One whole cluster in one process: the only place where concrete classes meet.

    async with Cluster(config) as cluster:
        await cluster.ready()
        …  cluster.api is the API as a Handler; cluster.client("name") speaks to it

Entering opens the store (and with it locks the data directory), sets up what every cluster has, and starts every part as a
supervised task; leaving ends them, newest first, and closes the store. No socket is opened here: who wants the cluster
served puts a Listener in front of `api`. A part that fails takes the cluster down: `failure()` tells its parent, who leaves.
"""

from __future__ import annotations

import random
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from everynode.api.scheme import NODES
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.assemble import pki
from everynode.assemble.bootstrap import bootstrap
from everynode.assemble.config import Config
from everynode.assemble.pki import Pki
from everynode.base.clock import Clock, SystemClock
from everynode.base.ids import Ids
from everynode.base.tasks import BackgroundFailure, Tasks
from everynode.client.client import Client
from everynode.store.contract import Store, StoreUnavailable
from everynode.store.lock import DirectoryLock
from everynode.store.open import open_store
from everynode.wire.message import Peer

MASTERS = "system:masters"


class CannotStart(Exception):
    """The cluster cannot be set up: its store or data directory is not to be had. One clear line."""


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class _Condition(msgspec.Struct):
    type: str = ""
    status: str = ""


class _NodeStatus(msgspec.Struct):
    conditions: list[_Condition] = []


class _NodeView(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)

    def is_ready(self) -> bool:
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions)


def node_name(number: int) -> str:
    """What the simulated node of that number is called."""
    return f"node-{number:05d}"


def service_account(name: str) -> Peer:
    """One of our own controllers, by the account it has in Kubernetes."""
    return Peer(f"system:serviceaccount:kube-system:{name}", (MASTERS, "system:serviceaccounts:kube-system"))


class Cluster:
    """A control plane and its simulated nodes."""

    def __init__(self, config: Config, *, clock: Clock | None = None, dice: random.Random | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.ids = Ids(dice)
        self.pki: Pki | None = None
        self._dice = dice
        self._tasks = Tasks()
        self._lock: DirectoryLock | None = None
        self._store: Store | None = None
        self._api: ApiServer | None = None

    @property
    def api(self) -> ApiServer:
        """The API of the running cluster: a Handler."""
        assert self._api is not None, "the cluster has not been entered"
        return self._api

    def client(self, user: str = "everynode-admin") -> Client:
        """Speaks to the API in this process, as an administrator."""
        return Client(self.api, peer=Peer(user, (MASTERS,)))

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def failure(self) -> BackgroundFailure:
        """Waits for the first part that fails; never returns while all are well."""
        return await self._tasks.failure()

    async def ready(self) -> None:
        """Waits until the simulated nodes are Ready."""
        wanted = {node_name(number) for number in range(self.config.nodes)}
        client = self.client()
        listing = await client.list(NODES, view=_NodeView)
        for node in listing.items:
            if node.is_ready():
                wanted.discard(node.metadata.name)
        since = listing.resource_version
        while wanted:
            async with aclosing(client.watch(NODES, since=since, view=_NodeView)) as changes:
                async for change in changes:
                    since = change.object.metadata.resource_version
                    if change.object.is_ready():
                        wanted.discard(change.object.metadata.name)
                    if not wanted:
                        return

    def _open(self) -> Store:
        """Takes the data directory and opens the store. Raises CannotStart."""
        config = self.config
        try:
            if config.data_dir is not None:
                config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                if config.store == "memory":
                    # The SQLite store locks the directory itself.
                    self._lock = DirectoryLock(config.data_dir)
            return open_store(config.store, config.data_dir or Path(), facets)
        except StoreUnavailable as error:
            raise CannotStart(str(error)) from error
        except OSError as error:
            raise CannotStart(f"data directory {config.data_dir} cannot be used: {error.strerror}") from error

    async def _start(self) -> None:
        config = self.config
        self._store = self._open()
        if config.data_dir is not None:
            self.pki = pki.ensure(config.data_dir / "pki", config.server_names, self.clock.now())
        self._api = ApiServer(self._store, clock=self.clock, ids=self.ids)
        self._tasks.start("api server", self._api.run())
        await bootstrap(self.client("system:apiserver"))

    async def _stop(self) -> None:
        await self._tasks.stop()
        if self._store is not None:
            await self._store.close()
        if self._lock is not None:
            self._lock.release()
