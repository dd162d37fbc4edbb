"""What one event costs the DaemonSet's planner, in fleets of a hundred to a million nodes.

    python -m benchmarks.planner [--most 1000000]

Nothing but the pure core runs: a rolling update passes over part of the fleet, and each of its events (a pod terminates, is
gone, created, ready) is judged, tallied and planned for, one at a time, as if each came alone. Shown are the CPU that an event
costs, and how many nodes were examined for it; the last must not grow with the fleet at all. Each decision is noted in the
flight log; what that adds is shown too.
"""

from __future__ import annotations

import argparse
import gc
import time
import timeit
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from benchmarks.figures import tell
from everynode.controllers.daemonset.decisions import NodeFacts
from everynode.controllers.daemonset.flightlog import FlightLog
from everynode.controllers.daemonset.observe import HASH_LABEL, DaemonSet, Node, Pod
from everynode.controllers.daemonset.placement import Rules, judge
from everynode.controllers.daemonset.plan import Plan, Strategy, make_plan
from everynode.controllers.daemonset.tally import Tally
from everynode.fit.affinity import Requirements

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
ROLLED = 2_000  # nodes that the measured part of the update passes over
RULES = Rules("", Requirements({}, None), (), "new", 0, False)


def pod(hash: str, node: str, *, ready: bool = True, terminating: bool = False) -> Pod:
    meta: dict[str, Any] = {"name": f"{hash}-{node}", "uid": f"{hash}-{node}", "labels": {HASH_LABEL: hash}}
    if terminating:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return msgspec.convert({"metadata": meta, "spec": {"nodeName": node}, "status": status}, Pod)


class Fleet:
    """A fleet at the start of an update, with someone who plays its nodes.

    Each node the plan acts on goes through the life of an update: its old pod terminates, is gone, the new one is created and
    becomes ready. Each step is one event; after each the node is judged, tallied and planned for.
    """

    def __init__(self, size: int, strategy: Strategy) -> None:
        self.strategy = strategy
        self.tally = Tally()
        self.ds, self.rules = DaemonSet(), RULES
        self.log = FlightLog()
        self.coming: deque[tuple[str, tuple[Pod, ...]]] = deque()
        self.spent = self.noting = 0.0
        self.examined = 0
        self.events = 0
        self.node: Node = Node()
        self.pods: tuple[Pod, ...] = ()
        for number in range(size):
            name = f"node-{number:07}"
            self.tally.replace(judge(RULES, name, _node(name), [pod("old", name)], 0.0, ready_since={}))

    def roll(self, nodes: int) -> None:
        """Rolls about this many nodes, one event at a time."""
        self.carry_out(make_plan(self.tally, self.strategy))
        most = nodes * 4
        while self.coming and self.events < most:
            name, pods = self.coming.popleft()
            self.node, self.pods = _node(name), pods
            began = time.process_time()
            self.tally.replace(judge(RULES, name, self.node, pods, 0.0, ready_since={}))
            plan = make_plan(self.tally, self.strategy)
            planned = time.process_time()
            self.log.note(0.0, self, plan)
            self.noting += time.process_time() - planned
            self.spent += planned - began
            self.events += 1
            self.examined += 1 + len(plan.examined)
            self.carry_out(plan)

    def facts_of(self, nodes: Iterable[str], now: float) -> Iterable[NodeFacts]:
        return [NodeFacts(name, self.node, self.pods) for name in nodes]

    def carry_out(self, plan: Plan) -> None:
        for deletion in plan.deletions:
            name = deletion.node
            self.unsettle(name, deletion.pod)
            self.coming += ((name, (pod("old", name, terminating=True),)), (name, ()))
        for creation in plan.creations:
            name = creation.node
            self.unsettle(name)
            self.coming += ((name, (pod("new", name, ready=False),)), (name, (pod("new", name),)))

    def unsettle(self, name: str, *pods: Pod) -> None:
        """Something was written about the node; it is judged again, and that is part of the price."""
        node = _node(name)
        began = time.process_time()
        self.tally.replace(judge(RULES, name, node, pods, 0.0, ready_since={}, unsettled=True))
        self.spent += time.process_time() - began
        self.examined += 1


def _node(name: str) -> Node:
    return msgspec.convert({"metadata": {"name": name}}, Node)


def measure(size: int, max_unavailable: int | str) -> tuple[float, float, float]:
    """Microseconds and nodes examined for one event, and what noting the decisions adds to that, in percent."""
    fleet = Fleet(size, Strategy(True, max_unavailable, 0))
    gc.collect()
    gc.freeze()
    nodes = min(size, ROLLED)
    # A small fleet is over before the clock has noticed; roll several of them.
    rounds = [fleet, *(Fleet(size, fleet.strategy) for _ in range(max(0, ROLLED // size - 1)))]
    for one in rounds:
        one.roll(nodes)
    events = sum(one.events for one in rounds)
    spent = sum(one.spent for one in rounds)
    clock = timeit.timeit(time.process_time, number=100_000) / 100_000
    noting = 100 * (sum(one.noting for one in rounds) - events * clock) / (spent - events * clock)
    return spent / events * 1e6, sum(one.examined for one in rounds) / events, noting


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--most", type=int, default=100_000, help="the largest fleet, up to 1,000,000")
    most = arguments.parse_args().most
    for budget in (1, 50):
        sizes = [size for size in SIZES if size <= most]
        measured = [measure(size, budget) for size in sizes]
        for size, (microseconds, examined, noting) in zip(sizes, measured, strict=True):
            about = f"planner, {size:,} nodes, maxUnavailable {budget}"
            tell(f"{about}: an event", microseconds, "us")
            tell(f"{about}: nodes examined an event", examined, "nodes", 3.0)
            tell(f"{about}: noting its decisions adds", noting, "%", 10.0)
        times = [microseconds for microseconds, _, _ in measured]
        tell(f"planner, maxUnavailable {budget}: slowest / fastest size", max(times) / min(times), "ratio", 1.25)


if __name__ == "__main__":
    main()
