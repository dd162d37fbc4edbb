"""The pure decision."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.scheduler.observe import Account, Node, NodeRoom, PendingPod
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


def pod(cpu: str = "", **spec: Any) -> PendingPod:
    container = {"resources": {"requests": {"cpu": cpu} if cpu else {}}}
    return msgspec.convert({"metadata": {"uid": "u"}, "spec": {"containers": [container], **spec}}, PendingPod)


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
    assert refused == Unplaced(
        "0/3 nodes are available: pod affinity terms conflict. preemption: "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
        frozenset(),
    )


def test_preferences_come_before_room_and_unwelcome_taints_before_both() -> None:
    taint = {"key": "k", "effect": "PreferNoSchedule"}
    kept = account(
        node("a"), node("b", labels={"fast": "yes"}), node("c", labels={"fast": "yes", "near": "yes"}, taints=[taint])
    )
    kept.charge("other", "b", pod("3").spec)

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
    kept.charge("one", "n", pod("3").spec)
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
    kept.charge("one", "a", pod("3").spec)
    kept.charge("one", "b", pod("3").spec)
    assert kept.nodes["a"].room.pods == 0
    assert kept.nodes["b"].room.pods == 1
