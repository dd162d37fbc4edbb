"""One node, the daemon pods on it, one Verdict: SEMANTICS 1.3, 1.4, 1.5, 1.8, 1.9 and 1.12, table by table."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from everynode.controllers.daemonset.observe import Node, Pod
from everynode.controllers.daemonset.placement import Cause, State, Verdict, judge, placement, precedence
from everynode.fit.reasons import Reason
from tests.controllers.daemonset.daemon_facts import NEW, NOW, OLD, judged, node, pod, rules

NO_SCHEDULE = ("dedicated", "NoSchedule")
NO_EXECUTE = ("dedicated", "NoExecute")
EXISTS = {"tolerations": [{"key": "dedicated", "operator": "Exists"}]}


@pytest.mark.parametrize(
    ("template", "where", "run", "goes_on"),
    [
        ({}, node(), True, True),
        ({"nodeName": "n1"}, node(), True, True),
        ({"nodeName": "n2"}, node(), False, False),
        ({"nodeSelector": {"disk": "ssd"}}, node("n1", {"disk": "ssd"}), True, True),
        ({"nodeSelector": {"disk": "ssd"}}, node(), False, False),
        ({}, node("n1", {}, NO_SCHEDULE), False, True),
        ({}, node("n1", {}, NO_EXECUTE), False, False),
        ({}, node("n1", {}, NO_SCHEDULE, NO_EXECUTE), False, False),
        ({}, node("n1", {}, ("dedicated", "PreferNoSchedule")), True, True),
        (EXISTS, node("n1", {}, NO_SCHEDULE, NO_EXECUTE), True, True),
        # A selector that does not match leaves no room for the taint's mercy.
        ({"nodeSelector": {"disk": "ssd"}}, node("n1", {}, NO_SCHEDULE), False, False),
        # What every daemon pod tolerates, and what it does not.
        ({}, node("n1", {}, ("node.kubernetes.io/not-ready", "NoExecute")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/unreachable", "NoExecute")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/disk-pressure", "NoSchedule")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/memory-pressure", "NoSchedule")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/pid-pressure", "NoSchedule")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/unschedulable", "NoSchedule")), True, True),
        ({}, node("n1", {}, ("node.kubernetes.io/not-ready", "NoSchedule")), False, True),
        ({}, node("n1", {}, ("node.kubernetes.io/unreachable", "NoSchedule")), False, True),
        ({}, node("n1", {}, ("node.kubernetes.io/network-unavailable", "NoSchedule")), False, True),
        (
            {"hostNetwork": True},
            node("n1", {}, ("node.kubernetes.io/network-unavailable", "NoSchedule")),
            True,
            True,
        ),
    ],
)
def test_where_daemon_pods_run(template: dict[str, Any], where: Node, run: bool, goes_on: bool) -> None:
    should_run, should_continue, refusal = placement(rules(template), where, "n1")
    assert (should_run, should_continue) == (run, goes_on)
    assert (refusal is None) is run


def test_a_refusal_says_what_stands_in_the_way() -> None:
    verdict = judge(rules(), "n1", node("n1", {}, NO_SCHEDULE), [], NOW, ready_since={})
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.detail) == (Reason.UNTOLERATED_TAINT, "dedicated:NoSchedule")


def doomed(verdict: Verdict) -> set[tuple[str, Cause]]:
    return {(one.pod.metadata.name, one.cause) for one in verdict.doomed}


FAILED = pod("f", phase="Failed", ready=False)
SUCCEEDED = pod("s", phase="Succeeded", ready=False)
GOING = pod("t", terminating=True)
OLDER = pod("older", created="2025-01-01T00:00:00Z")
YOUNGER = pod("younger", created="2027-01-01T00:00:00Z")
UNBOUND = pod("unbound", bound=False, created="2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("pods", "surge", "lacks", "goes"),
    [
        ((), False, True, set()),
        ((), True, True, set()),
        ((pod(),), False, False, set()),
        # Terminating pods still occupy the node, unless they have ended or the strategy surges.
        ((GOING,), False, False, set()),
        ((GOING,), True, True, set()),
        ((pod("t", phase="Failed", terminating=True),), False, True, set()),
        ((pod("t", phase="Succeeded", terminating=True),), False, True, set()),
        # What has ended goes; its replacement is a later plan's.
        ((FAILED,), False, False, {("f", Cause.FAILED)}),
        ((SUCCEEDED,), False, False, {("s", Cause.SUCCEEDED)}),
        ((FAILED,), True, True, {("f", Cause.FAILED)}),
        ((FAILED, pod()), False, False, {("f", Cause.FAILED)}),
        # Without surge one pod stays: bound before unbound, then the oldest, then by name.
        ((YOUNGER, OLDER), False, False, {("younger", Cause.SURPLUS)}),
        ((UNBOUND, YOUNGER), False, False, {("unbound", Cause.SURPLUS)}),
        ((pod("b"), pod("a")), False, False, {("b", Cause.SURPLUS)}),
        ((pod("a", OLD), pod("b", NEW)), False, False, {("b", Cause.SURPLUS)}),
        ((OLDER, GOING), False, False, set()),
        # With surge one of each kind may stay, as long as the old one serves and the new one does not.
        ((pod("o", OLD), pod("n", NEW, ready=False)), True, False, set()),
        ((pod("o", OLD), pod("n", NEW)), True, False, {("o", Cause.REPLACED)}),
        ((pod("o", OLD, ready=False), pod("n", NEW, ready=False)), True, False, {("o", Cause.OLD_NOT_READY)}),
        ((pod("o", OLD, ready=False), pod("n", NEW)), True, False, {("o", Cause.OLD_NOT_READY)}),
        ((pod("n1"), pod("n2", ready=False)), True, False, {("n2", Cause.SURPLUS)}),
        (
            (pod("o1", OLD), pod("o2", OLD), pod("n1", ready=False), pod("n2", ready=False)),
            True,
            False,
            {("o2", Cause.SURPLUS), ("n2", Cause.SURPLUS)},
        ),
    ],
)
def test_upkeep_of_a_node_that_should_run(
    pods: tuple[Pod, ...], surge: bool, lacks: bool, goes: set[tuple[str, Cause]]
) -> None:
    for order in (pods, pods[::-1]):
        verdict = judged(*order, surge=surge)
        assert (verdict.lacks_pod, doomed(verdict)) == (lacks, goes)


def test_upkeep_of_a_node_that_should_not_run() -> None:
    keeps = judged(pod(), at=node("n1", {}, NO_SCHEDULE))
    assert doomed(keeps) == set()
    clears = judged(pod("a"), FAILED, GOING, at=node("n1", {}, NO_EXECUTE))
    assert doomed(clears) == {("a", Cause.NOT_WANTED), ("f", Cause.NOT_WANTED)}
    assert clears.state is State.UNSETTLED
    assert not judged(at=node("n1", {}, NO_SCHEDULE)).lacks_pod


def test_a_node_that_does_not_exist_loses_only_pods_that_nobody_else_would_clear() -> None:
    verdict = judge(rules(), "gone", None, [UNBOUND, pod("bound")], NOW, ready_since={})
    assert doomed(verdict) == {("unbound", Cause.NODE_GONE)}
    assert (verdict.should_run, verdict.scheduled) == (False, False)


def test_a_failed_pod_waits_for_its_back_off() -> None:
    waiting = judged(FAILED, failed_until=NOW + 4)
    assert (doomed(waiting), waiting.until) == (set(), NOW + 4)
    over = judged(FAILED, failed_until=NOW)
    assert (doomed(over), over.until) == ({("f", Cause.FAILED)}, inf)
    # Succeeded pods know no back-off.
    assert doomed(judged(SUCCEEDED, failed_until=NOW + 4)) == {("s", Cause.SUCCEEDED)}


LEFT = node("n1", {}, NO_SCHEDULE)


@pytest.mark.parametrize(
    ("pods", "at", "state", "old", "covered"),
    [
        ((), node(), State.BARE, None, False),
        ((), LEFT, State.OUTSIDE, None, False),
        ((GOING,), node(), State.BARE, None, False),
        ((GOING,), LEFT, State.BARE, None, False),
        ((pod(),), node(), State.NEW_AVAILABLE, None, True),
        ((pod(),), LEFT, State.NEW_AVAILABLE, None, True),
        ((pod(ready=False),), node(), State.NEW_UNAVAILABLE, None, False),
        ((pod("o", OLD),), node(), State.OLD_AVAILABLE, "o", True),
        ((pod("o", OLD), GOING), node(), State.OLD_AVAILABLE, "o", True),
        ((pod("o", OLD, ready=False),), node(), State.OLD_UNAVAILABLE, "o", False),
        ((pod("o", OLD),), LEFT, State.LEAVING_AVAILABLE, "o", True),
        ((pod("o", OLD, ready=False),), LEFT, State.LEAVING_UNAVAILABLE, "o", False),
        ((pod("o", OLD), pod("n", ready=False)), node(), State.BOTH_WAITING, "o", True),
        ((pod("o", OLD, ready=False), pod("n", ready=False)), node(), State.BOTH_WAITING, "o", False),
        ((pod("o", OLD), pod("n")), node(), State.BOTH_DONE, "o", True),
        ((pod("a"), pod("b")), node(), State.SURPLUS, None, False),
        ((pod("a", OLD), pod("b", OLD)), node(), State.SURPLUS, None, False),
    ],
)
def test_a_node_in_the_eyes_of_an_update(
    pods: tuple[Pod, ...], at: Node, state: State, old: str | None, covered: bool
) -> None:
    verdict = judged(*pods, at=at, surge=True)
    name = verdict.old.metadata.name if verdict.old else None
    assert (verdict.state, name, verdict.covered) == (state, old, covered)


def test_nothing_is_done_about_a_node_whose_last_write_is_not_seen_yet() -> None:
    for pods in ((), (FAILED,), (OLDER, YOUNGER), (pod("o", OLD), pod("n"))):
        verdict = judged(*pods, unsettled=True)
        assert (verdict.lacks_pod, verdict.doomed, verdict.state, verdict.covered) == (
            False,
            (),
            State.UNSETTLED,
            False,
        )
    # Its status is told all the same.
    assert judged(pod(), unsettled=True).available


@pytest.mark.parametrize(
    ("pods", "status"),
    [
        ((), (False, False, False, False)),
        ((pod(),), (True, True, True, True)),
        ((pod(ready=False),), (True, False, False, True)),
        ((pod("o", OLD),), (True, True, True, False)),
        # Only the first pod is looked at, even when it is terminating.
        ((OLDER, pod("n", OLD, ready=False)), (True, True, True, True)),
        ((pod("o", OLD, created="2020-01-01T00:00:00Z", terminating=True), pod("n")), (True, True, True, False)),
        ((pod("o", OLD, phase="Failed", terminating=True), pod("n")), (True, True, True, True)),
        ((UNBOUND, pod("n", ready=False)), (True, False, False, True)),
    ],
)
def test_how_a_node_counts_in_the_status(pods: tuple[Pod, ...], status: tuple[bool, bool, bool, bool]) -> None:
    verdict = judged(*pods)
    assert (verdict.scheduled, verdict.ready, verdict.available, verdict.updated) == status


def test_a_pod_is_available_when_it_has_been_ready_long_enough_and_the_verdict_says_when() -> None:
    strict = rules(min_ready=30)

    def at(now: float, since: dict[str, float]) -> Verdict:
        return judge(strict, "n1", node(), [pod()], now, ready_since=since)

    waiting = at(NOW, {"uid-p": NOW - 29})
    assert (waiting.ready, waiting.available, waiting.until) == (True, False, NOW + 1)
    assert waiting.state is State.NEW_UNAVAILABLE
    # Exactly at the moment it promised, and not earlier.
    assert at(waiting.until, {"uid-p": NOW - 29}).available
    assert at(waiting.until, {"uid-p": NOW - 29}).until == inf
    # Nobody has seen it become ready yet.
    assert (at(NOW, {}).available, at(NOW, {}).until) == (False, inf)


def test_precedence_is_a_total_order_on_names() -> None:
    ordered = sorted([UNBOUND, YOUNGER, OLDER], key=precedence)
    assert [one.metadata.name for one in ordered] == ["older", "younger", "unbound"]
