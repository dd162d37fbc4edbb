"""One whole cluster in one process: the only place where concrete classes meet.

    async with Cluster(config) as cluster:
        await cluster.ready()
        …  cluster.api is the API as a Handler; cluster.client("name") speaks to it

Entering opens the store (and with it locks the data directory), sets up what every cluster has, and starts every part as a
supervised task; leaving ends them, newest first, and closes the store. No socket is opened here: who wants the cluster
served puts a Listener in front of `api`. A part that fails takes the cluster down: `failure()` tells its parent, who leaves.
"""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from types import TracebackType
from typing import Self

from everynode.agent.fleet import SimulatedFleet
from everynode.agent.rulebook import RuleBook
from everynode.agent.rules import RulesError
from everynode.api.status import ApiError
from everynode.apiserver.facets import facets
from everynode.apiserver.server import ApiServer
from everynode.assemble import pki
from everynode.assemble.bootstrap import bootstrap
from everynode.assemble.config import Config
from everynode.assemble.controlplane import ControlPlane
from everynode.assemble.pki import Pki
from everynode.base.clock import Clock, SteadyClock, SystemClock
from everynode.base.ids import Ids
from everynode.base.tasks import BackgroundFailure, Tasks
from everynode.client.client import Client
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.recorder import Recorder
from everynode.store.contract import Store, StoreUnavailable
from everynode.store.lock import DirectoryLock
from everynode.store.open import open_store
from everynode.wire.message import Peer

log = logging.getLogger(__name__)

MASTERS = "system:masters"


class CannotStart(Exception):
    """The cluster cannot be set up: its store or data directory is not to be had. One clear line."""


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
        self._fleet: SimulatedFleet | None = None

    @property
    def api(self) -> ApiServer:
        """The API of the running cluster: a Handler."""
        assert self._api is not None, "the cluster has not been entered"
        return self._api

    def client(self, user: str = "everynode-admin") -> Client:
        """Speaks to the API in this process, as an administrator."""
        return self._component(user, "everynode")

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
        """Waits for the first part that fails; never returns while all are well.

        A store that failed takes every other part with it: it is the one that is told of."""
        assert self._store is not None, "the cluster has not been entered"
        store = asyncio.ensure_future(self._store.failed())
        part = asyncio.ensure_future(self._tasks.failure())
        try:
            await asyncio.wait({store, part}, return_when=asyncio.FIRST_COMPLETED)
            return BackgroundFailure("the store", store.result()) if store.done() else part.result()
        finally:
            store.cancel()
            part.cancel()

    async def ready(self) -> None:
        """Waits until the simulated nodes are Ready and open for pods."""
        if self._fleet is not None:
            await self._fleet.ready.wait()

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

    def _certificates(self, directory: Path) -> Pki:
        """The cluster's certificates, made where they are missing. Raises CannotStart."""
        try:
            return pki.ensure(directory, self.config.server_names, self.clock.now())
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CannotStart(f"certificates cannot be made in {directory}: {why}") from error

    async def _start(self) -> None:
        config = self.config
        self._store = self._open()
        if config.data_dir is not None:
            self.pki = self._certificates(config.data_dir / "pki")
        self._api = ApiServer(self._store, clock=self.clock, ids=self.ids)
        self._tasks.start("api server", self._api.run())
        ca = self.pki.ca.read_text() if self.pki is not None else ""
        try:
            await bootstrap(self.client("system:apiserver"), ca)
        except ApiError as error:
            raise CannotStart(f"what every cluster has cannot be set up: {error}") from error
        fleet = self._start_fleet()
        self._start_controllers(ca, fleet)

    def _start_controllers(self, ca: str, fleet: SimulatedFleet) -> None:
        plane = ControlPlane(self._component, self._recorder, self.clock, self._dice, ca)
        self.daemon_sets = plane.daemon_sets
        assert self._api is not None
        self._api.samples.append(plane.daemon_sets.samples)
        self._api.debug_pages["decisions"] = plane.daemon_sets.decisions
        for name, part in plane.parts.items():
            self._tasks.start(name, part.run())
        self._tasks.start("informers", self._inform(plane.informers, fleet))

    async def _inform(self, informers: InformerSet, fleet: SimulatedFleet) -> None:
        """Shows the controllers what there is, after the machines have found their Nodes.

        Over a full store the cluster is ready then; what a large fleet's controllers read first would hold that up."""
        await fleet.found.wait()
        await informers.run()

    def _start_fleet(self) -> SimulatedFleet:
        config = self.config
        try:
            rules = RuleBook.open(config.simulation) if config.simulation is not None else None
        except RulesError as error:
            raise CannotStart(f"simulation {error}") from error
        client = self._component("system:nodes", "kubelet", "system:nodes")
        # The fleet runs its own recorder.
        recorder = Recorder(client, "kubelet", clock=self.clock, dice=self._dice)
        self._fleet = SimulatedFleet(client, recorder, SteadyClock(self.clock), self.ids, config.nodes, rules)
        self._tasks.start("simulated nodes", self._fleet.run())
        return self._fleet

    def _component(self, user: str, agent: str, *groups: str) -> Client:
        """Speaks to the API in this process as one of its own parts; `agent` is what managed fields name."""
        return Client(self.api, peer=Peer(user, (MASTERS, *groups), in_process=True), user_agent=agent)

    def _recorder(self, client: Client, component: str) -> Recorder:
        recorder = Recorder(client, component, clock=self.clock, dice=self._dice)
        self._tasks.start(f"events of {component}", recorder.run())
        return recorder

    async def _stop(self) -> None:
        late = await self._tasks.stop()
        if late:
            log.warning("did not end in time: %s", ", ".join(late))
        if self._store is not None:
            await self._store.close()
        if self._lock is not None:
            self._lock.release()
