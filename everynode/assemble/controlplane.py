"""The controllers and the scheduler of one cluster, put together: who each is, what it reads, what it speaks through.

One set of informers serves them all; each acts, and tells of it, in its own name. Nothing runs yet: `parts` and
`informers` are to be started by whoever asked for them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Protocol

from everynode.base.clock import Clock
from everynode.client.client import Client
from everynode.controllers.daemonset.shell import DaemonSetController
from everynode.controllers.disruption.shell import DisruptionController
from everynode.controllers.garbage.shell import GarbageCollector
from everynode.controllers.namespace.shell import NamespaceController
from everynode.controllers.nodelifecycle.shell import NodeLifecycleController
from everynode.controllers.podgc.shell import PodGarbageCollector
from everynode.controllers.resourcequota.shell import ResourceQuotaController
from everynode.controllers.serviceaccount.shell import ServiceAccountController
from everynode.controllers.tainteviction.shell import TaintEvictionController
from everynode.reconcile.informer import InformerSet
from everynode.reconcile.recorder import Recorder
from everynode.scheduler.shell import Scheduler


class Part(Protocol):
    """What runs in the background until it is cancelled."""

    async def run(self) -> None: ...


class ComponentClient(Protocol):
    """Makes the client of one part: the user it is, its user agent, its groups."""

    def __call__(self, user: str, agent: str, *groups: str) -> Client: ...


class ComponentRecorder(Protocol):
    """Makes, and starts, the recorder of one part's events."""

    def __call__(self, client: Client, component: str) -> Recorder: ...


class ControlPlane:
    """Everything that watches the API and acts on it, but for the nodes."""

    def __init__(
        self, client: ComponentClient, recorder: ComponentRecorder, clock: Clock, dice: random.Random | None, ca: str
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self.informers = InformerSet(client("system:kube-controller-manager", "everynode"), dice=dice)
        self.daemon_sets = self._daemon_sets()
        account, informers = self._account, self.informers
        self.parts: Mapping[str, Part] = {
            "daemonset controller": self.daemon_sets,
            "scheduler": self._scheduler(),
            "disruption controller": self._disruptions(),
            "garbage collector": self._garbage(),
            "namespace controller": NamespaceController(account("namespace-controller"), informers, clock),
            "node lifecycle controller": self._node_lifecycle(),
            "taint eviction controller": self._taint_eviction(),
            "pod garbage collector": PodGarbageCollector(account("pod-garbage-collector"), informers, clock),
            "resource quota controller": ResourceQuotaController(
                account("resourcequota-controller"), informers, clock, dice
            ),
            "service account controller": ServiceAccountController(
                account("service-account-controller"), informers, ca=ca
            ),
        }

    def _daemon_sets(self) -> DaemonSetController:
        client = self._account("daemon-set-controller")
        events = self._recorder(client, "daemonset-controller")
        return DaemonSetController(client, self.informers, events, self._clock)

    def _scheduler(self) -> Scheduler:
        client = self._client("system:kube-scheduler", "kube-scheduler")
        return Scheduler(client, self.informers, self._recorder(client, "default-scheduler"), clock=self._clock)

    def _node_lifecycle(self) -> NodeLifecycleController:
        client = self._account("node-controller")
        events = self._recorder(client, "node-controller")
        return NodeLifecycleController(client, self.informers, events, self._clock)

    def _taint_eviction(self) -> TaintEvictionController:
        client = self._account("node-controller")
        events = self._recorder(client, "taint-eviction-controller")
        return TaintEvictionController(client, self.informers, events, self._clock)

    def _disruptions(self) -> DisruptionController:
        client = self._account("disruption-controller")
        return DisruptionController(client, self.informers, self._recorder(client, "controllermanager"), self._clock)

    def _garbage(self) -> GarbageCollector:
        client = self._account("generic-garbage-collector")
        return GarbageCollector(client, self.informers, self._recorder(client, "garbage-collector-controller"))

    def _account(self, name: str) -> Client:
        """The client of one of our controllers, under the service account that it has in Kubernetes."""
        user = f"system:serviceaccount:kube-system:{name}"
        return self._client(user, name, "system:serviceaccounts", "system:serviceaccounts:kube-system")
