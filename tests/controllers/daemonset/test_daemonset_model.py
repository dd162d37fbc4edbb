"""A fleet in a few lines, and anything may happen to it: what must hold whatever happens.

The model plays API, scheduler and kubelets at once. Pods start, become ready, fail, and take their time to end; nodes are
tainted; the template changes. After each event the controller's core judges, plans, and the plan is carried out. Above all two
things must hold: *an update never takes an available pod beyond its budget*, and *when nothing more happens the fleet comes to
match the DaemonSet and stays so*.
"""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from everynode.controllers.daemonset.observe import HASH_LABEL, Node, Pod
from everynode.controllers.daemonset.placement import Cause, Rules, judge
from everynode.controllers.daemonset.plan import Plan, Strategy, make_plan
from everynode.controllers.daemonset.tally import Tally
from tests.controllers.daemonset.daemon_facts import node, pod, rules

TAINTS: tuple[tuple[tuple[str, str], ...], ...] = ((), (("t", "NoSchedule"),), (("t", "NoExecute"),))


class Fleet:
    """Nodes and the pods on them. `slow`: writes are noticed only at the next event (the node is unsettled until then)."""

    def __init__(self, size: int, strategy: Strategy) -> None:
        self.nodes: dict[str, Node] = {f"n{number}": node(f"n{number}") for number in range(size)}
        self.pods: dict[str, Pod] = {}
        self.strategy = strategy
        self.template = 1
        self.tally = Tally()
        self.unsettled: set[str] = set()
        self._names = (f"p{number:04}" for number in itertools.count())

    @property
    def rules(self) -> Rules:
        return msgspec.structs.replace(rules(surge=self.strategy.surge), hash=f"h{self.template}")

    def on(self, name: str) -> list[Pod]:
        return [one for one in self.pods.values() if one.target == name]

    def look(self) -> None:
        asked = self.rules
        for name, where in self.nodes.items():
            unsettled = name in self.unsettled
            self.tally.replace(judge(asked, name, where, self.on(name), 0, ready_since={}, unsettled=unsettled))

    def act(self) -> Plan:
        """One sync: look, plan, carry out."""
        self.look()
        plan = make_plan(self.tally, self.strategy)
        self.unsettled = {action.node for action in (*plan.creations, *plan.deletions)}
        for creation in plan.creations:
            self.add(creation.node)
        for deletion in plan.deletions:
            self.end(deletion.pod.metadata.name)
        return plan

    def add(self, name: str) -> None:
        made = next(self._names)
        self.pods[made] = pod(made, f"h{self.template}", on=name, ready=False, phase="Pending", created=made)

    def change(self, name: str, **fields: object) -> None:
        known = self.pods[name]
        facts: dict[str, object] = {
            "hash": known.metadata.labels[HASH_LABEL],
            "on": known.target,
            "ready": known.ready,
            "phase": known.status.phase,
            "terminating": known.terminating,
            "created": known.metadata.creation_timestamp,
        }
        self.pods[name] = pod(name, **(facts | fields))  # type: ignore[arg-type]

    def end(self, name: str) -> None:
        if name in self.pods:
            self.change(name, terminating=True)

    def kubelets_work(self) -> None:
        """Every pod gets where it is going."""
        for name, one in list(self.pods.items()):
            if one.terminating:
                del self.pods[name]
            elif not one.terminal:
                self.change(name, ready=True, phase="Running")

    def available(self) -> int:
        """Nodes that should run a pod and have one that is available."""
        return sum(
            any(one.ready and not one.terminating for one in self.on(name))
            for name, verdict in self.tally.verdicts.items()
            if verdict.should_run
        )

    def matches(self) -> bool:
        for name, verdict in self.tally.verdicts.items():
            pods = self.on(name)
            if verdict.should_run and [one.hash for one in pods] != [f"h{self.template}"]:
                return False
            if not verdict.should_continue and pods:
                return False
        return True


STRATEGIES = st.one_of(
    st.builds(lambda most: Strategy(True, most, 0), st.sampled_from([1, 2, "30%", 9])),
    st.builds(lambda most: Strategy(True, 0, most), st.sampled_from([1, 2, "30%", 9])),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("ready", "unready", "fail", "succeed", "gone", "taint", "template", "stray", "work", "sync")),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
    max_size=25,
)


def fleet_of(size: int, strategy: Strategy) -> Fleet:
    """A fleet that is at rest when its template changes."""
    fleet = Fleet(size, strategy)
    fleet.act()
    fleet.kubelets_work()
    fleet.unsettled.clear()
    fleet.template += 1
    return fleet


def happen(fleet: Fleet, kind: str, which: int, how: int) -> None:
    names = list(fleet.pods)
    chosen = names[which % len(names)] if names else None
    name = f"n{which % len(fleet.nodes)}"
    fleet.unsettled.clear()
    match kind:
        case "ready" if chosen and not fleet.pods[chosen].terminal:
            fleet.change(chosen, ready=True, phase="Running")
        case "unready" if chosen:
            fleet.change(chosen, ready=False)
        case "fail" if chosen:
            fleet.change(chosen, ready=False, phase="Failed")
        case "succeed" if chosen:
            fleet.change(chosen, ready=False, phase="Succeeded")
        case "gone" if chosen:
            del fleet.pods[chosen]
        case "taint":
            fleet.nodes[name] = node(name, {}, *TAINTS[how])
        case "template":
            fleet.template += 1
        case "stray":
            fleet.add(name)
        case "work":
            fleet.kubelets_work()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 7), STRATEGIES, EVENTS)
def test_an_update_never_takes_an_available_pod_beyond_its_budget(
    size: int, strategy: Strategy, events: list[tuple[str, int, int]]
) -> None:
    fleet = fleet_of(size, strategy)
    for kind, which, how in events:
        happen(fleet, kind, which, how)
        fleet.look()
        before = fleet.available()
        before_pods = {name: [one for one in fleet.on(name) if not one.terminating] for name in fleet.nodes}
        desired = fleet.tally.desired
        max_unavailable, _ = strategy.budgets(desired)
        plan = fleet.act()
        taken = [one for one in plan.deletions if one.cause is Cause.UPDATE and one.pod.ready]
        wanted_here = [one for one in taken if fleet.tally.verdicts[one.node].should_run]
        if strategy.surge:
            # With surge an update takes no pod that serves without another in its place.
            assert not taken
            extra = [one for one in plan.creations if one.cause is Cause.SURGE]
            doubled = [pods for pods in before_pods.values() if len(pods) > 1 and not pods[-1].ready]
            assert not extra or len(extra) + len(doubled) <= strategy.budgets(desired)[1]
        elif wanted_here:
            assert desired - before + len(wanted_here) <= max_unavailable


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 7), STRATEGIES, EVENTS)
def test_in_the_end_the_fleet_matches_and_stays_so(
    size: int, strategy: Strategy, events: list[tuple[str, int, int]]
) -> None:
    fleet = fleet_of(size, strategy)
    for kind, which, how in events:
        happen(fleet, kind, which, how)
        fleet.act()
    for _ in range(8 * size + 8):
        fleet.kubelets_work()
        fleet.unsettled.clear()
        plan = fleet.act()
        if not plan.creations and not plan.deletions and not any(one.terminating for one in fleet.pods.values()):
            break
    else:
        raise AssertionError("it does not come to rest")
    assert fleet.matches()
    for _ in range(3):
        fleet.kubelets_work()
        plan = fleet.act()
        assert not plan.creations
        assert not plan.deletions


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 7), STRATEGIES, EVENTS)
def test_no_node_ever_gets_more_pods_than_its_strategy_allows(
    size: int, strategy: Strategy, events: list[tuple[str, int, int]]
) -> None:
    fleet = fleet_of(size, strategy)
    for kind, which, how in events:
        if kind == "stray":
            continue
        happen(fleet, kind, which, how)
        fleet.act()
        for name in fleet.nodes:
            live = [one for one in fleet.on(name) if not one.terminating and not one.terminal]
            assert len(live) <= (2 if strategy.surge else 1)
            if not strategy.surge:
                # At most one at a time: a successor comes when the predecessor is gone.
                assert len([one for one in fleet.on(name) if not one.terminal]) <= 1
