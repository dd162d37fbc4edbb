"""Who gives way: the pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.fit.node import Demand, filter_node
from everynode.scheduler.observe import Account, Budget, Node, Occupant, PendingPod, Taken
from everynode.scheduler.plan import Unplaced, plan, refuse, room_for
from everynode.scheduler.preempt import (
    ALREADY_LEAVING,
    NEVER_PREEMPTS,
    NO_VICTIMS,
    NOT_HELPFUL,
    Asks,
    Preempts,
    Stands,
    preempt,
)
from everynode.values.timestamps import seconds_text

NOW = 1_800_000_000.0
CPUS, PODS = 8, 10


class There(NamedTuple):
    """A pod on a node. `age` is for how many seconds it has run (None: not started yet)."""

    name: str
    priority: int = 0
    cpu: int = 1
    port: int = 0
    age: int | None = 60
    labels: dict[str, str] = {}
    node: str = "n"
    leaving: bool = False


def container(cpu: int, port: int) -> dict[str, Any]:
    ports = [{"hostPort": port, "containerPort": port}] if port else []
    return {"resources": {"requests": {"cpu": str(cpu)} if cpu else {}}, "ports": ports}


def pod(priority: int, cpu: int = 1, port: int = 0, uid: str = "new", **spec: Any) -> PendingPod:
    spec |= {"containers": [container(cpu, port)], "priority": priority}
    return msgspec.convert({"metadata": {"name": uid, "namespace": "ns", "uid": uid}, "spec": spec}, PendingPod)


def budget(name: str, allowed: int, *, namespace: str = "ns", disrupted: Sequence[str] = (), **labels: str) -> Budget:
    status = {"disruptionsAllowed": allowed, "disruptedPods": {name: seconds_text(NOW) for name in disrupted}}
    spec = {"selector": {"matchLabels": labels}}
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": status}, Budget)


def occupant(there: There) -> Occupant:
    meta: dict[str, Any] = {"name": there.name, "namespace": "ns", "uid": there.name, "labels": there.labels}
    status: dict[str, Any] = {"startTime": seconds_text(NOW - there.age) if there.age is not None else None}
    if there.leaving:
        meta["deletionTimestamp"] = seconds_text(NOW)
        status["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]
    return msgspec.convert({"metadata": meta, "status": status}, Occupant)


class World:
    """Nodes, what is on them, and what the API would say of it."""

    def __init__(self, *pods: There, nodes: Sequence[str] = ("n",), pods_limit: int = PODS) -> None:
        self.account = Account()
        for name in nodes:
            status = {"allocatable": {"cpu": str(CPUS), "pods": str(pods_limit)}}
            self.account.put_node(msgspec.convert({"metadata": {"name": name, "uid": name}, "status": status}, Node))
        for there in pods:
            taken = {"containers": [container(there.cpu, there.port)], "priority": there.priority}
            self.account.charge(there.name, there.node, msgspec.convert(taken, Taken))
        self.known = {name: {each.name: occupant(each) for each in pods if each.node == name} for name in nodes}
        self.asked: frozenset[str] = frozenset()

    def preempt(self, new: PendingPod, *budgets: Budget) -> Preempts | Stands:
        """What is decided when everything that is asked for is told."""
        nominated = self.account.nomination(new.metadata.uid)
        refused = plan(new, self.account.nodes, nominated)
        assert isinstance(refused, Unplaced)
        known: dict[str, dict[str, Occupant]] = {}
        while True:
            outcome = preempt(new, refused, self.account.nodes, nominated, known, budgets, NOW)
            if not isinstance(outcome, Asks):
                return outcome
            assert not outcome.nodes <= known.keys(), "asks again for what it was told"
            self.asked |= outcome.nodes
            known |= {node: self.known[node] for node in outcome.nodes}

    def victims(self, new: PendingPod, *budgets: Budget) -> list[str]:
        outcome = self.preempt(new, *budgets)
        assert isinstance(outcome, Preempts), outcome
        return [victim.metadata.name for victim in outcome.victims]


WEB = {"app": "web"}


@pytest.mark.parametrize(
    ("there", "new", "budgets", "victims"),
    [
        pytest.param([There("a", cpu=8)], pod(1), [], ["a"], id="the only one"),
        pytest.param([There("a", 2, 4), There("b", 1, 4)], pod(3, 4), [], ["b"], id="the least important"),
        pytest.param([There("a", 2, 1), There("b", 1, 7)], pod(3, 8), [], ["a", "b"], id="told by importance"),
        pytest.param([There("a", 1, 4), There("b", 2, 4)], pod(2, 4), [], ["a"], id="never an equal"),
        pytest.param([There("a", cpu=4, age=9), There("b", cpu=4)], pod(1, 4), [], ["a"], id="the younger of equals"),
        pytest.param([There("a", cpu=4, age=None), There("b", cpu=4)], pod(1, 4), [], ["a"], id="one not started"),
        pytest.param(
            [There("a", 1, 2), There("b", 0, 6)], pod(2, 2), [], ["b"], id="not the one that takes just as much"
        ),
        pytest.param([There("a", 1, 6), There("b", 0, 2)], pod(2, 4), [], ["a"], id="the one that is enough alone"),
        pytest.param([There("a", port=80), There("b")], pod(1, port=80), [], ["a"], id="for a host port"),
        pytest.param([There("a", -9, 8)], pod(-8, 1), [], ["a"], id="among negative ones"),
        pytest.param(
            [There("a", 0, 4, labels=WEB), There("b", 1, 4)],
            pod(2, 4),
            [budget("w", 0, app="web")],
            ["b"],
            id="a budget spares",
        ),
        pytest.param(
            [There("a", 0, 4, labels=WEB), There("b", 1, 4)],
            pod(2, 4),
            [budget("w", 1, app="web")],
            ["a"],
            id="a budget allows",
        ),
        pytest.param(
            [There("a", 0, 4, labels=WEB), There("b", 1, 4)],
            pod(2, 8),
            [budget("w", 0, app="web")],
            ["b", "a"],
            id="a budget yields",
        ),
        pytest.param(
            [There("a", 0, 4, labels=WEB), There("b", 1, 4)],
            pod(2, 4),
            [budget("w", 0, disrupted=["a"], app="web")],
            ["a"],
            id="a budget that has counted it already",
        ),
        pytest.param(
            [There("a", 0, 4, labels=WEB), There("b", 1, 4)],
            pod(2, 4),
            [budget("w", 0, namespace="other", app="web"), budget("all", 0)],
            ["a"],
            id="budgets of others and of nobody",
        ),
    ],
)
def test_victims_on_a_node(there: list[There], new: PendingPod, budgets: list[Budget], victims: list[str]) -> None:
    assert World(*there).victims(new, *budgets) == victims


def test_a_full_list_of_pods_is_a_reason_too() -> None:
    assert World(There("a", 1), There("b", 0), pods_limit=2).victims(pod(2)) == ["b"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param([There("a", 5, 8)], [There("b", 1, 8, labels=WEB)], id="no budget violated"),
        pytest.param(
            [There("a", 1, 8, age=9)], [There("b", 2, 8, age=1)], id="the most important victim least important"
        ),
        pytest.param(
            [There("a", 2, 4), There("a2", 0, 4)],
            [There("b", 2, 4), There("b2", 1, 4)],
            id="the smallest sum of priorities",
        ),
        pytest.param([There("a", 2, 8)], [There("b", 2, 4), There("b2", -9, 4)], id="the fewer, however unimportant"),
        pytest.param(
            [There("a", 2, 4), There("a2", -(2 * 10**9), 2), There("a3", -(2 * 10**9), 2)],
            [There("b", 2, 4), There("b2", 2, 4)],
            id="the sum before the number",
        ),
        pytest.param([There("a", 2, 8, age=1)], [There("b", 2, 8, age=9)], id="started last"),
        pytest.param([There("a", 2, 8)], [There("b", 2, 8)], id="by name"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_node_where_it_hurts_least(left: list[There], right: list[There], swapped: bool) -> None:
    pods = [each._replace(node="l") for each in left] + [each._replace(node="r") for each in right]
    outcome = World(*pods, nodes=("r", "l") if swapped else ("l", "r")).preempt(pod(9, 8), budget("w", 0, app="web"))
    assert isinstance(outcome, Preempts)
    assert outcome.node == "l"


def test_says_what_it_does() -> None:
    outcome = World(There("a", cpu=8)).preempt(pod(1))
    assert outcome.message == "found a potential placement for pod on node n, preempting 1 victims"


def test_where_nobody_can_help_it_says_why_and_reads_nothing() -> None:
    world = World(
        There("a", 5, 8, node="l"), There("b", 0, 2, node="r"), There("c", 5, 6, node="r"), nodes=("l", "m", "r")
    )
    told = (
        f"0/3 nodes are available: 1 Insufficient cpu, 1 {NO_VICTIMS}, 1 {NOT_HELPFUL}.",
        f"0/3 nodes are available: 3 {NOT_HELPFUL}.",
    )
    pinned = {"key": "metadata.name", "operator": "In"}
    terms = [{"matchFields": [pinned | {"values": [name]}]} for name in ("l", "r")]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    assert world.preempt(pod(5, 4, affinity=affinity)) == Stands(told[0], nomination_holds=False)
    # More than any node has, whoever goes.
    assert world.preempt(pod(9, 9)) == Stands(told[1], nomination_holds=False)
    assert world.preempt(pod(9, 4, affinity=affinity, preemptionPolicy="Never")) == Stands(
        NEVER_PREEMPTS, nomination_holds=True
    )
    assert not world.asked


def test_victims_on_their_way_are_waited_for() -> None:
    new = pod(5, 4)
    world = World(There("a", 0, 4, leaving=True), There("b", 0, 4, age=1))
    world.account.nominate(new, "n")
    assert world.preempt(new) == Stands(ALREADY_LEAVING, nomination_holds=True)
    # Whoever leaves without our doing is nobody's victim, and an equal that leaves never was one.
    for there in (There("a", 0, 4)._replace(age=None), There("a", 5, 4, leaving=True)):
        world = World(there, There("b", 0, 4))
        world.account.nominate(new, "n")
        assert isinstance(world.preempt(new), Preempts)


def test_room_promised_to_an_equal_is_not_counted_on_but_that_of_a_lesser_one_is() -> None:
    world = World(There("a", 0, 4), There("b", 0, 4, age=9))
    world.account.nominate(pod(5, 4, uid="promised"), "n")
    assert world.victims(pod(5, 4)) == ["a", "b"]
    assert world.victims(pod(6, 4)) == ["b"]


def test_a_pod_that_the_api_does_not_tell_of_is_asked_for_again() -> None:
    world, new = World(There("a", 0, 8)), pod(1)
    refused = plan(new, world.account.nodes)
    assert isinstance(refused, Unplaced)
    assert preempt(new, refused, world.account.nodes, "", {"n": {}}, (), NOW) == Asks(frozenset("n"))


@pytest.mark.parametrize(("nodes", "weighed"), [(30, 30), (300, 100), (1500, 150)])
def test_of_a_large_fleet_a_part_is_weighed(nodes: int, weighed: int) -> None:
    names = [f"n{number:04}" for number in range(nodes)]
    world = World(*(There(f"p{name}", cpu=CPUS, node=name) for name in names), nodes=names)
    assert isinstance(world.preempt(pod(1)), Preempts)
    assert len(world.asked) == weighed


occupants = st.lists(
    st.builds(
        There,
        name=st.integers(0, 99).map("p{}".format),
        priority=st.integers(-1, 3),
        cpu=st.integers(0, 4),
        port=st.sampled_from((0, 0, 80, 81)),
        age=st.none() | st.integers(0, 3),
        labels=st.sampled_from(({}, WEB, {"app": "db"})),
        node=st.just("n"),
        leaving=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda there: there.name,
)


@given(
    occupants,
    st.builds(pod, priority=st.integers(-1, 3), cpu=st.integers(0, CPUS), port=st.sampled_from((0, 80, 81))),
    st.none() | st.builds(pod, priority=st.integers(-1, 3), cpu=st.integers(0, 4), uid=st.just("promised")),
    st.lists(
        st.builds(budget, name=st.just("b"), allowed=st.integers(0, 2), app=st.sampled_from(("web", "db"))), max_size=2
    ),
    st.integers(1, 7),
)
def test_victims_are_less_important_and_enough_and_each_is_needed(
    there: list[There], new: PendingPod, promised: PendingPod | None, budgets: list[Budget], limit: int
) -> None:
    world = World(*there, pods_limit=limit)
    if promised is not None:
        world.account.nominate(promised, "n")
    demand, node = Demand.of(new.spec), world.account.nodes["n"]
    if not refuse(new, demand, node):
        return
    outcome = world.preempt(new, *budgets)

    def fits_without(uids: set[str]) -> bool:
        gone = [charge.taken for charge in node.charges if charge.uid in uids]
        return not filter_node(demand, node.node, room_for(new, node, gone))

    below = {each.name for each in there if each.priority < new.spec.priority}
    if isinstance(outcome, Stands):
        assert not fits_without(below)
        return
    victims = {victim.metadata.uid for victim in outcome.victims}
    assert victims <= below
    assert fits_without(victims)
    assert not any(fits_without(victims - {uid}) for uid in victims)
