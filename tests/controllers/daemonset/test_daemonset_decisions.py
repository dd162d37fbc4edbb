"""Decisions are written down so that they can be made again: whatever the fleet, the strategy and the way through JSON."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.controllers.daemonset import decisions
from everynode.controllers.daemonset.decisions import (
    CREATE,
    DELETE,
    Action,
    NodeFacts,
    Recording,
    RecordingUnusable,
    digest,
    recorded,
    replay,
)
from everynode.controllers.daemonset.placement import Cause
from everynode.controllers.daemonset.plan import BURST, Plan, Strategy, make_plan
from everynode.controllers.daemonset.tally import Tally
from everynode.controllers.daemonset.template import rules_of
from tests.controllers.daemonset.daemon_facts import NEW, NOW, daemon_set
from tests.controllers.daemonset.test_daemonset_plan import KINDS

DS = daemon_set()
ROLLING, SURGING = Strategy(True, 1, 0), Strategy(True, 0, 1)


def decided(fleet: str, strategy: Strategy) -> Recording:
    """The decision about a fleet, one letter a node, through JSON and back."""
    rules = rules_of(DS, NEW, strategy.surge)
    facts, tally = {}, Tally()
    for number, letter in enumerate(fleet):
        name = f"{number:03}"
        node, pods = KINDS[letter](name)
        facts[name] = NodeFacts(name, node, tuple(pods), unsettled=letter == "u")
        tally.replace(facts[name].verdict(rules, NOW))
    plan = make_plan(tally, strategy)
    decision = recorded(1, NOW, 1, NEW, strategy, tally, plan, tuple(facts[name] for name in plan.examined))
    decision.input = digest(DS, decision)
    recording = Recording("default", "ds", {1: DS}, [decision])
    return msgspec.json.decode(msgspec.json.encode(recording), type=Recording)


budgets = st.sampled_from([1, 2, "10%", "50%"])
strategies = st.one_of(
    st.builds(Strategy, st.just(True), budgets, st.just(0)),
    st.builds(Strategy, st.just(True), st.just(0), budgets),
    st.just(Strategy(False)),
)


@given(st.text("".join(KINDS), max_size=40), strategies)
def test_a_decision_is_made_again_as_it_was(fleet: str, strategy: Strategy) -> None:
    recording = decided(fleet, strategy)
    assert replay(recording, recording.decisions[0]) == []


def test_only_what_was_looked_at_is_written_down() -> None:
    few, many = decided("o" * 10, ROLLING).decisions[0], decided("o" * 500, ROLLING).decisions[0]
    assert [one.name for one in few.nodes] == [one.name for one in many.nodes] == ["000"]
    assert many.actions == (Action(DELETE, "000", Cause.UPDATE, "o-000"),)


def test_a_decision_that_was_cut_short_is_made_again_as_it_was() -> None:
    recording = decided("." * (BURST + 50), ROLLING)
    decision = recording.decisions[0]
    assert decision.more
    assert len(decision.actions) == BURST
    assert replay(recording, decision) == []


def test_what_was_altered_is_told_from_what_is_decided_otherwise() -> None:
    recording = decided("oo", ROLLING)
    decision = recording.decisions[0]
    decision.desired += 1
    assert replay(recording, decision) == ["what it rested on is not what was recorded: the digest differs"]


def test_each_difference_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def patient(tally: Tally, strategy: Strategy) -> Plan:
        return make_plan(tally, Strategy(False))

    monkeypatch.setattr(decisions, "make_plan", patient)
    recording = decided("Oo", SURGING)
    assert replay(recording, recording.decisions[0]) == [
        f"no longer: create a pod for 000: {Cause.OLD_UNAVAILABLE.value}",
        f"no longer: create a pod for 001: {Cause.SURGE.value}",
    ]


def test_a_recording_without_the_daemon_set_is_refused() -> None:
    recording = decided("o", ROLLING)
    recording.subjects.clear()
    with pytest.raises(RecordingUnusable, match="generation 1 of the DaemonSet is not in the recording"):
        replay(recording, recording.decisions[0])


def test_actions_are_told_in_words() -> None:
    assert str(Action(CREATE, "n1", Cause.MISSING)) == "create a pod for n1: the node has no daemon pod"
    assert str(Action(DELETE, "n1", Cause.FAILED, "p")) == "delete pod p of n1: it has failed"
