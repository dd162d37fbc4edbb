"""Where a rollout stands, and what holds it: `diagnose(facts, now) -> Diagnosis`. Pure, on the planner's own tally.

A node is *done* when an available pod of the newest template serves it. One that is not is *held* when its pod has a cause that
does not go by itself, *waiting* when its old pod serves it until the budget lets it go, and otherwise *moving*. The rollout is

- DONE when every node is;
- BLOCKED when nothing moves and nothing may begin: the budget is used up by nodes that are held, or all that is left is held;
- PROGRESSING in every other case, with what slows it.

It costs what it examines: of each kind of node `facts.closely` at most, and none that is done or waits for its turn.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import msgspec

from everynode.controllers.daemonset.diagnosis.causes import Cause, Finding, Kind, merged
from everynode.controllers.daemonset.diagnosis.facts import Event, Facts, Pod, by_node, moment
from everynode.controllers.daemonset.diagnosis.pods import Situation, pod_finding
from everynode.controllers.daemonset.diagnosis.refusals import creation_findings
from everynode.controllers.daemonset.diagnosis.surroundings import surrounding_findings
from everynode.controllers.daemonset.placement import State
from everynode.controllers.daemonset.plan import unavailable_nodes
from everynode.fit.affinity import pinned_node

# Seconds for which a change of the spec may wait to be observed before it means that no controller works.
UNOBSERVED = 15.0

_WAITING = (State.OLD_AVAILABLE, State.LEAVING_AVAILABLE)
_AT_REST = (State.OUTSIDE, State.NEW_AVAILABLE)
# States in which the planner acts at once, whatever the budget says.
_ABOUT_TO_MOVE = (State.LEAVING_UNAVAILABLE, State.BOTH_DONE, State.SURPLUS, State.UNSETTLED)


class Phase(enum.Enum):
    """Where a rollout stands."""

    DONE = "done"
    PROGRESSING = "progressing"
    BLOCKED = "blocked"


class Progress(msgspec.Struct, frozen=True):
    """The counters of a rollout. `in_use` of `budget` nodes are unavailable; `started` and `ends` are Unix seconds, as far as
    the pods tell: `ends` is when the last node is done if the pace stays."""

    desired: int
    updated: int
    available: int
    waiting: int
    budget: int
    in_use: int
    started: float | None = None
    ends: float | None = None


class Diagnosis(msgspec.Struct, frozen=True):
    """The answer. `causes` are told most important first; without any, all goes as it should. `held` are the nodes that do not
    get on by themselves."""

    phase: Phase
    progress: Progress
    causes: tuple[Cause, ...] = ()
    held: frozenset[str] = frozenset()


def diagnose(facts: Facts, now: float) -> Diagnosis:
    """Where the rollout stands at `now` (Unix seconds), and why."""
    found, moving = _examine(facts, now)
    whole = [*_not_observed(facts, now), *creation_findings(facts, now), *_by_hand(facts)]
    phase = _phase(facts, moving, any(one.holds for one in whole))
    progress = _progress(facts, now)
    held = frozenset(one.node for one in found if one.holds)
    if phase is Phase.PROGRESSING:
        # What holds one node does not block the rollout while others go on.
        found = [msgspec.structs.replace(one, holds=False) for one in found]
    elif phase is Phase.BLOCKED and facts.strategy.rolling and progress.waiting and any(one.holds for one in found):
        whole.insert(0, _budget(facts, progress, found))
    causes = [*merged(whole), *merged(found), *merged(surrounding_findings(facts))]
    return Diagnosis(phase, progress, tuple(causes), held)


def under_way(facts: Facts) -> Diagnosis:
    """The answer at a glance, without a look at any node: a rollout that is not done goes on."""
    phase = _phase(facts, moving=not _is_finished(facts), refused=False)
    return Diagnosis(phase, _progress(facts, now=facts.started or 0.0))


def _examine(facts: Facts, now: float) -> tuple[list[Finding], bool]:
    """A finding for each node whose pod has a cause, and whether there is a node that gets on without anybody's help."""
    targets = {pod.metadata.uid: pinned_node(pod.spec) or "" for pod in facts.pods if not pod.spec.node_name}
    mine, others = by_node(facts.pods, targets), by_node(facts.others)
    told: dict[str, list[Event]] = {}
    for event in facts.events:
        told.setdefault(event.involved_object.uid, []).append(event)
    found = []
    moving = any(facts.tally.states[state] for state in _ABOUT_TO_MOVE) or bool(facts.tally.doomed)
    if facts.strategy.rolling:
        # It is replaced without regard to the budget.
        moving = moving or bool(facts.tally.states[State.OLD_UNAVAILABLE])
    for name in facts.tally.up_to_their_pods(facts.closely):
        pods = mine.get(name, ())
        pod = _decisive(facts, pods)
        finding = None
        if pod is not None:
            beside = [*pods, *others.get(name, ())]
            events = told.get(pod.metadata.uid, [])
            finding = pod_finding(
                Situation(pod, facts.nodes.get(name), beside, events, facts.rules.min_ready_seconds, now)
            )
        if finding is not None:
            found.append(msgspec.structs.replace(finding, node=name))
        moving = moving or finding is None or not finding.holds
    return found, moving


def _decisive(facts: Facts, pods: Sequence[Pod]) -> Pod | None:
    """The pod on which a node's progress hangs: the new one if there is one, else the one that is to go."""
    live = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
    new = [pod for pod in live if pod.metadata.labels.get("controller-revision-hash") == facts.rules.hash]
    candidates = new or live or list(pods)
    return candidates[0] if candidates else None


def _phase(facts: Facts, moving: bool, refused: bool) -> Phase:
    if refused:
        return Phase.BLOCKED
    if moving or facts.ds.status.observed_generation < facts.ds.metadata.generation:
        return Phase.PROGRESSING
    if _is_finished(facts):
        return Phase.DONE
    budget, in_use = _budget_of(facts)
    if _waiting(facts) and facts.strategy.rolling and in_use < budget:
        return Phase.PROGRESSING
    return Phase.BLOCKED


def _is_finished(facts: Facts) -> bool:
    """Whether every node is as it should be."""
    tally = facts.tally
    return sum(tally.states) == sum(tally.states[state] for state in _AT_REST) and not tally.doomed


def _waiting(facts: Facts) -> int:
    return sum(facts.tally.states[state] for state in _WAITING)


def _budget_of(facts: Facts) -> tuple[int, int]:
    """(nodes that may be without an available pod, or have a second one; those that are, or have)."""
    unavailable, surge = facts.strategy.budgets(facts.tally.desired)
    if facts.strategy.surge:
        return surge, facts.tally.states[State.BOTH_WAITING]
    return unavailable, unavailable_nodes(facts.tally.states)


def _budget(facts: Facts, progress: Progress, found: Sequence[Finding]) -> Finding:
    name = "maxSurge" if facts.strategy.surge else "maxUnavailable"
    holders = [one.pod for one in found if one.holds and one.pod]
    listed = ", ".join(holders[:5]) + (f" and {len(holders) - 5} more" if len(holders) > 5 else "")
    return Finding(
        Kind.BUDGET_USED_UP,
        f"{name} ({progress.budget}) is used up by pods that do not get on; nodes still waiting: {progress.waiting}",
        since=min((one.since for one in found if one.holds and one.since is not None), default=None),
        proof=f"used up by {listed}",
        remedy=f"kubectl rollout undo -n {facts.ds.metadata.namespace} ds/{facts.ds.metadata.name}",
        advice=("The next template, corrected or rolled back, replaces pods that are not available first.",),
    )


def _not_observed(facts: Facts, now: float) -> Iterator[Finding]:
    meta, observed = facts.ds.metadata, facts.ds.status.observed_generation
    if observed >= meta.generation:
        return
    away = facts.changed_at is not None and now - facts.changed_at > UNOBSERVED
    yield Finding(
        Kind.NOT_OBSERVED,
        "the newest change of the spec has not been seen by the DaemonSet controller",
        holds=away,
        since=facts.changed_at,
        proof=f"generation {meta.generation}, observedGeneration {observed}",
        advice=("Is a controller manager running?",) if away else (),
    )


def _by_hand(facts: Facts) -> Iterator[Finding]:
    """With OnDelete a person decides when each node is updated."""
    if facts.strategy.rolling:
        return
    by_state = facts.tally.by_state
    old = chain(by_state[State.OLD_UNAVAILABLE], by_state[State.OLD_AVAILABLE])
    for name in islice(old, facts.closely):
        pod = facts.tally.verdicts[name].old
        assert pod is not None, "the state says that there is one"
        yield Finding(
            Kind.ON_DELETE,
            "the update strategy is OnDelete, and nobody has deleted the old pod",
            node=name,
            pod=pod.key,
            since=moment(pod.metadata.creation_timestamp),
            proof=f"its revision is {pod.hash}, the newest is {facts.rules.hash}",
            remedy=f"kubectl delete pod -n {pod.metadata.namespace} {pod.metadata.name}",
        )


def _progress(facts: Facts, now: float) -> Progress:
    tally = facts.tally
    budget, in_use = _budget_of(facts)
    started = facts.started
    done = tally.states[State.NEW_AVAILABLE]
    left = sum(tally.states) - tally.states[State.OUTSIDE] - done
    ends = None
    if started is not None and done and left and now > started:
        ends = now + left * (now - started) / done
    return Progress(tally.desired, tally.updated, tally.available, _waiting(facts), budget, in_use, started, ends)
