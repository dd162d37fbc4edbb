"""A whole cluster in virtual time, with a Witness, and everything that a test may do to it.

    stage = Stage(nodes=4)
    stage.create("one", strategy=rolling(1))
    stage.advance(10)
    stage.roll("one", "crash:2")
    …
    stage.rest()        # all faults mended: it must come to match, and then nothing may be written for ten minutes
    stage.close()

Methods are plain calls: each runs the cluster's loop for as long as it takes, lets what follows happen, and raises what the
Witness saw. What an image does is in its name: `good`, `slow` (7 s to ready, 3 s to stop), `crash`, `never` (ready), `missing`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

from everynode.agent import rules
from everynode.api.scheme import DAEMON_SETS, NODES, PODS
from everynode.api.status import ApiError
from everynode.apiserver.facets import facets
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.store.contract import Store
from everynode.store.local import LocalStore
from everynode.values.timestamps import seconds_text
from tests.simulation import recount
from tests.simulation.recount import MARK, Json
from tests.simulation.witness import Violation, Witness
from tests.virtual_time import LoopClock, VirtualLoop

T = TypeVar("T")

NS = "default"
ZONE = "zone"
# Seconds within which everything must have come to match once all faults are mended: more than the longest pauses there are
# (5 min between restarts, 15 between deletions of failed pods).
LONGEST_RECOVERY = 2_400.0
REST = 600.0
# What may be written at rest: Leases are renewed, nodes report.
BY_THE_CLOCK = {("patch", "leases", 200), ("patch", "nodes", 200)}
READS = ("get", "list", "watch")

IMAGES: list[Json] = [
    {"match": {"image": "slow:*"}, "readySeconds": 7, "stopSeconds": 3},
    {"match": {"image": "crash:*"}, "crashLoopBackOff": True, "exitAfterSeconds": 2},
    {"match": {"image": "never:*"}, "neverReady": True},
    {"match": {"image": "missing:*"}, "imagePullBackOff": True},
]
ON_DELETE: Json = {"type": "OnDelete"}


class NotConverged(Violation):
    """All faults are mended, and still the cluster does not match its DaemonSets."""


class NotQuiet(Violation):
    """Everything matches, and still somebody writes."""


@dataclasses.dataclass(frozen=True)
class Template:
    """What is variable in a pod template; equal values are equal templates."""

    image: str = "good:1"
    zone: str = ""
    tolerates: bool = False
    cpu: str = "100m"
    port: int = 0

    def body(self, app: str) -> Json:
        ports = [{"containerPort": self.port, "hostPort": self.port}] if self.port else []
        container = {"name": "c", "image": self.image, "resources": {"requests": {"cpu": self.cpu}}, "ports": ports}
        spec: Json = {"containers": [container]}
        if self.zone:
            spec["nodeSelector"] = {ZONE: self.zone}
        if self.tolerates:
            spec["tolerations"] = [{"key": "t", "operator": "Exists"}]
        return {"metadata": {"labels": {"app": app}, "annotations": {MARK: str(self)}}, "spec": spec}


def rolling(max_unavailable: int | str = 1, max_surge: int | str = 0) -> Json:
    """An updateStrategy."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable, "maxSurge": max_surge}}


class WitnessedCluster(Cluster):
    """A cluster over the Witness's journal, whose parts speak to the API through the Witness."""

    def __init__(self, witness: Witness, nodes: int, seed: int) -> None:
        super().__init__(Config(store="memory", nodes=nodes), clock=LoopClock(), dice=random.Random(seed))
        self.witness = witness

    @property
    def api(self) -> Any:
        return self.witness.before(super().api)

    @property
    def answered(self) -> Counter[tuple[str, str, int]]:
        return super().api.answered

    def _open(self) -> Store:
        return LocalStore(self.witness, facets)

    def follow(self, book: Any) -> None:
        """From now on the simulated nodes go by these rules."""
        assert self._fleet is not None
        self._fleet._book.current = rules.of({"rules": book})
        self._fleet._book.changed()


class Stage:
    """See the module. `broken` once anything was raised."""

    def __init__(self, nodes: int = 4, seed: int = 1) -> None:
        self._loop = VirtualLoop()
        asyncio.set_event_loop(None)
        self._size, self._seed = nodes, seed
        self.witness = Witness(lambda: LoopClock.EPOCH + self._loop.time())
        self.silent: set[str] = set()
        self.offsets: dict[str, float] = {}
        self.images = IMAGES
        self.broken = False
        self._do(self._enter())

    # Time

    def advance(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    def restart(self, down: float = 0.0) -> None:
        """The whole control plane ends wherever it is, and begins anew on what is stored."""
        self._do(self._restart(down))

    def close(self) -> None:
        self._loop.run_until_complete(self._leave())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Does it, and raises what went wrong in the cluster or what the Witness saw."""
        try:
            done = self._loop.run_until_complete(work)
            assert not self._failure.done(), f"a part failed: {self._failure.result()}"
            self.witness.check()
        except BaseException:
            self.broken = True
            raise
        return done

    async def _enter(self) -> None:
        self._cluster = WitnessedCluster(self.witness, self._size, self._seed)
        await self._cluster.__aenter__()
        self._failure = asyncio.ensure_future(self._cluster.failure())
        self._client = self._cluster.client("somebody")
        self._follow()
        await asyncio.sleep(1)

    async def _leave(self) -> None:
        self._failure.cancel()
        await asyncio.gather(self._failure, return_exceptions=True)
        await self._cluster.__aexit__(None, None, None)
        await asyncio.sleep(0)  # what has been cancelled ends

    async def _restart(self, down: float) -> None:
        self.witness.down = True
        await self._leave()
        await asyncio.sleep(down)
        self._seed += 1
        self.witness.restarted()
        self.witness.down = False
        await self._enter()

    # DaemonSets

    def create(
        self,
        name: str,
        template: Template = Template(),
        strategy: Json | None = None,
        *,
        min_ready: int = 0,
        history: int = 10,
        app: str = "",
    ) -> None:
        body = {
            "kind": "DaemonSet",
            "apiVersion": "apps/v1",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": app or name}},
                "updateStrategy": strategy or rolling(),
                "minReadySeconds": min_ready,
                "revisionHistoryLimit": history,
                "template": template.body(app or name),
            },
        }
        self._do(self._late(self._client.create(DAEMON_SETS, body, NS)))

    def delete(self, name: str, propagation: str = "Background") -> None:
        self._do(self._late(self._client.delete(DAEMON_SETS, name, NS, propagation_policy=propagation)))

    def change(self, name: str, **spec: Any) -> None:
        """Patches fields of the spec."""
        self._do(self._late(self._client.patch(DAEMON_SETS, name, {"spec": spec}, NS)))

    def roll(self, name: str, template: Template | str) -> None:
        """Gives it another template (or another image, in an otherwise new template)."""
        if isinstance(template, str):
            template = Template(template)
        app = self.ds(name)["spec"]["selector"]["matchLabels"]["app"]
        put = {"op": "replace", "path": "/spec/template", "value": template.body(app)}
        self._do(self._late(self._client.patch(DAEMON_SETS, name, [put], NS, kind="json")))

    def undo(self, name: str, back: int = 1) -> None:
        """What `kubectl rollout undo` does: applies an older revision; nothing if there is none."""
        uid = self.ds(name)["metadata"]["uid"]
        own = [one for one in self.witness.revisions.values() if recount.controller_of(one) == uid]
        own.sort(key=lambda one: int(one["revision"]))
        if len(own) > back:
            self._do(self._late(self._client.patch(DAEMON_SETS, name, own[-1 - back]["data"], NS, kind="strategic")))

    def ds(self, name: str) -> Json:
        return self.witness.daemon_sets[f"{NS}/{name}"]

    def pods(self, name: str) -> list[Json]:
        """A DaemonSet's pods, by node."""
        return sorted(
            self.witness.pods_of(self.ds(name)), key=lambda pod: (recount.target(pod), pod["metadata"]["name"])
        )

    def on(self, name: str, node: str) -> list[Json]:
        return [pod for pod in self.pods(name) if recount.target(pod) == node]

    # Nodes

    def label(self, node: str, zone: str | None) -> None:
        self._do(self._late(self._client.patch(NODES, node, {"metadata": {"labels": {ZONE: zone}}})))

    def taint(self, node: str, effect: str, key: str = "t") -> None:
        self._do(self._late(self._set_taints(node, key, [{"key": key, "effect": effect}] if effect else [])))

    def cordon(self, node: str, unschedulable: bool = True) -> None:
        self._do(self._late(self._client.patch(NODES, node, {"spec": {"unschedulable": unschedulable}})))

    def delete_node(self, node: str) -> None:
        self._do(self._late(self._client.delete(NODES, node)))

    def make_node(self, node: str, *, simulated: bool = False, zone: str = "") -> None:
        """A node that a client makes: a simulated one that is gone comes back, or one that nobody plays the kubelet of."""
        labels = {"kubernetes.io/hostname": node}
        if zone:
            labels[ZONE] = zone
        if simulated:
            labels["everynode.dev/simulated"] = "true"
        self._do(self._late(self._make_node(node, labels)))

    def work_as_kubelet(self) -> None:
        """Plays the kubelet of the nodes that clients made, once: all report, pods start or end."""
        self._do(self._work_as_kubelet())

    def silence(self, node: str, silent: bool = True) -> None:
        (self.silent.add if silent else self.silent.discard)(node)
        self.follow()

    def skew(self, node: str, seconds: float) -> None:
        self.offsets[node] = seconds
        self.follow()

    def follow(self) -> None:
        """Has the simulated nodes go by `images`, `silent` and `offsets` as they are now."""
        self._do(self._followed())

    @property
    def nodes(self) -> list[str]:
        return sorted(self.witness.nodes)

    async def _followed(self) -> None:
        self._follow()

    def _follow(self) -> None:
        each = [{"match": {"node": name}, "silent": True} for name in sorted(self.silent)]
        each += [{"match": {"node": name}, "clockOffsetSeconds": by} for name, by in sorted(self.offsets.items())]
        self._cluster.follow([*each, *self.images])

    async def _set_taints(self, node: str, key: str, taints: list[Json]) -> None:
        there = self.witness.nodes[node]["spec"].get("taints") or []
        kept = [one for one in there if one["key"] != key]
        await self._client.patch(NODES, node, {"spec": {"taints": [*kept, *taints]}})

    async def _make_node(self, name: str, labels: dict[str, str]) -> None:
        amounts = {"cpu": "4", "memory": "16Gi", "pods": "110"}
        body = {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": amounts, "capacity": amounts, "conditions": [self._condition()]},
        }
        await self._client.create(NODES, body)

    def _condition(self) -> Json:
        stamp = seconds_text(int(LoopClock.EPOCH + self._loop.time()))
        return {"type": "Ready", "status": "True", "lastTransitionTime": stamp, "lastHeartbeatTime": stamp}

    async def _work_as_kubelet(self) -> None:
        made = [name for name, node in self.witness.nodes.items() if not _simulated(node)]
        for name in made:
            await self._client.patch(NODES, name, {"status": {"conditions": [self._condition()]}}, subresource="status")
        for pod in list(self.witness.pods.values()):
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            if pod["spec"].get("nodeName") not in made or recount.terminal(pod):
                continue
            if recount.terminating(pod):
                await self._late(self._client.delete(PODS, name, namespace, grace_period_seconds=0))
            elif not recount.readiness(pod)[0]:
                status = {"phase": "Running", "conditions": [self._condition()]}
                await self._client.patch(PODS, name, {"status": status}, namespace, subresource="status")

    # Pods

    def delete_pod(self, pod: Json, grace: int | None = None) -> None:
        meta = pod["metadata"]
        self._do(self._late(self._client.delete(PODS, meta["name"], meta["namespace"], grace_period_seconds=grace)))

    def label_pod(self, pod: Json, app: str | None) -> None:
        self._do(
            self._late(self._client.patch(PODS, pod["metadata"]["name"], {"metadata": {"labels": {"app": app}}}, NS))
        )

    def fail_pod(self, pod: Json) -> None:
        """Somebody calls the pod failed, as a kubelet does that throws it out."""
        status = {"phase": "Failed", "reason": "Evicted", "conditions": [{**self._condition(), "status": "False"}]}
        self._do(
            self._late(self._client.patch(PODS, pod["metadata"]["name"], {"status": status}, NS, subresource="status"))
        )

    def bare_pod(self, name: str, node: str, *, cpu: str = "100m", port: int = 0, pinned: bool = True) -> None:
        """A pod that nobody manages."""
        spec = Template("good:1", cpu=cpu, port=port).body("bare")["spec"]
        if pinned:
            spec["nodeName"] = node
        body = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
        self._do(self._late(self._client.create(PODS, body, NS)))

    async def _late(self, call: Coroutine[Any, Any, None]) -> None:
        """A person's request; what it is about may be gone, or there, since this person looked."""
        try:
            await call
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    # The end

    def rest(self) -> None:
        """Mends all faults, waits until everything matches, and then for ten minutes in which nobody may write."""
        self._mend()
        waited, step = 0.0, 20.0
        while (wrong := self.mismatches()) and waited < LONGEST_RECOVERY:
            self._free_the_stranded()
            self.advance(step)
            waited += step
        if wrong:
            self.broken = True
            raise NotConverged(f"{waited:.0f} s after all was mended: " + "; ".join(wrong))
        # What goes on for a while by itself: Events are put together, back-offs are forgotten.
        self.advance(60)
        before = Counter(self._cluster.answered)
        self.advance(REST)
        asked = self._cluster.answered - before
        written = {what: count for what, count in asked.items() if what not in BY_THE_CLOCK and what[0] not in READS}
        if written:
            self.broken = True
            raise NotQuiet(f"in {REST:.0f} s at rest: {written}")
        if wrong := self.mismatches():
            self.broken = True
            raise NotConverged("at rest: " + "; ".join(wrong))

    def _mend(self) -> None:
        """Nothing is broken any more: images run, nodes are there and speak, nobody else takes room."""
        self.images, self.silent, self.offsets = [], set(), {}
        self.follow()
        for name, node in list(self.witness.nodes.items()):
            if not _simulated(node):
                self.delete_node(name)
        self.advance(1)
        for pod in list(self.witness.pods.values()):
            gone = pod["spec"].get("nodeName", "") not in ("", *self.witness.nodes)
            if gone or not recount.controller_of(pod):
                self._do(self._late(self._client.delete(PODS, pod["metadata"]["name"], NS, grace_period_seconds=0)))

    def _free_the_stranded(self) -> None:
        """Deletes pods that wait for a node which was tainted before they were bound: as in Kubernetes, for ever."""
        for ds in list(self.witness.daemon_sets.values()):
            for pod in self.witness.pods_of(ds):
                node = self.witness.nodes.get(recount.target(pod))
                if node is not None and not pod["spec"].get("nodeName") and not recount.should_run(ds, node):
                    self.delete_pod(pod)

    def mismatches(self) -> list[str]:
        """What is not as the DaemonSets ask; pods that an OnDelete update leaves alone may be old."""
        wrong = []
        for ds in self.witness.daemon_sets.values():
            name, said = ds["metadata"]["name"], ds.get("status") or {}
            if "deletionTimestamp" in ds["metadata"]:
                wrong.append(f"{name} is still being deleted")
                continue
            if said.get("observedGeneration") != ds["metadata"]["generation"]:
                wrong.append(f"{name}: its newest generation has not been observed")
            by_node: dict[str, list[Json]] = {}
            for pod in self.witness.pods_of(ds):
                by_node.setdefault(recount.target(pod), []).append(pod)
            # A pod of which no node can be told (one that was adopted) is left alone, as in Kubernetes.
            by_node.pop("", None)
            for node in sorted({*by_node, *self.witness.nodes}):
                wrong += (f"{name} on {node}: {why}" for why in self._mismatch(ds, node, by_node.get(node, [])))
        return wrong

    def _mismatch(self, ds: Json, name: str, pods: list[Json]) -> list[str]:
        node = self.witness.nodes.get(name)
        if node is None or not recount.may_stay(ds, node):
            return [f"has {len(pods)} pods and should have none"] if pods else []
        if recount.should_run(ds, node) and not pods:
            return ["lacks its pod"]
        if len(pods) > 1:
            return [f"has {len(pods)} pods"]
        if any(not recount.readiness(pod)[0] or recount.terminating(pod) for pod in pods):
            return ["its pod is not ready"]
        if recount.rolling(ds) is not None and not all(recount.current(ds, pod) for pod in pods):
            return ["its pod is old"]
        return []

    def revisions(self, name: str) -> list[Json]:
        uid = self.ds(name)["metadata"]["uid"]
        return [one for one in self.witness.revisions.values() if recount.controller_of(one) == uid]


def _simulated(node: Json) -> bool:
    return "everynode.dev/simulated" in (node["metadata"].get("labels") or {})
