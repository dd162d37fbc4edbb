"""The pure decision."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.scheduler.observe import Account, Node, NodeRoom, PendingPod, Taken
from everynode.scheduler.plan import Placed, Unplaced, plan

GiB = 2**30


def node(name: str, *, labels: dict[str, str] | None = None, taints: Any = (), cpu: str = "4") -> Node:
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels or {}, "uid": name},
            "spec": {"taints": list(taints)},
            "status": {"allocatable": {"cpu": cpu, "memory": "16Gi", "pods": "110"}},
        },
        Node,
    )


def pod(cpu: str = "", uid: str = "u", **spec: Any) -> PendingPod:
    container = {"resources": {"requests": {"cpu": cpu} if cpu else {}}}
    return msgspec.convert({"metadata": {"uid": uid}, "spec": {"containers": [container], **spec}}, PendingPod)


def taken(cpu: str, priority: int = 0) -> Taken:
    return msgspec.convert({"containers": [{"resources": {"requests": {"cpu": cpu}}}], "priority": priority}, Taken)


def account(*nodes: Node) -> Account:
    kept = Account()
    for each in nodes:
        kept.put_node(each)
    return kept


def fields(*values: str) -> dict[str, Any]:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [value]} for value in values]}


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


class Counting(dict[str, NodeRoom]):
    """Nodes that count how often one is looked at."""

    looks = 0

    def __getitem__(self, name: str) -> NodeRoom:
        self.looks += 1
        return super().__getitem__(name)

    def values(self) -> Any:
        self.looks += len(self)
        return super().values()


def test_a_pinned_pod_costs_one_look_whatever_the_size_of_the_fleet() -> None:
    nodes = Counting(account(*(node(f"n{number}") for number in range(1000))).nodes)
    assert plan(pod(affinity=required(fields("n700"))), nodes) == Placed("n700")
    assert nodes.looks == 1


def test_terms_that_name_nodes_are_alternatives_and_contradict_themselves_within() -> None:
    nodes = account(node("a"), node("b"), node("c")).nodes
    assert plan(pod(affinity=required(fields("c"), fields("b"))), nodes) == Placed("b")
    refused = plan(pod(affinity=required(fields("a", "b"))), nodes)
    assert refused == Unplaced("0/3 nodes are available: pod affinity terms conflict.", frozenset(), {})


def test_preferences_come_before_room_and_unwelcome_taints_before_both() -> None:
    taint = {"key": "k", "effect": "PreferNoSchedule"}
    kept = account(
        node("a"), node("b", labels={"fast": "yes"}), node("c", labels={"fast": "yes", "near": "yes"}, taints=[taint])
    )
    kept.charge("other", "b", taken("3"))

    def prefer(**weights: int) -> dict[str, Any]:
        terms = [
            {"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}}
            for key, weight in weights.items()
        ]
        return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}

    assert plan(pod(), kept.nodes) == Placed("a")
    assert plan(pod(affinity=prefer(fast=1, near=50)), kept.nodes) == Placed("b")


def test_the_account_gives_back_what_it_took_also_across_a_node_that_comes_late_or_again() -> None:
    kept = Account()
    kept.charge("one", "n", taken("3"))
    assert kept.put_node(node("n"))
    assert isinstance(plan(pod("2"), kept.nodes), Unplaced)
    kept.drop_node("n")
    kept.put_node(node("n"))
    assert isinstance(plan(pod("2"), kept.nodes), Unplaced)
    assert kept.put_node(node("n", cpu="8"))
    assert plan(pod("2"), kept.nodes) == Placed("n")
    assert kept.discharge("one") == "n"
    assert kept.discharge("one") == ""
    assert not kept.put_node(node("n", cpu="8"))
    assert kept.nodes["n"].room.used == {"cpu": 0}


def test_charging_again_moves_the_charge() -> None:
    kept = account(node("a"), node("b"))
    kept.charge("one", "a", taken("3"))
    kept.charge("one", "b", taken("3"))
    assert kept.nodes["a"].room.pods == 0
    assert kept.nodes["b"].room.pods == 1


def test_promised_room_is_not_for_those_who_are_no_more_important() -> None:
    kept = account(node("n"))
    kept.nominate(pod("3", uid="promised", priority=10), "n")
    for priority, placed in ((9, False), (10, False), (11, True)):
        decision = plan(pod("2", priority=priority), kept.nodes)
        assert isinstance(decision, Placed) is placed, priority
    assert plan(pod("3", uid="promised", priority=10), kept.nodes) == Placed("n")
    assert kept.nodes["n"].room.used == {}
    assert kept.withdraw("promised") == "n"
    assert plan(pod("2", priority=9), kept.nodes) == Placed("n")


def test_a_nominated_pod_goes_to_its_node_even_when_another_is_emptier() -> None:
    kept = account(node("a"), node("b"))
    kept.charge("one", "b", taken("1"))
    assert plan(pod("1"), kept.nodes) == Placed("a")
    assert plan(pod("1"), kept.nodes, "b") == Placed("b")
    assert plan(pod("1"), kept.nodes, "gone") == Placed("a")


def test_a_nomination_outlives_its_node_and_moves_as_one() -> None:
    kept = Account()
    kept.nominate(pod(uid="one"), "a")
    kept.put_node(node("a"))
    assert set(kept.nodes["a"].nominated) == {"one"}
    kept.put_node(node("a", cpu="8"))
    assert set(kept.nodes["a"].nominated) == {"one"}
    kept.nominate(pod(uid="one"), "b")
    assert not kept.nodes["a"].nominated
    assert kept.nomination("one") == "b"
    assert kept.withdraw("one") == "b"
    assert kept.withdraw("one") == kept.nomination("one") == ""
