"""May this pod be on this node: each filter by a table, then all of them in order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.fit.affinity import Requirements, pinned_node
from everynode.fit.node import Demand, filter_node
from everynode.fit.ports import HostPorts, host_ports_of
from everynode.fit.reasons import Reason, Unfit
from everynode.fit.resources import Room, amount, requests_of
from everynode.fit.taints import tolerates, untolerated
from everynode.fit.views import Node, PodSpec, Taint, Toleration


def pod(**spec: object) -> PodSpec:
    return msgspec.convert(spec, PodSpec)


def node(name: str = "n1", labels: dict[str, str] | None = None, **rest: object) -> Node:
    return msgspec.convert({"metadata": {"name": name, "labels": labels or {}}, **rest}, Node)


def asking(**requests: str) -> dict[str, object]:
    return {"resources": {"requests": requests}}


TAINT = Taint("key", "value", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (Toleration("key", "Equal", "value", "NoSchedule"), True),
        (Toleration("key", "", "value", "NoSchedule"), True),
        (Toleration("key", "Equal", "value", ""), True),
        (Toleration("key", "Exists", "", "NoSchedule"), True),
        (Toleration("", "Exists", "", ""), True),
        (Toleration("key", "Equal", "other", "NoSchedule"), False),
        (Toleration("other", "Exists", "", ""), False),
        (Toleration("key", "Exists", "", "NoExecute"), False),
        (Toleration("key", "Gt", "1", "NoSchedule"), False),
    ],
)
def test_a_toleration_covers_a_taint(toleration: Toleration, expected: bool) -> None:
    assert tolerates(toleration, TAINT) is expected


def test_the_first_untolerated_taint_is_named_and_preferences_keep_nobody_away() -> None:
    taints = [Taint("a", "", "PreferNoSchedule"), TAINT, Taint("b", "", "NoExecute")]
    assert untolerated(taints, []) == TAINT
    assert untolerated(taints, [Toleration("key", "Exists")]) == taints[2]
    assert untolerated(taints, [Toleration(operator="Exists")]) is None
    assert str(TAINT) == "key=value:NoSchedule"


def affinity(*terms: dict[str, object]) -> PodSpec:
    required = {"nodeSelectorTerms": list(terms)}
    return pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}})


def expression(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def field(operator: str, *values: str) -> dict[str, object]:
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        (pod(), True),
        (pod(nodeSelector={"disk": "ssd"}), True),
        (pod(nodeSelector={"disk": "hdd"}), False),
        (pod(nodeSelector={"disk": "ssd", "absent": ""}), False),
        (affinity(expression("disk", "In", "ssd", "nvme")), True),
        (affinity(expression("disk", "In", "nvme")), False),
        (affinity(expression("disk", "NotIn", "nvme")), True),
        (affinity(expression("absent", "NotIn", "x")), True),
        (affinity(expression("disk", "NotIn", "ssd")), False),
        (affinity(expression("disk", "Exists")), True),
        (affinity(expression("absent", "Exists")), False),
        (affinity(expression("absent", "DoesNotExist")), True),
        (affinity(expression("cores", "Gt", "7")), True),
        (affinity(expression("cores", "Gt", "8")), False),
        (affinity(expression("cores", "Lt", "9")), True),
        (affinity(expression("disk", "Lt", "9")), False),
        (affinity(expression("cores", "Gt", "many")), False),
        (affinity(expression("disk", "Resembles", "ssd")), False),
        (affinity(field("In", "n1")), True),
        (affinity(field("In", "n2")), False),
        (affinity(field("In", "n1", "n2")), False),
        (affinity(field("NotIn", "n2")), True),
        (affinity(field("NotIn", "n1")), False),
        (affinity(expression("disk", "In", "nvme"), field("In", "n1")), True),
        (affinity(expression("disk", "In", "nvme") | field("In", "n1")), False),
        (affinity({}), False),
        (affinity(), False),
    ],
)
def test_selector_and_affinity(spec: PodSpec, fits: bool) -> None:
    refusal = Requirements.of(spec).refuse(node(labels={"disk": "ssd", "cores": "8"}))
    assert (refusal is None) is fits
    if refusal is not None:
        assert str(refusal) == "node(s) didn't match Pod's node affinity/selector"


def test_a_pod_is_for_the_node_it_is_bound_to_else_for_the_one_its_affinity_names() -> None:
    assert pinned_node(affinity(field("In", "n1"))) == "n1"
    bound = affinity(field("In", "n1"))
    bound.node_name = "n2"
    assert pinned_node(bound) == "n2"
    assert pinned_node(affinity(expression("disk", "In", "ssd"))) == ""
    assert pinned_node(pod()) == ""


@pytest.mark.parametrize(
    ("resource", "quantity", "expected"),
    [("cpu", "1", 1000), ("cpu", "1.5m", 2), ("memory", "1Ki", 1024), ("memory", "1.5", 2), ("pods", 110, 110)],
)
def test_amounts_are_whole_and_rounded_up(resource: str, quantity: str, expected: int) -> None:
    assert amount(resource, quantity) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (pod(containers=[asking(cpu="100m"), asking(cpu="200m", memory="1Ki")]), {"cpu": 300, "memory": 1024}),
        (pod(containers=[asking(cpu="1")], initContainers=[asking(cpu="3"), asking(cpu="2")]), {"cpu": 3000}),
        # A sidecar runs beside the containers, and beside the init containers that come after it.
        (
            pod(
                containers=[asking(cpu="1")],
                initContainers=[{**asking(cpu="2"), "restartPolicy": "Always"}, asking(cpu="4")],
            ),
            {"cpu": 6000},
        ),
        (
            pod(
                containers=[asking(cpu="3")],
                initContainers=[asking(cpu="4"), {**asking(cpu="2"), "restartPolicy": "Always"}],
            ),
            {"cpu": 5000},
        ),
        (pod(containers=[asking(cpu="1")], overhead={"cpu": "250m"}), {"cpu": 1250}),
        (
            pod(containers=[asking(cpu="1", memory="2")], resources={"requests": {"cpu": "4"}}, overhead={"cpu": "1"}),
            {"cpu": 5000, "memory": 2},
        ),
    ],
)
def test_what_a_pod_asks_for(spec: PodSpec, expected: dict[str, int]) -> None:
    assert requests_of(spec) == expected


SMALL = {"status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "2"}}}


def test_room_names_every_shortage_cpu_and_memory_first() -> None:
    room = Room.of(node(**SMALL))
    room.add(pod(containers=[asking(cpu="600m")]))
    assert room.refuse({"cpu": 400, "memory": 1 << 30}) == []
    room.add(pod(containers=[asking(memory="1")]))
    refusals = room.refuse({"example.com/gpu": 1, "cpu": 500, "memory": 2 << 30})
    assert [str(refusal) for refusal in refusals] == [
        "Too many pods",
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient example.com/gpu",
    ]
    assert [refusal.resolvable for refusal in refusals] == [True, True, False, False]


def test_a_pod_that_asks_for_nothing_fits_a_node_that_is_over_committed() -> None:
    room = Room.of(node(**SMALL))
    room.add(pod(containers=[asking(cpu="5")]))
    assert room.refuse({}) == []


def test_asking_what_if_changes_nothing() -> None:
    room = Room.of(node(**SMALL))
    small = pod(containers=[asking(cpu="400m") | port(80)])
    large = pod(containers=[asking(cpu="600m") | port(81)])
    room.add(small)
    other = room.beside([large], without=[small])
    assert (other.pods, other.used["cpu"]) == (1, 600)
    assert [other.ports.collision(host_ports_of(each)) is None for each in (small, large)] == [True, False]
    other.add(small)
    assert (room.pods, room.used["cpu"]) == (1, 400)
    assert [room.ports.collision(host_ports_of(each)) is None for each in (small, large)] == [False, True]


def port(number: int, address: str = "", protocol: str = "") -> dict[str, object]:
    return {"ports": [{"containerPort": 1, "hostPort": number, "hostIP": address, "protocol": protocol}]}


@pytest.mark.parametrize(
    ("taken", "wanted", "collide"),
    [
        (port(80), port(80), True),
        (port(80), port(81), False),
        (port(80), port(80, protocol="UDP"), False),
        (port(80, "10.0.0.1"), port(80), True),
        (port(80), port(80, "10.0.0.1"), True),
        (port(80, "10.0.0.1"), port(80, "10.0.0.2"), False),
        (port(80, "10.0.0.1"), port(80, "10.0.0.1"), True),
        (port(0), port(0), False),
    ],
)
def test_host_ports_collide(taken: dict[str, object], wanted: dict[str, object], collide: bool) -> None:
    ports = HostPorts()
    ports.take(host_ports_of(pod(containers=[taken])))
    assert (ports.collision(host_ports_of(pod(containers=[wanted]))) is not None) is collide


def test_only_init_containers_that_keep_running_claim_ports() -> None:
    assert host_ports_of(pod(initContainers=[port(80)])) == []
    assert [str(one) for one in host_ports_of(pod(initContainers=[{**port(80), "restartPolicy": "Always"}]))] == [
        "80/TCP"
    ]


SPECS = st.builds(
    lambda cpu, number, address: pod(containers=[asking(cpu=f"{cpu}m") | port(number, address)]),
    st.integers(0, 500),
    st.integers(0, 3),
    st.sampled_from(["", "10.0.0.1"]),
)


@given(kept=st.lists(SPECS, max_size=5), gone=st.lists(SPECS, max_size=5))
def test_pods_that_came_and_went_leave_no_trace_in_the_room(kept: list[PodSpec], gone: list[PodSpec]) -> None:
    lived_in, fresh = Room.of(node(**SMALL)), Room.of(node(**SMALL))
    for spec in kept + gone:
        lived_in.add(spec)
    for spec in gone:
        lived_in.remove(spec)
    for spec in kept:
        fresh.add(spec)
    wanted = {"cpu": 400}
    assert lived_in.refuse(wanted) == fresh.refuse(wanted)
    for address in ("", "10.0.0.1", "10.0.0.2"):
        claim = host_ports_of(pod(containers=[port(1, address)]))
        assert lived_in.ports.collision(claim) == fresh.ports.collision(claim)


def test_the_filters_speak_in_the_schedulers_order_and_the_first_alone() -> None:
    hostile = node(
        "n1",
        spec={"unschedulable": True, "taints": [{"key": "a", "effect": "NoExecute"}]},
        status={"allocatable": {"cpu": "1"}},
    )
    room = Room.of(hostile)
    room.add(pod(containers=[port(80)]))
    spec = pod(nodeName="n2", nodeSelector={"disk": "ssd"}, containers=[port(80) | asking(cpu="2")])

    def told() -> list[str]:
        return [str(refusal) for refusal in filter_node(Demand.of(spec), hostile, room)]

    assert told() == ["node(s) didn't match the requested node name"]
    spec.node_name = ""
    assert told() == ["node(s) were unschedulable"]
    spec.tolerations += (Toleration("node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule"),)
    assert told() == ["node(s) had untolerated taint(s)"]
    spec.tolerations += (Toleration("a", "Exists"),)
    assert told() == ["node(s) didn't match Pod's node affinity/selector"]
    spec.node_selector.clear()
    assert told() == ["node(s) didn't have free ports for the requested pod ports"]
    spec.containers[0].ports = ()
    assert told() == ["Too many pods", "Insufficient cpu"]
    hostile.status.allocatable = {"cpu": "2", "pods": "2"}
    room.resize(hostile)
    assert filter_node(Demand.of(spec), hostile, room) == ()


def test_a_refusal_names_what_stands_in_the_way() -> None:
    tainted = node("n1", spec={"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]})
    assert filter_node(Demand.of(pod()), tainted, Room.of(tainted)) == (
        Unfit(Reason.UNTOLERATED_TAINT, "a=b:NoSchedule"),
    )
