"""A tally that has lived through anything equals one built afresh."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everynode.controllers.daemonset.observe import Pod
from everynode.controllers.daemonset.placement import Verdict, judge
from everynode.controllers.daemonset.plan import Strategy, make_plan
from everynode.controllers.daemonset.status import status_of
from everynode.controllers.daemonset.tally import Tally
from tests.controllers.daemonset.daemon_facts import NEW, NOW, OLD, node, pod, rules

NODES = [f"n{number}" for number in range(6)]


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    return pod(
        draw(st.sampled_from("abcd")),
        draw(st.sampled_from((NEW, OLD))),
        ready=draw(st.booleans()),
        bound=draw(st.booleans()),
        terminating=draw(st.booleans()),
        phase=draw(st.sampled_from(("Running", "Pending", "Failed", "Succeeded"))),
        created=draw(st.sampled_from(("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))),
    )


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    name = draw(st.sampled_from(NODES))
    taints = draw(st.sampled_from(((), (("a", "NoSchedule"),), (("a", "NoExecute"),))))
    where = draw(st.sampled_from((node(name, {}, *taints), None)))
    present = draw(st.lists(pods(), max_size=3, unique_by=lambda one: one.metadata.name))
    return judge(
        rules(surge=draw(st.booleans()), min_ready=draw(st.sampled_from((0, 30)))),
        name,
        where,
        present,
        NOW,
        ready_since={f"uid-{letter}": NOW - draw(st.sampled_from((0, 60))) for letter in "abcd"},
        failed_until=draw(st.sampled_from((0.0, NOW + 1))),
        unsettled=draw(st.booleans()),
    )


@given(st.lists(st.one_of(verdicts(), st.sampled_from(NODES)), max_size=30))
def test_a_tally_equals_its_rebuild(history: list[Verdict | str]) -> None:
    lived = Tally()
    for step in history:
        if isinstance(step, str):
            lived.forget(step)
        else:
            lived.replace(step)
    rebuilt = Tally()
    for verdict in reversed(list(lived.verdicts.values())):
        rebuilt.apply(None, verdict)
    assert lived == rebuilt
    for strategy in (Strategy(True, 2, 0), Strategy(True, 0, 2), Strategy(False)):
        assert make_plan(lived, strategy) == make_plan(rebuilt, strategy)


@given(st.lists(verdicts(), max_size=20))
def test_the_status_is_what_counting_would_give(history: list[Verdict]) -> None:
    tally = Tally()
    for verdict in history:
        tally.replace(verdict)
    current = list(tally.verdicts.values())
    runs = [verdict for verdict in current if verdict.should_run]
    status = status_of(tally, 7, None)
    assert status.desired_number_scheduled == len(runs)
    assert status.current_number_scheduled == sum(verdict.scheduled for verdict in runs)
    assert status.number_ready == sum(verdict.ready for verdict in runs)
    assert status.number_available == sum(verdict.available for verdict in runs)
    assert status.updated_number_scheduled == sum(verdict.updated for verdict in runs)
    assert status.number_misscheduled == sum(v.scheduled and not v.should_run for v in current)
    assert status.number_unavailable == status.desired_number_scheduled - status.number_available
    assert status.observed_generation == 7


def test_the_same_verdict_again_changes_nothing() -> None:
    tally = Tally()
    verdict = judge(rules(), "n1", node(), [pod()], NOW, ready_since={})
    assert tally.replace(verdict)
    assert not tally.replace(judge(rules(), "n1", node(), [pod()], NOW, ready_since={}))
