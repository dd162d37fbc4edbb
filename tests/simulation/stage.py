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
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from everynode.agent import rules
from everynode.api.scheme import (
    DAEMON_SETS,
    EVICTION,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    Resource,
)
from everynode.api.status import ApiError
from everynode.apiserver.facets import facets
from everynode.assemble.cluster import Cluster
from everynode.assemble.config import Config
from everynode.controllers.daemonset.decisions import Recording, replay
from everynode.store.contract import Store
from everynode.store.local import LocalStore
from everynode.values.timestamps import seconds_text
from tests.simulation import recount
from tests.simulation.medium import Disk, Medium, Memory
from tests.simulation.recount import MARK, Json
from tests.simulation.violations import Abandoned, DecidedOtherwise, NotConverged, NotQuiet
from tests.simulation.witness import Witness
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
# Events that the store remembers: few, so that a file forgets what is older.
HISTORY = 200
PRIORITIES = {"low": -10, "mid": 100, "high": 1000}  # beside 0, which all others have
BUDGET, QUOTA = "guard", "bounds"

IMAGES: list[Json] = [
    {"match": {"image": "slow:*"}, "readySeconds": 7, "stopSeconds": 3},
    {"match": {"image": "crash:*"}, "crashLoopBackOff": True, "exitAfterSeconds": 2},
    {"match": {"image": "never:*"}, "neverReady": True},
    {"match": {"image": "missing:*"}, "imagePullBackOff": True},
]
ON_DELETE: Json = {"type": "OnDelete"}


@dataclasses.dataclass(frozen=True)
class Template:
    """What is variable in a pod template; equal values are equal templates."""

    image: str = "good:1"
    zone: str = ""
    tolerates: bool = False
    cpu: str = "100m"
    port: int = 0
    priority: str = ""

    def body(self, app: str) -> Json:
        ports = [{"containerPort": self.port, "hostPort": self.port}] if self.port else []
        container = {"name": "c", "image": self.image, "resources": {"requests": {"cpu": self.cpu}}, "ports": ports}
        spec: Json = {"containers": [container]}
        if self.zone:
            spec["nodeSelector"] = {ZONE: self.zone}
        if self.priority:
            spec["priorityClassName"] = self.priority
        if self.tolerates:
            spec["tolerations"] = [{"key": "t", "operator": "Exists"}]
        return {"metadata": {"labels": {"app": app}, "annotations": {MARK: str(self)}}, "spec": spec}


def rolling(max_unavailable: int | str = 1, max_surge: int | str = 0) -> Json:
    """An updateStrategy."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": max_unavailable, "maxSurge": max_surge}}


class WitnessedCluster(Cluster):
    """A cluster with the Witness over its journal, whose parts speak to the API through the Witness."""

    def __init__(self, witness: Witness, medium: Medium, nodes: int, seed: int) -> None:
        super().__init__(Config(store="memory", nodes=nodes), clock=LoopClock(), dice=random.Random(seed))
        self.witness = witness
        self._medium = medium

    @property
    def api(self) -> Any:
        return self.witness.before(super().api)

    @property
    def answered(self) -> Counter[tuple[str, str, int]]:
        return super().api.answered

    def _open(self) -> Store:
        self.witness.journal = self._medium.open()
        return LocalStore(self.witness, facets, history_events=HISTORY)

    def follow(self, book: Any) -> None:
        """From now on the simulated nodes go by these rules."""
        assert self._fleet is not None
        self._fleet._book.current = rules.of({"rules": book})
        self._fleet._book.changed()


class Stage:
    """See the module. `broken` once anything was raised."""

    def __init__(self, nodes: int = 4, seed: int = 1, *, durable: bool = False) -> None:
        self._loop = VirtualLoop()
        self._medium: Medium = Disk() if durable else Memory()
        asyncio.set_event_loop(None)
        self._size, self._seed = nodes, seed
        self.witness = Witness(lambda: LoopClock.EPOCH + self._loop.time())
        self.silent: set[str] = set()
        self.offsets: dict[str, float] = {}
        self.images = IMAGES
        self._abandoned: set[str] = set()
        self.broken = False
        self._do(self._enter())
        for name, value in PRIORITIES.items():
            self._create(PRIORITY_CLASSES, name, value=value)

    # Time

    def advance(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    def restart(self, down: float = 0.0, *, crash: bool = False) -> None:
        """The whole control plane ends wherever it is, and begins anew on what is stored: at the end, or now if it crashes."""
        self._decide_again()
        self._do(self._restart(down, crash))

    def close(self) -> None:
        self._loop.run_until_complete(self._leave())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._medium.discard()

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
        self._cluster = WitnessedCluster(self.witness, self._medium, self._size, self._seed)
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

    async def _restart(self, down: float, crash: bool) -> None:
        self.witness.down = True
        if crash:
            self._medium, self.witness.deaf = self._medium.cut_off(), True
        await self._leave()
        await asyncio.sleep(down)
        self._seed += 1
        self.witness.restarted()
        self.witness.down = self.witness.deaf = False
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
        spec = {
            "selector": {"matchLabels": {"app": app or name}},
            "updateStrategy": strategy or rolling(),
            "minReadySeconds": min_ready,
            "revisionHistoryLimit": history,
            "template": template.body(app or name),
        }
        self._create(DAEMON_SETS, name, spec=spec)

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

    def bare_pod(
        self, name: str, node: str, *, cpu: str = "100m", port: int = 0, priority: str = "", pinned: bool = True
    ) -> None:
        """A pod that nobody manages; it comes in if the quota lets it."""
        spec = Template("good:1", cpu=cpu, port=port, priority=priority).body("bare")["spec"]
        if pinned:
            spec["nodeName"] = node
        labels = {"app": "bare"}
        self._do(self._late(self._client.create(PODS, _object(PODS, name, labels, spec=spec), NS), 403))

    # What guards pods, and what bounds them

    def guard(self, app: str, **spec: Any) -> None:
        """From now on evictions of the app's pods go by this budget, which takes the place of the one before."""
        self._put(POD_DISRUPTION_BUDGETS, BUDGET, {"selector": {"matchLabels": {"app": app}}, **spec})

    def unguard(self) -> None:
        self._do(self._late(self._client.delete(POD_DISRUPTION_BUDGETS, BUDGET, NS)))

    def evict(self, pods: Sequence[Json], grace: int | None = None) -> None:
        """Asks for all of them at the same time, as a drain does; a budget may refuse."""
        self._do(self._evict(pods, grace))

    async def _evict(self, pods: Sequence[Json], grace: int | None) -> None:
        options = {} if grace is None else {"deleteOptions": {"gracePeriodSeconds": grace}}
        calls = []
        for name in (pod["metadata"]["name"] for pod in pods):
            body = {
                "kind": EVICTION.kind,
                "apiVersion": EVICTION.api_version,
                "metadata": {"name": name, "namespace": NS},
                **options,
            }
            calls.append(self._late(self._client.create_sub(PODS, name, "eviction", body, NS), 429))
        await asyncio.gather(*calls)

    def bound(self, **hard: str) -> None:
        """From now on the namespace has this quota and no other: `pods`, `cpu` (what is requested)."""
        names = {"pods": "pods", "cpu": "requests.cpu"}
        self._put(RESOURCE_QUOTAS, QUOTA, {"hard": {names[name]: amount for name, amount in hard.items()}})

    def unbound(self) -> None:
        self._do(self._late(self._client.delete(RESOURCE_QUOTAS, QUOTA, NS)))

    # A person's requests

    def _create(self, resource: Resource, name: str, **fields: Any) -> None:
        namespace = NS if resource.namespaced else ""
        self._do(self._late(self._client.create(resource, _object(resource, name, **fields), namespace)))

    def _put(self, resource: Resource, name: str, spec: Json) -> None:
        """Creates it, or gives it this spec."""
        self._create(resource, name, spec=spec)
        put = {"op": "replace", "path": "/spec", "value": spec}
        self._do(self._late(self._client.patch(resource, name, [put], NS, kind="json")))

    async def _late(self, call: Coroutine[Any, Any, None], *refusals: int) -> None:
        """What it is about may be gone, or there, since this person looked; it may also be refused in these ways."""
        try:
            await call
        except ApiError as error:
            if error.code not in (404, 409, *refusals):
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
        # What goes on for a while by itself: Events are put together, back-offs and granted evictions are forgotten.
        self.advance(130)
        if left := self._abandoned - self.witness.orphans.collected:
            self.broken = True
            raise Abandoned(f"pods of nodes that are gone went, and not by the pod garbage collector: {sorted(left)}")
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
        self._decide_again()

    def _decide_again(self) -> None:
        """Every decision that is still written down."""
        for key in self.witness.daemon_sets:
            told = self._cluster.daemon_sets.decisions(key)
            if told is None:
                continue
            recording = msgspec.json.decode(told, type=Recording)
            for decision in recording.decisions:
                if otherwise := replay(recording, decision):
                    self.broken = True
                    raise DecidedOtherwise(f"{key}, decision {decision.number}: " + "; ".join(otherwise))

    def _mend(self) -> None:
        """Nothing is broken any more: images run, nodes are there and speak, nobody else takes room, which no quota bounds.

        Pods of nodes that are gone are left as they are: it is not for a person to clear them away."""
        self.images, self.silent, self.offsets = [], set(), {}
        self.follow()
        self.bound(pods="1000", cpu="1000")
        for ds in list(self.witness.daemon_sets.values()):
            # Two pods that want the same port are never beside each other on one node, here as in Kubernetes.
            if recount.surges(ds) and recount.ports(ds["spec"]["template"]):
                self.roll(ds["metadata"]["name"], "good:1")
        for name, node in list(self.witness.nodes.items()):
            if not _simulated(node):
                self.delete_node(name)
        self.advance(1)
        nodes, self._abandoned = ("", *self.witness.nodes), set()
        for pod in list(self.witness.pods.values()):
            if pod["spec"].get("nodeName", "") not in nodes:
                if not recount.terminal(pod):
                    self._abandoned.add(recount.uid(pod))
            elif not (recount.controller_of(pod) and recount.mark_of(pod)):
                # Nobody's, or made by nobody and adopted since: it may be larger than a node has room for.
                self.delete_pod(pod, 0)

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


def _object(resource: Resource, name: str, labels: Mapping[str, str] = {}, **fields: Any) -> Json:
    metadata = {"name": name, "labels": dict(labels)}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata, **fields}
