"""The account of room equals, at every moment, one made afresh from what is known."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from everynode.fit.ports import host_ports_of
from everynode.fit.resources import requests_of
from everynode.scheduler.observe import Account, Node, PlacedPod, Taken

NODES = ("a", "b", "c")
PODS = ("p", "q", "r", "s")

steps = st.one_of(
    st.tuples(st.just("charge"), st.sampled_from(PODS), st.sampled_from(NODES)),
    st.tuples(st.just("discharge"), st.sampled_from(PODS), st.just("")),
    st.tuples(st.just("put"), st.sampled_from(NODES), st.sampled_from(("u1", "u2"))),
    st.tuples(st.just("drop"), st.sampled_from(NODES), st.just("")),
)


def taken(pod: str) -> Taken:
    """Each pod takes something else, and a host port."""
    number = PODS.index(pod) + 1
    container = {"resources": {"requests": {"cpu": str(number)}}, "ports": [{"hostPort": 80 + number}]}
    return msgspec.convert({"containers": [container]}, Taken)


def node(name: str, uid: str) -> Node:
    status = {"allocatable": {"cpu": "4", "pods": "10"}}
    return msgspec.convert({"metadata": {"name": name, "uid": uid}, "status": status}, Node)


def in_use(account: Account, where: Mapping[str, str], name: str) -> bool:
    """Whether the account of one node shows just the pods that are there."""
    room = account.nodes[name].room
    there = [pod for pod in PODS if where.get(pod) == name]
    cpu = sum(requests_of(taken(pod))["cpu"] for pod in there)
    ports_free = {pod: room.ports.collision(host_ports_of(taken(pod))) is None for pod in PODS}
    return (
        room.pods == len(there)
        and room.used.get("cpu", 0) == cpu
        and ports_free == {pod: pod not in there for pod in PODS}
    )


@given(st.lists(steps, max_size=40))
def test_the_account_is_what_a_rebuild_would_be(taken_steps: list[tuple[str, str, str]]) -> None:
    account, where, known = Account(), dict[str, str](), set[str]()
    for step, first, second in taken_steps:
        match step:
            case "charge":
                account.charge(first, second, taken(first))
                where[first] = second
            case "discharge":
                assert account.discharge(first) == where.pop(first, "")
            case "put":
                account.put_node(node(first, second))
                known.add(first)
            case "drop":
                account.drop_node(first)
                known.discard(first)
        assert set(account.nodes) == known
        assert all(in_use(account, where, name) for name in known)


def test_pods_that_take_the_same_share_one_claim() -> None:
    def decoded(name: str) -> PlacedPod:
        spec = {"nodeName": "n", "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
        return msgspec.json.decode(msgspec.json.encode({"metadata": {"name": name}, "spec": spec}), type=PlacedPod)

    first, second = decoded("a"), decoded("b")
    assert first.spec.taken is second.spec.taken
    assert requests_of(first.spec.taken) == {"cpu": 1000}
    assert first.spec.containers == ()
