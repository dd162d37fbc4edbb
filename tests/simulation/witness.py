"""Sees every write of a cluster at the moment it becomes durable, and every pod that the DaemonSet controller makes or ends.

It stands in two places: over the store's journal (so a cluster may be left and entered again on the same data), and
before the API as a handler. What it holds true:

- **Budget.** The controller ends an available, only pod of a node that should run one for an update alone, and then no more
  than maxUnavailable nodes are without an available pod, that one included. With surge another pod must serve the node.
- **Places.** It makes a pod only on a node that should run one, and only when there is no live pod of the DaemonSet there; with
  surge beside one old pod, on at most maxSurge nodes.
- **Status.** Whenever nothing has changed for SETTLED seconds, the status of every DaemonSet is what a recount says.
- **Durability.** What a new cluster is given of its journal is what stood in the store, all of it and nothing else.
- And what the wardens hold true of everything beside DaemonSets.

*What the controller could know.* While there is work virtual time stands still, so whatever happened at this very moment may
not have been heard of yet: a pod that was available at any time of this moment counts as available (unless the controller
itself ended it), and of specs and nodes that changed at this moment any version will do. Nothing older than that is forgiven.

The first violation is kept; `check` raises it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from everynode.api.scheme import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    EVENTS,
    LEASES,
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    RESOURCE_QUOTAS,
)
from everynode.store.contract import Event
from everynode.store.journal import Journal, Record
from everynode.wire.message import Handler, Request, Response
from tests.simulation import recount
from tests.simulation.recount import Json
from tests.simulation.violations import BudgetExceeded, Lost, OutOfPlace, Violation, WrongStatus
from tests.simulation.wardens import Evictions, Orphans, Preemptions, Quotas, Rooms, Tables

CONTROLLER = "system:serviceaccount:kube-system:daemon-set-controller"
COLLECTOR = "system:serviceaccount:kube-system:pod-garbage-collector"
# Seconds after which a status must be right: three times the pause between two writes of it.
SETTLED = 0.3


class Witness:
    """What stands in the store, as JSON, and what the controller is doing to it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.tables = tables = Tables()
        self.nodes, self.pods = tables.nodes, tables.pods
        self.daemon_sets, self.revisions = tables.daemon_sets, tables.revisions
        self.orphans = Orphans(tables)
        self._wardens = (Evictions(tables), Preemptions(tables), Rooms(tables), Quotas(tables), self.orphans)
        self.writes = 0  # all but Leases and Events
        self.violations: list[Violation] = []
        self.down = False
        self.deaf = False  # what is written now is lost
        self.journal: Journal
        self._tables = {
            NODES.prefix: tables.nodes,
            PODS.prefix: tables.pods,
            DAEMON_SETS.prefix: tables.daemon_sets,
            CONTROLLER_REVISIONS.prefix: tables.revisions,
            POD_DISRUPTION_BUDGETS.prefix: tables.budgets,
            RESOURCE_QUOTAS.prefix: tables.quotas,
        }
        self._since: dict[str, tuple[float, float]] = {}  # by uid: ready since, at the earliest and at the latest
        self._changed = 0.0
        # Pods that the controller has asked to be deleted, and those it is making, by (DaemonSet, node).
        self._ended: set[str] = set()
        self._making: Counter[tuple[str, str]] = Counter()
        # Of this moment
        self._moment = 0.0
        self._was_available: dict[tuple[str, str], set[str]] = {}
        self._newcomers: set[str] = set()
        self._earlier_specs: dict[str, list[Json]] = {}
        self._earlier_nodes: list[dict[str, Json]] = []

    def check(self) -> None:
        """Raises the first violation there was."""
        self._arrive()
        if self.violations:
            raise self.violations[0]

    def restarted(self) -> None:
        """The controller knows nothing any more but what stands in the store."""
        self._arrive()
        self._ended.clear()
        self._making.clear()
        for pod in self.pods.values():
            self._found(pod)
        for warden in self._wardens:
            warden.restarted(self._now())
        self._changed = self._now()

    # As a journal, over the one that keeps what is written

    @property
    def floor(self) -> int:
        return self.journal.floor

    def load(self) -> Iterator[Record]:
        standing: dict[str, bytes] = {}
        for record in self.journal.load():
            if record.value is None:
                standing.pop(record.key, None)
            else:
                standing[record.key] = record.value
            yield record
        for prefix, table in self._tables.items():
            there = {
                key.removeprefix(prefix): msgspec.json.decode(value)
                for key, value in standing.items()
                if key.startswith(prefix)
            }
            if there != table:
                names = sorted(name for name in {*there, *table} if there.get(name) != table.get(name))
                self.violations.append(Lost(f"of {prefix} not as it was before: {names}"))

    def commit(self, events: Sequence[Event]) -> None:
        self.journal.commit(events)
        if self.deaf:
            return
        for event in events:
            if not event.key.startswith((LEASES.prefix, EVENTS.prefix)):
                self._arrive()
                self._written(event.key, None if event.after is None else event.after.value)
                self._changed = self._now()
                self.writes += 1

    def has_room(self) -> bool:
        return self.journal.has_room()

    def forget(self, left: Sequence[Event]) -> None:
        self.journal.forget(left)

    def close(self) -> None:
        self.journal.close()

    def _written(self, key: str, value: bytes | None) -> None:
        prefix = next((one for one in self._tables if key.startswith(one)), "")
        if not prefix:
            return
        table, name = self._tables[prefix], key.removeprefix(prefix)
        old, new = table.get(name), None if value is None else msgspec.json.decode(value)
        for warden in self._wardens:
            self.violations.extend(warden.write(self._now(), prefix, old, new))
        if prefix == PODS.prefix:
            self._pod_changes(old, new)
        elif prefix == NODES.prefix:
            self._node_changes(old, new)
        elif prefix == DAEMON_SETS.prefix:
            self._spec_changes(old, new)
        if new is None:
            table.pop(name, None)
        else:
            table[name] = new

    def _pod_changes(self, old: Json | None, new: Json | None) -> None:
        if old is not None:
            ds = self._owner(old)
            uid = old["metadata"]["uid"]
            if ds is not None and self._maybe_available(ds, old):
                place = (ds["metadata"]["uid"], recount.target(old))
                self._was_available.setdefault(place, set()).add(uid)
            if new is None or new["metadata"]["uid"] != uid:
                self._since.pop(uid, None)
                self._ended.discard(uid)
        if new is None:
            return
        uid, (ready, stamp) = new["metadata"]["uid"], recount.readiness(new)
        before = recount.readiness(old) if old is not None and old["metadata"]["uid"] == uid else None
        if not ready:
            self._since.pop(uid, None)
        elif before is not None and before != (True, stamp):
            self._since[uid] = (self._now(), self._now())
        if old is not None and _belonging(old) != _belonging(new):
            self._newcomers.add(uid)
            self._found(new)
        elif before is None:
            self._found(new)

    def _node_changes(self, old: Json | None, new: Json | None) -> None:
        if old is None or new is None or _placing(old) != _placing(new):
            self._earlier_nodes.append(dict(self.nodes))

    def _spec_changes(self, old: Json | None, new: Json | None) -> None:
        if old is None or new is None or old["metadata"]["uid"] != new["metadata"]["uid"]:
            return
        if old["metadata"]["generation"] != new["metadata"]["generation"] or "deletionTimestamp" in new["metadata"]:
            self._earlier_specs.setdefault(old["metadata"]["uid"], []).append(old)
        if old["spec"].get("minReadySeconds") != new["spec"].get("minReadySeconds"):
            for pod in self.pods_of(new):
                self._found(pod)

    def _found(self, pod: Json) -> None:
        """The controller may just have found this pod ready: since its own time, but never since later than now."""
        ready, stamp = recount.readiness(pod)
        if ready:
            uid = pod["metadata"]["uid"]
            since = min(self._now(), recount.moment(stamp, self._now()))
            earliest, latest = self._since.get(uid, (since, since))
            self._since[uid] = (min(earliest, since), max(latest, since))

    def _arrive(self) -> None:
        """Time may have passed since the last look."""
        now = self._now()
        if now != self._moment:
            if not self.down:
                for warden in self._wardens:
                    self.violations.extend(warden.passed(now))
                if now - self._changed >= SETTLED:
                    self._judge_statuses(now)
                    for warden in self._wardens:
                        self.violations.extend(warden.settled(now, now - SETTLED))
            self._moment = now
            self._was_available.clear()
            self._newcomers.clear()
            self._earlier_specs.clear()
            self._earlier_nodes.clear()

    # As a handler

    def before(self, api: Handler) -> Handler:
        """The same API, with the witness listening."""

        async def heard(request: Request) -> Response:
            name = request.peer.name if request.peer is not None else ""
            if name not in (CONTROLLER, COLLECTOR) or "/pods" not in request.path:
                return await api(request)
            self._arrive()
            if name == COLLECTOR:
                self._collection(request)
                return await api(request)
            if request.method == "DELETE":
                return await self._deletion(api, request)
            if request.method == "POST":
                return await self._creation(api, request)
            return await api(request)

        return heard

    def _collection(self, request: Request) -> None:
        _, _, namespace, _, name = request.path.rsplit("/", 4)
        pod = self.pods.get(f"{namespace}/{name}") if request.method == "DELETE" else None
        violation = self.orphans.collects(self._now(), pod) if pod is not None else None
        if violation is not None:
            self.violations.append(violation)

    async def _deletion(self, api: Handler, request: Request) -> Response:
        _, _, namespace, _, name = request.path.rsplit("/", 4)
        pod = self.pods.get(f"{namespace}/{name}")
        wanted = (msgspec.json.decode(request.body or b"{}").get("preconditions") or {}).get("uid")
        if pod is None or wanted not in (None, pod["metadata"]["uid"]):
            return await api(request)
        uid = pod["metadata"]["uid"]
        violation = self._judge_deletion(pod)
        self._ended.add(uid)
        response = await api(request)
        if response.status >= 400:
            self._ended.discard(uid)
        elif violation is not None:
            self.violations.append(violation)
        return response

    async def _creation(self, api: Handler, request: Request) -> Response:
        pod = msgspec.json.decode(request.body)
        violation = self._judge_creation(pod)
        place = (recount.controller_of(pod), recount.target(pod))
        self._making[place] += 1
        try:
            response = await api(request)
        finally:
            self._making[place] -= 1
        if response.status < 400 and violation is not None:
            self.violations.append(violation)
        return response

    # What is known

    def pods_of(self, ds: Json) -> list[Json]:
        return [pod for pod in self.pods.values() if recount.owned_by(ds, pod)]

    def hash_of(self, ds: Json) -> str:
        """The hash of the newest revision, "" while there is none."""
        own = [one for one in self.revisions.values() if recount.controller_of(one) == ds["metadata"]["uid"]]
        newest = max(own, key=lambda one: one["revision"], default=None)
        return "" if newest is None else str(newest["metadata"]["labels"]["controller-revision-hash"])

    def _owner(self, pod: Json) -> Json | None:
        uid = recount.controller_of(pod)
        return next((ds for ds in self.daemon_sets.values() if ds["metadata"]["uid"] == uid), None)

    def _on(self, ds: Json, node: str) -> list[Json]:
        return [pod for pod in self.pods_of(ds) if recount.target(pod) == node]

    def _specs(self, ds: Json) -> list[Json]:
        """What the DaemonSet asks, and asked earlier at this moment."""
        return [ds, *self._earlier_specs.get(ds["metadata"]["uid"], ())]

    def _serves(self, pod: Json) -> bool:
        return not (recount.terminating(pod) or recount.terminal(pod) or pod["metadata"]["uid"] in self._ended)

    def _ready_for(self, pod: Json, seconds: int, moment: float, *, at_least: bool) -> bool:
        since = self._since.get(pod["metadata"]["uid"])
        if since is None or not recount.readiness(pod)[0]:
            return False
        return seconds <= 0 or since[at_least] + seconds <= moment

    def _maybe_available(self, ds: Json, pod: Json) -> bool:
        seconds = min(spec["spec"].get("minReadySeconds", 0) for spec in self._specs(ds))
        return self._serves(pod) and self._ready_for(pod, seconds, self._now(), at_least=False)

    def _surely_available(self, ds: Json, pod: Json) -> bool:
        seconds = max(spec["spec"].get("minReadySeconds", 0) for spec in self._specs(ds))
        return self._serves(pod) and self._ready_for(pod, seconds, self._now(), at_least=True)

    def _was_surely_available(self, ds: Json, pod: Json) -> bool:
        """The same, and not only since this moment."""
        return self._surely_available(ds, pod) and self._since[recount.uid(pod)][1] < self._now()

    def _served(self, ds: Json, without: str = "") -> set[str]:
        """Nodes that have, or had at this moment, an available pod that the controller has not ended."""
        nodes = {
            recount.target(pod)
            for pod in self.pods_of(ds)
            if self._maybe_available(ds, pod) and recount.uid(pod) != without
        }
        for (owner, node), uids in self._was_available.items():
            if owner == ds["metadata"]["uid"] and uids - self._ended - {without}:
                nodes.add(node)
        return nodes

    def _desired(self, ds: Json) -> Iterator[tuple[Json, set[str]]]:
        """Every version of the spec with the nodes that should run a pod, for every version of the nodes."""
        for spec in self._specs(ds):
            for nodes in (self.nodes, *self._earlier_nodes):
                yield spec, {name for name, node in nodes.items() if recount.should_run(spec, node)}

    # Judging

    def _judge_deletion(self, pod: Json) -> Violation | None:
        ds, node = self._owner(pod), recount.target(pod)
        if ds is None or not self._surely_available(ds, pod):
            return None
        if not all(node in desired for _, desired in self._desired(ds)):
            return None
        others = [one for one in self._on(ds, node) if self._serves(one) and recount.uid(one) != recount.uid(pod)]
        specs = self._specs(ds)
        what = f"{ds['metadata']['name']}: {pod['metadata']['name']} on {node} is deleted at {self._moment:.3f}"
        surging = [spec for spec in specs if recount.surges(spec)]
        if surging and others:
            alike = any(recount.current(spec, one) == recount.current(spec, pod) for spec in specs for one in others)
            if len(others) > 1 or alike or node in self._served(ds, recount.uid(pod)):
                return None
            return BudgetExceeded(f"{what}, though nothing else serves its node")
        if others:
            return None
        if all(recount.current(spec, pod) for spec in specs):
            return BudgetExceeded(f"{what}, though it is new and available")
        served = self._served(ds, recount.uid(pod))
        counts = []
        for spec, desired in self._desired(ds):
            budget = 0 if recount.surges(spec) else recount.max_unavailable(spec, len(desired))
            unavailable = len(desired - served)
            if unavailable <= budget:
                return None
            counts.append(f"{unavailable} of {len(desired)} nodes without an available pod, {budget} allowed")
        return BudgetExceeded(f"{what}: {'; '.join(counts)}")

    def _judge_creation(self, pod: Json) -> Violation | None:
        uid, node = recount.controller_of(pod), recount.target(pod)
        ds = next((one for one in self.daemon_sets.values() if one["metadata"]["uid"] == uid), None)
        if ds is None:
            return None
        what = f"{ds['metadata']['name']}: a pod is created for {node} at {self._moment:.3f}"
        specs = self._specs(ds)
        if all("deletionTimestamp" in spec["metadata"] for spec in specs):
            return OutOfPlace(f"{what}, though the DaemonSet is being deleted")
        if not any(node in desired for _, desired in self._desired(ds)):
            return OutOfPlace(f"{what}, which should have none")
        if self._making[uid, node]:
            return OutOfPlace(f"{what}, for which one is being created")
        here = [
            one for one in self._on(ds, node) if not recount.terminal(one) and recount.uid(one) not in self._newcomers
        ]
        if not any(recount.surges(spec) for spec in specs):
            return OutOfPlace(f"{what} beside {_names(here)}") if here else None
        here = [one for one in here if not recount.terminating(one)]
        if len(here) > 1 or any(all(recount.current(spec, one) for spec in specs) for one in here):
            return OutOfPlace(f"{what} beside {_names(here)}")
        if here and self._surely_available(ds, here[0]):
            return self._judge_surge(ds, node, what)
        return None

    def _judge_surge(self, ds: Json, node: str, what: str) -> Violation | None:
        """The budget of a surge, this node included: nodes whose old pod serves and whose new one is not available yet."""
        surging = {node}
        for name in self.nodes:
            pods = [one for one in self._on(ds, name) if self._serves(one)]
            new = [one for one in pods if recount.current(ds, one)]
            # One that has become available at this moment may still have been replaced as one that is not.
            old = [one for one in pods if not recount.current(ds, one) and self._was_surely_available(ds, one)]
            waits = bool(new) and not any(self._maybe_available(ds, one) for one in new)
            if old and (waits or self._making[ds["metadata"]["uid"], name]):
                surging.add(name)
        budgets = [recount.max_surge(spec, len(desired)) for spec, desired in self._desired(ds)]
        if len(surging) <= max(budgets):
            return None
        return BudgetExceeded(f"{what}: {len(surging)} nodes have one more pod, {max(budgets)} allowed")

    def _judge_statuses(self, now: float) -> None:
        for ds in self.daemon_sets.values():
            said, meta = ds.get("status") or {}, ds["metadata"]
            if "deletionTimestamp" in meta or said.get("observedGeneration") != meta["generation"]:
                continue
            seconds = ds["spec"].get("minReadySeconds", 0)

            def at_least(_: Json, pod: Json, seconds: int = seconds) -> bool:
                return self._ready_for(pod, seconds, now - SETTLED, at_least=True)

            def at_most(_: Json, pod: Json, seconds: int = seconds) -> bool:
                return self._ready_for(pod, seconds, now, at_least=False)

            hash, pods = self.hash_of(ds), self.pods.values()
            least = recount.status(ds, self.nodes, pods, hash, at_least)
            most = recount.status(ds, self.nodes, pods, hash, at_most)
            if any(not _between(least[field], said.get(field, 0), most[field]) for field in least):
                told = {field: said.get(field, 0) for field in least}
                why = f"{meta['name']} at {now:.3f}, settled since {self._changed:.3f}: {told}, recounted {least}"
                self.violations.append(WrongStatus(why))


def _between(one: int, number: int, other: int) -> bool:
    return min(one, other) <= number <= max(one, other)


def _names(pods: Sequence[Json]) -> str:
    return ", ".join(pod["metadata"]["name"] for pod in pods)


def _belonging(pod: Json) -> tuple[str, Mapping[str, Any]]:
    return recount.controller_of(pod), pod["metadata"].get("labels") or {}


def _placing(node: Json) -> tuple[Any, Any]:
    return node["metadata"].get("labels"), node["spec"].get("taints")
