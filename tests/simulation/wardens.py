"""What must hold of a cluster beside its DaemonSets, one Warden a property.

A Warden is told of each write just before it is filed in the tables, and of each moment at which nothing has changed for a
while. As with the Witness, whatever happened at this very moment may not have been heard of yet.

- **Evictions.** The Eviction API ends a healthy pod only when enough others of its budget are healthy, as things stood within
  LAG; and a budget's status, once settled, is what a recount says.
- **Preemptions.** A pod gives way only to one of strictly higher priority, which is nominated for its node.
- **Rooms.** The scheduler binds a pod only where its CPU and its host ports are free.
- **Quotas.** No pod comes in beyond a quota; and a quota's status, once settled, is what a recount says.
- **Orphans.** Pods of a node that is gone are collected, soon but not at once, and no others are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from everynode.api.scheme import DAEMON_SETS, NODES, POD_DISRUPTION_BUDGETS, PODS, RESOURCE_QUOTAS
from tests.simulation import recount
from tests.simulation.recount import Json
from tests.simulation.violations import (
    Abandoned,
    BudgetExceeded,
    OutOfPlace,
    QuotaExceeded,
    Violation,
    WrongStatus,
    WrongVictim,
)

# Seconds by which a budget's status may be behind: it is written ten times a second, as is the DaemonSet's that it rests on.
LAG = 0.2
# Seconds for which a node must be missing before its pods go, and within which they must: Kubernetes looks every 20 s.
QUARANTINE, COLLECTED_WITHIN = 40.0, 61.0


@dataclass
class Tables:
    """What stands in the store, by kind, then by namespace and name."""

    nodes: dict[str, Json] = field(default_factory=dict)
    pods: dict[str, Json] = field(default_factory=dict)
    daemon_sets: dict[str, Json] = field(default_factory=dict)
    revisions: dict[str, Json] = field(default_factory=dict)
    budgets: dict[str, Json] = field(default_factory=dict)
    quotas: dict[str, Json] = field(default_factory=dict)


class Warden:
    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        """This is about to stand in the place of that."""
        return iter(())

    def passed(self, now: float) -> Iterator[Violation]:
        """Time has passed since the last write that it was told of."""
        return iter(())

    def settled(self, now: float, since: float) -> Iterator[Violation]:
        """It is now, and nothing has changed since; what rests on the time alone may be as of any moment between."""
        return iter(())

    def restarted(self, now: float) -> None:
        """All controllers have begun anew."""


class Evictions(Warden):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        # Of the last LAG seconds: how many healthy pods each budget asked for, and pods that were healthy, with when.
        self._asked: dict[str, dict[recount.Asked, float]] = {}
        self._were_healthy: list[tuple[float, Json]] = []

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        if prefix not in (PODS.prefix, DAEMON_SETS.prefix, POD_DISRUPTION_BUDGETS.prefix):
            return
        for name, budget in self.tables.budgets.items():
            self._asked.setdefault(name, {})[self._asks(budget)] = now
        if prefix != PODS.prefix or old is None or not recount.healthy(old):
            return
        if new is None or recount.terminating(new):
            if recount.condemned_by(new or old, "EvictionByEvictionAPI") and not recount.terminal(old):
                yield from self._judge(now, old)
            else:
                self._were_healthy.append((now, old))
        elif not recount.healthy(new) or old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._were_healthy.append((now, old))

    def _judge(self, now: float, pod: Json) -> Iterator[Violation]:
        self._were_healthy = [each for each in self._were_healthy if now - each[0] <= LAG]
        healthy = [each for each in self.tables.pods.values() if recount.healthy(each)]
        healthy += [each for _, each in self._were_healthy]
        for name, budget in self.tables.budgets.items():
            if not recount.guards(budget, pod):
                continue
            left = {recount.uid(each) for each in healthy if recount.guards(budget, each)} - {recount.uid(pod)}
            lately = {asked for asked, until in self._asked[name].items() if now - until <= LAG}
            least = min((asked[1] for asked in lately if asked is not None), default=None)
            if least is None or len(left) < least:
                why = f"{len(left)} are healthy without it, {least} must be"
                yield BudgetExceeded(f"{pod['metadata']['name']} is evicted at {now:.3f}: of {name} {why}")

    def settled(self, now: float, since: float) -> Iterator[Violation]:
        for name, budget in self.tables.budgets.items():
            told, asked = budget["status"], self._asks(budget)
            if told.get("observedGeneration") != budget["metadata"]["generation"]:
                if asked is not None:
                    yield WrongStatus(f"{name} at {now:.3f}: its newest generation has not been observed")
                continue
            recounted = recount.budget_status(budget, self.tables.pods.values(), asked)
            said = {each: told.get(each, 0) for each in recounted}
            if said != recounted:
                yield WrongStatus(f"{name} at {now:.3f}: {said}, recounted {recounted}")

    def _asks(self, budget: Json) -> recount.Asked:
        return recount.asked_by(budget, self.tables.pods.values(), self.tables.daemon_sets.values())


class Preemptions(Warden):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._nominated: list[tuple[float, Json]] = []

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        if prefix != PODS.prefix or old is None:
            return
        if recount.nomination(old):
            self._nominated = [each for each in self._nominated if each[0] == now] + [(now, old)]
        if new is None or recount.condemned_by(old, _PREEMPTED) or not recount.condemned_by(new, _PREEMPTED):
            return
        node = new["spec"]["nodeName"]
        rivals = [*self.tables.pods.values(), *(pod for since, pod in self._nominated if since == now)]
        priorities = [recount.priority(pod) for pod in rivals if recount.nomination(pod) == node]
        if max(priorities, default=recount.priority(new)) <= recount.priority(new):
            why = f"of priority {recount.priority(new)} gives way at {now:.3f} to {priorities or 'nobody'}"
            yield WrongVictim(f"{new['metadata']['name']} on {node} {why}")


_PREEMPTED = "PreemptionByScheduler"


class Rooms(Warden):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._pinned: dict[str, float] = {}  # pods that came with a node's name, with when

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        if prefix != PODS.prefix or new is None or not new["spec"].get("nodeName"):
            return
        if old is None:
            self._pinned[recount.uid(new)] = now
        elif not old["spec"].get("nodeName"):
            yield from self._judge(now, new)

    def _judge(self, now: float, pod: Json) -> Iterator[Violation]:
        name = pod["spec"]["nodeName"]
        node = self.tables.nodes.get(name)
        if node is None:
            return
        there = [
            each
            for each in self.tables.pods.values()
            if each["spec"].get("nodeName") == name
            and recount.live(each)
            and self._pinned.get(recount.uid(each)) != now
        ]
        what = f"{pod['metadata']['name']} is bound to {name} at {now:.3f}"
        free = recount.cpu_of(node) - sum(map(recount.cpu, there))
        if recount.cpu(pod) > free:
            yield OutOfPlace(f"{what} and wants {recount.cpu(pod)}m of CPU, where {free}m are left")
        if taken := recount.ports(pod).intersection(*[set().union(*map(recount.ports, there))]):
            yield OutOfPlace(f"{what}, where the ports {taken} are taken")


class Quotas(Warden):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._earlier: list[tuple[float, Json | None]] = []

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        if prefix == RESOURCE_QUOTAS.prefix:
            self._earlier.append((now, old))
        if prefix != PODS.prefix or old is not None or new is None:
            return
        self._earlier = [each for each in self._earlier if each[0] == now]
        versions = [*self.tables.quotas.values(), *(quota for _, quota in self._earlier)] if self.tables.quotas else []
        used = recount.quota_used([*self.tables.pods.values(), new], now)
        if versions and not any(quota is None or recount.within(used, quota) for quota in versions):
            allowed = [quota["spec"]["hard"] for quota in versions if quota is not None]
            yield QuotaExceeded(f"{new['metadata']['name']} comes in at {now:.3f}: {used} used, {allowed} allowed")

    def settled(self, now: float, since: float) -> Iterator[Violation]:
        for name, quota in self.tables.quotas.items():
            hard, told = quota["spec"]["hard"], quota.get("status") or {}
            recounts = [recount.quota_used(self.tables.pods.values(), when) for when in (since, now)]
            wanted = [{each: used[each] for each in hard} for used in recounts]
            said = {each: recount.amount(each, value) for each, value in (told.get("used") or {}).items()}
            if told.get("hard") != hard or said not in wanted:
                yield WrongStatus(f"{name} at {now:.3f}: {told}, recounted {wanted[-1]} of {hard}")


class Orphans(Warden):
    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._since: dict[str, float] = {}  # pods of nodes that are gone, by uid, with when that came to be
        # By node: when it may have been found missing, and when it came. As in Kubernetes the quarantine runs from the first
        # time on, though the node may have been back meanwhile.
        self._missing: dict[str, list[float]] = {}
        self._came: dict[str, float] = {}
        self.collected: set[str] = set()

    def write(self, now: float, prefix: str, old: Json | None, new: Json | None) -> Iterator[Violation]:
        if prefix == NODES.prefix and old is None and new is not None:
            name = new["metadata"]["name"]
            self._came[name] = now
            for uid in [recount.uid(pod) for pod in self._pods_of(name)]:
                self._since.pop(uid, None)
        elif prefix == NODES.prefix and old is not None and new is None:
            name = old["metadata"]["name"]
            self._missing.setdefault(name, []).append(now)
            for pod in self._pods_of(name):
                self._since[recount.uid(pod)] = now
        elif prefix == PODS.prefix and old is not None and new is None:
            self._since.pop(recount.uid(old), None)
        elif prefix == PODS.prefix and new is not None and recount.uid(new) not in self._since:
            node = new["spec"].get("nodeName")
            if node and node not in self.tables.nodes:
                self._is_abandoned(new, now)
        return iter(())

    def passed(self, now: float) -> Iterator[Violation]:
        for pod in self.tables.pods.values():
            since = self._since.get(recount.uid(pod), now)
            if now - since > COLLECTED_WITHIN:
                yield Abandoned(f"{pod['metadata']['name']} stands at {now:.3f}, its node is gone since {since:.3f}")

    def restarted(self, now: float) -> None:
        self._missing.clear()
        for pod in self.tables.pods.values():
            if recount.uid(pod) in self._since:
                self._is_abandoned(pod, now)

    def collects(self, now: float, pod: Json) -> Violation | None:
        """The pod garbage collector is about to end this pod."""
        self.collected.add(recount.uid(pod))
        node, what = pod["spec"].get("nodeName"), f"{pod['metadata']['name']} is collected at {now:.3f}"
        if not node:
            return None if recount.terminating(pod) else OutOfPlace(f"{what}, though it may yet come to a node")
        if node in self.tables.nodes:
            return None if self._came[node] == now else OutOfPlace(f"{what}, though its node is there")
        missing = self._missing.get(node, [])
        if any(QUARANTINE <= now - since <= COLLECTED_WITHIN for since in missing):
            return None
        return OutOfPlace(f"{what}, though its node is missing only since {missing}")

    def _pods_of(self, node: str) -> Iterator[Json]:
        return (pod for pod in self.tables.pods.values() if pod["spec"].get("nodeName") == node)

    def _is_abandoned(self, pod: Json, now: float) -> None:
        self._since[recount.uid(pod)] = now
        self._missing.setdefault(pod["spec"]["nodeName"], []).append(now)
