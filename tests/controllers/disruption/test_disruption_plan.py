"""What a budget's status says, case by case; no clock, no API."""

from __future__ import annotations

import pytest

from everynode.api.meta_v1 import LabelSelector, LabelSelectorRequirement
from everynode.api.policy_v1 import PodDisruptionBudgetStatus
from everynode.controllers.disruption.plan import Notice, Plan, plan, seconds_to_spare
from tests.controllers.disruption.budget_facts import NOW, ago, budget, owner, pod, pods, tally

DS = owner("ds")


def counts(decided: Plan) -> tuple[int, int, int, int]:
    """expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed."""
    status = decided.status
    assert status is not None
    return status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed


@pytest.mark.parametrize(
    ("spec", "desired", "expected"),
    [
        ({"min_available": 3}, 10, (5, 3, 5, 2)),
        ({"min_available": 5}, 10, (5, 5, 5, 0)),
        ({"min_available": 9}, 10, (5, 9, 5, 0)),
        ({"min_available": 0}, 10, (5, 0, 5, 5)),
        ({"min_available": "50%"}, 5, (5, 3, 5, 2)),
        ({"min_available": "50%"}, 10, (10, 5, 5, 0)),
        ({"min_available": "41%"}, 7, (7, 3, 5, 2)),
        ({"min_available": "100%"}, 5, (5, 5, 5, 0)),
        ({"max_unavailable": 1}, 5, (5, 4, 5, 1)),
        ({"max_unavailable": 0}, 5, (5, 5, 5, 0)),
        ({"max_unavailable": 9}, 5, (5, 0, 5, 5)),
        ({"max_unavailable": "10%"}, 5, (5, 4, 5, 1)),
        ({"max_unavailable": "30%"}, 7, (7, 4, 5, 1)),
        ({"max_unavailable": "50%"}, 0, (0, 0, 5, 0)),
        ({}, 5, (0, 0, 5, 0)),
    ],
)
def test_counts_and_shares_of_a_daemon_sets_pods(
    spec: dict[str, int | str], desired: int, expected: tuple[int, ...]
) -> None:
    assert counts(plan(budget(**spec), tally(*pods(5, DS)), {"ds": desired}, NOW)) == expected


def test_what_several_daemon_sets_want_is_added_up() -> None:
    counted = tally(*pods(4, DS), pod("q", owner("other")))
    assert counts(plan(budget(min_available="50%"), counted, {"ds": 4, "other": 6, "third": 9}, NOW)) == (10, 5, 5, 0)


def test_pods_that_are_not_ready_or_go_are_expected_and_not_healthy() -> None:
    counted = tally(*pods(3, DS), pod("sick", DS, ready=False), pod("going", DS, going=True))
    assert counts(plan(budget(min_available=2), counted, {}, NOW)) == (5, 2, 3, 1)


def test_the_condition_tells_whether_and_since_when() -> None:
    first = plan(budget(min_available=1), tally(*pods(2, DS)), {}, NOW - 60).status
    assert first is not None
    (condition,) = first.conditions
    assert (condition.type, condition.status, condition.reason) == ("DisruptionAllowed", "True", "SufficientPods")
    assert (condition.last_transition_time, condition.observed_generation) == (ago(60), 3)
    assert first.observed_generation == 3
    less = plan(budget(first, min_available=1), tally(pod("p0", DS)), {}, NOW).status
    assert less is not None
    (condition,) = less.conditions
    assert (condition.status, condition.reason) == ("False", "InsufficientPods")
    assert condition.last_transition_time == ago(0)
    # Another count with the same answer leaves the moment of the change as it is.
    more = plan(budget(less, min_available=3), tally(*pods(2, DS)), {}, NOW + 60).status
    assert more is not None
    assert more.conditions[0].last_transition_time == ago(0)


def test_a_status_that_stands_is_not_written_again() -> None:
    counted = tally(*pods(2, DS))
    status = plan(budget(min_available=1), counted, {}, NOW).status
    assert plan(budget(status, min_available=1), counted, {}, NOW + 60) == Plan(None)


def test_no_pods_at_all() -> None:
    decided = plan(budget(max_unavailable=1), tally(), {}, NOW)
    assert counts(decided) == (0, 0, 0, 0)
    assert decided.notices == (Notice("Normal", "NoPods", "No matching pods found"),)


@pytest.mark.parametrize(
    ("by", "why"),
    [
        (owner("rs", "ReplicaSet"), 'no matches for kind "ReplicaSet" in version "apps/v1"'),
        (owner("n", "Node", "v1"), "nodes does not implement the scale subresource"),
        (owner("gone"), 'found no controllers for pod "p0"'),
    ],
)
@pytest.mark.parametrize("spec", [{"max_unavailable": 1}, {"min_available": "50%"}])
def test_what_cannot_be_counted_allows_nothing_and_says_why(by: object, why: str, spec: dict[str, int | str]) -> None:
    before = PodDisruptionBudgetStatus(observed_generation=2, disruptions_allowed=7, current_healthy=9)
    decided = plan(budget(before, **spec), tally(*pods(1, by)), {}, NOW)  # type: ignore[arg-type]
    status = decided.status
    assert status is not None
    assert (status.disruptions_allowed, status.current_healthy, status.observed_generation) == (0, 9, 2)
    (condition,) = status.conditions
    assert (condition.status, condition.reason, condition.message) == ("False", "SyncFailed", why)
    assert condition.observed_generation == 2
    said = f"Failed to calculate the number of expected pods: {why}"
    assert decided.notices == (Notice("Warning", "CalculateExpectedPodCountFailed", said),)
    assert plan(budget(status, **spec), tally(*pods(1, by)), {}, NOW + 9).status is None  # type: ignore[arg-type]
    # A plain count of available pods asks nobody.
    assert counts(plan(budget(status, min_available=1), tally(*pods(1, by)), {}, NOW)) == (1, 1, 1, 0)  # type: ignore[arg-type]


def test_pods_that_nobody_controls_are_told_of_and_not_expected() -> None:
    selector = LabelSelector(
        match_labels={"b": "2", "a": "1"},
        match_expressions=[LabelSelectorRequirement(key="c", operator="In", values=["x", "y"])],
    )
    counted = tally(*pods(3, DS), pod("bare"))
    decided = plan(budget(max_unavailable=1, selector=selector), counted, {"ds": 3}, NOW)
    assert counts(decided) == (3, 2, 4, 2)
    (notice,) = decided.notices
    assert (notice.type, notice.reason) == ("Warning", "UnmanagedPods")
    assert notice.message.startswith(
        "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:c,Operator:In,Values:[x y],},},}) were found"
    )
    assert not plan(budget(min_available=1), counted, {}, NOW).notices


def test_a_granted_pod_counts_no_more_until_it_is_overdue() -> None:
    counted = tally(*pods(5, DS), pod("going", DS, going=True), pod("sick", DS, ready=False))
    disrupted = {"p0": ago(30), "p1": ago(119), "p2": ago(120), "going": ago(1), "sick": ago(10), "gone": ago(1)}
    before = PodDisruptionBudgetStatus(disrupted_pods=disrupted)
    decided = plan(budget(before, min_available=1), counted, {}, NOW)
    assert counts(decided) == (7, 1, 3, 2)
    assert decided.status is not None
    assert decided.status.disrupted_pods == {"p0": ago(30), "p1": ago(119), "sick": ago(10)}
    assert decided.look_again_after == 1
    message = "Pod was expected by PDB default/web to be deleted but it wasn't"
    assert decided.notices == (Notice("Warning", "NotDeleted", message, "p2"),)


def test_a_clock_that_was_set_back_or_a_time_that_is_missing_keeps_no_pod_waiting() -> None:
    counted = tally(*pods(3, DS))
    before = PodDisruptionBudgetStatus(disrupted_pods={"p0": ago(-100), "p1": ago(-3600), "p2": ""})
    decided = plan(budget(before, min_available=1), counted, {}, NOW)
    assert decided.status is not None
    # Clocks may differ a little; an hour is no difference between clocks.
    assert decided.status.disrupted_pods == {"p0": ago(-100)}
    assert (decided.look_again_after, [notice.pod for notice in decided.notices]) == (220, ["p1", "p2"])


@pytest.mark.parametrize(
    ("since", "terminating", "phase", "seconds"),
    [
        (None, False, "Running", None),
        (30, False, "Running", 90),
        (120, False, "Running", 0),
        (999, False, "Pending", 0),
        (-3600, False, "Running", 0),
        (30, True, "Running", None),
        (30, False, "Failed", None),
    ],
)
def test_when_a_condemned_pod_is_spared(
    since: float | None, terminating: bool, phase: str, seconds: float | None
) -> None:
    condemned = pod("a", going=terminating)
    condemned.status.phase = phase
    condemned.status.condemned_since = ago(since) if since is not None else None
    assert seconds_to_spare(condemned, NOW) == seconds
