"""Rollouts that users of Kubernetes have reported as standing still or going too far, by the number of the report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation import recount
from tests.simulation.stage import Stage, Template, rolling

FIVE = [f"node-{index:05d}" for index in range(5)]


@pytest.fixture
def stage() -> Iterator[Stage]:
    one = Stage(nodes=5)
    yield one
    one.close()


def healthy(stage: Stage) -> dict[str, str]:
    """By node, the uid of the pod that is ready there."""
    return {
        recount.target(pod): pod["metadata"]["uid"]
        for pod in stage.pods("agent")
        if recount.readiness(pod)[0] and not recount.terminating(pod)
    }


def updated(stage: Stage) -> list[str]:
    """Nodes whose pod is of today's template and ready."""
    ds = stage.ds("agent")
    ready = healthy(stage)
    new = {recount.target(pod) for pod in stage.pods("agent") if recount.current(ds, pod)}
    return sorted(new & set(ready))


@pytest.mark.parametrize("broken", [("never:2", "missing:3"), ("missing:2", "never:3", "missing:4")])
def test_broken_updates_in_a_row_leave_the_same_healthy_pods_untouched(stage: Stage, broken: tuple[str, ...]) -> None:
    """kubernetes#123232: each broken template used to cost another healthy pod."""
    stage.create("agent", strategy=rolling(1))
    stage.advance(5)
    stage.roll("agent", broken[0])
    stage.advance(60)
    survivors = healthy(stage)
    assert len(survivors) == 4
    for image in broken[1:]:
        stage.roll("agent", image)
        stage.advance(60)
        assert healthy(stage) == survivors
    stage.roll("agent", "good:9")
    stage.advance(10)
    assert updated(stage) == FIVE


def test_a_dead_node_uses_up_a_budget_of_one(stage: Stage) -> None:
    """kubernetes#63465, #117204: its pod is never gone, so with maxUnavailable 1 the update waits until the node is back."""
    stage.create("agent", strategy=rolling(1))
    stage.advance(5)
    stage.silence(FIVE[2])
    stage.advance(60)
    stage.roll("agent", "good:2")
    stage.advance(1_200)
    assert updated(stage) == []
    assert [recount.terminating(pod) for pod in stage.on("agent", FIVE[2])] == [True]
    stage.silence(FIVE[2], False)
    stage.advance(60)
    assert updated(stage) == FIVE


def test_a_larger_budget_goes_round_a_dead_node(stage: Stage) -> None:
    stage.create("agent", strategy=rolling(2))
    stage.advance(5)
    stage.silence(FIVE[2])
    stage.advance(60)
    stage.roll("agent", "good:2")
    stage.advance(60)
    assert updated(stage) == [name for name in FIVE if name != FIVE[2]]


def test_a_node_that_dies_for_good_and_is_deleted_holds_nothing_up(stage: Stage) -> None:
    stage.create("agent", strategy=rolling(1))
    stage.advance(5)
    stage.silence(FIVE[2])
    stage.advance(60)
    stage.roll("agent", "good:2")
    stage.advance(60)
    stage.delete_node(FIVE[2])
    stage.advance(120)
    assert updated(stage) == [name for name in FIVE if name != FIVE[2]]
    assert stage.on("agent", FIVE[2]) == []


def test_a_surge_keeps_its_capacity_while_it_moves_to_other_nodes(stage: Stage) -> None:
    """kubernetes#118823: nodes that are not to have a pod any more serve until enough others do.

    That is so where a taint keeps new pods away. A node that the selector does not match any more is cleared at once, as in
    Kubernetes.
    """
    old, new = FIVE[:2], FIVE[2:]
    for name in new:
        stage.taint(name, "NoSchedule")
    stage.create("agent", Template("slow:1"), rolling(0, 1))
    stage.advance(30)
    assert sorted(healthy(stage)) == old
    for name in FIVE:
        stage.taint(name, "NoSchedule" if name in old else "")
    stage.roll("agent", "slow:2")
    for _ in range(120):
        stage.advance(0.25)
        assert len(healthy(stage)) >= 2
    assert updated(stage) == new
    assert len(stage.pods("agent")) == 3


@pytest.mark.parametrize("seconds", [-300.0, 300.0])
def test_a_wrong_clock_neither_hurries_nor_holds_up_an_update(stage: Stage, seconds: float) -> None:
    """kubernetes#77208: with minReadySeconds 30 five nodes take five times 30 s, whatever a node's clock says."""
    for name in FIVE:
        stage.skew(name, seconds)
    stage.create("agent", strategy=rolling(1), min_ready=30)
    stage.advance(60)
    stage.roll("agent", "good:2")
    stage.advance(149)
    assert stage.ds("agent")["status"]["numberAvailable"] == 4
    stage.advance(2)
    assert stage.ds("agent")["status"]["numberAvailable"] == 5
    assert updated(stage) == FIVE


@pytest.mark.parametrize(("seconds", "at_once"), [(-300.0, True), (300.0, False), (0.0, False)])
def test_what_a_start_finds_is_as_old_as_it_says_but_no_younger_than_now(
    stage: Stage, seconds: float, at_once: bool
) -> None:
    for name in FIVE:
        stage.skew(name, seconds)
    stage.create("agent", strategy=rolling(1), min_ready=30)
    stage.advance(5)
    assert stage.ds("agent")["status"].get("numberAvailable", 0) == 0
    stage.restart()
    stage.advance(2)
    assert stage.ds("agent")["status"].get("numberAvailable", 0) == (5 if at_once else 0)
    stage.advance(28)
    assert stage.ds("agent")["status"]["numberAvailable"] == 5
