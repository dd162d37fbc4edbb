"""One decision of the planner, with all that it rested on: written down so that it can be made again anywhere.

    recorded(...) -> Decision              as it is made
    Recording                              the decisions of one DaemonSet, as they are handed out: JSON
    replay(recording, decision) -> [...]   makes it again, by the code of today; what comes out otherwise

A plan depends on the tally's counters and on the nodes that the planner looked at, not on the rest of the fleet; so a decision
among a hundred thousand nodes is written down as whole as one among three. Of each node looked at, the facts are kept, not the
Verdict: a replay judges it anew. Each decision carries a digest of what it rested on, so that one that was altered is told from
one that is decided otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from everynode.controllers.daemonset.observe import DaemonSet, Node, Pod
from everynode.controllers.daemonset.placement import Cause, Rules, State, Verdict, judge
from everynode.controllers.daemonset.plan import Plan, Strategy, make_plan, surging_nodes, unavailable_nodes
from everynode.controllers.daemonset.revisions import canonical
from everynode.controllers.daemonset.tally import Tally
from everynode.controllers.daemonset.template import rules_of

CREATE, DELETE = "create", "delete"
# Refusals that are kept of one decision: of 250 creations they say the same, but for the names.
REFUSALS = 3


class RecordingUnusable(Exception):
    """It is no recording of decisions, or not a whole one."""


class NodeFacts(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """What was known of one node: the arguments of `judge`. `ready_since` holds its own pods only."""

    name: str
    node: Node | None = None
    pods: tuple[Pod, ...] = ()
    ready_since: Mapping[str, float] = {}
    failed_until: float = 0.0
    unsettled: bool = False

    def verdict(self, rules: Rules, now: float) -> Verdict:
        return judge(
            rules,
            self.name,
            self.node,
            self.pods,
            now,
            ready_since=self.ready_since,
            failed_until=self.failed_until,
            unsettled=self.unsettled,
        )


class Action(msgspec.Struct, frozen=True, gc=False):
    """A pod made for a node, or deleted from it, and why. One that is made has no name yet."""

    verb: str
    node: str
    cause: Cause
    pod: str = ""

    def __str__(self) -> str:
        what = f"pod {self.pod} of" if self.pod else "a pod for"
        return f"{self.verb} {what} {self.node}: {self.cause.value}"


class Decision(msgspec.Struct, rename="camel", gc=False):
    """What was decided at `at` (Unix seconds by the controller's clock), and again, `times` in all, until `until`.

    `states` counts the nodes in each `State`; it, `desired` and `covered` are of the whole fleet, `nodes` are those that were
    looked at. `refusals` is what the API said against the actions. `input` is the digest of what the decision rested on; it is
    made when the decision is handed out.
    """

    number: int
    at: float
    until: float
    generation: int
    revision: str
    strategy: Strategy
    desired: int
    covered: int
    states: tuple[int, ...]
    nodes: tuple[NodeFacts, ...] = ()
    actions: tuple[Action, ...] = ()
    more: bool = False
    times: int = 1
    refusals: tuple[str, ...] = ()
    input: str = ""

    @property
    def budget(self) -> tuple[int, int]:
        """(nodes of the budget that are in use, nodes that it allows)."""
        unavailable, surge = self.strategy.budgets(self.desired)
        return (
            (surging_nodes(self.states), surge)
            if self.strategy.surge
            else (unavailable_nodes(self.states), unavailable)
        )

    def tally(self, rules: Rules) -> Tally:
        """The nodes that were looked at, judged anew, with the counters of the whole fleet."""
        tally = Tally()
        for facts in self.nodes:
            tally.replace(facts.verdict(rules, self.at))
        tally.states = list(self.states)
        tally.desired, tally.covered = self.desired, self.covered
        return tally

    def refused(self, refusals: Sequence[str]) -> None:
        """Notes what the API said against the actions: each thing once, and only the first few."""
        self.refusals = tuple(dict.fromkeys(refusals))[:REFUSALS]

    def repeats(self, other: Decision) -> bool:
        """Whether both say of the same fleet that nothing is to be done."""
        return (
            self.states == other.states
            and not (self.actions or other.actions)
            and self.generation == other.generation
            and self.revision == other.revision
            and self.strategy == other.strategy
        )


class Recording(msgspec.Struct, rename="camel"):
    """Decisions about one DaemonSet, oldest first; `subjects` holds it by generation, as it then was."""

    namespace: str
    name: str
    subjects: dict[int, DaemonSet]
    decisions: list[Decision]
    kind: str = "RecordedDecisions"
    everynode: str = ""


def recorded(
    number: int,
    at: float,
    generation: int,
    hash: str,
    strategy: Strategy,
    tally: Tally,
    plan: Plan,
    nodes: tuple[NodeFacts, ...],
) -> Decision:
    """The decision that led to this plan; `nodes` are those that the plan examined."""
    actions = _actions(plan) if plan.creations or plan.deletions else ()
    counters = (tally.desired, tally.covered, tuple(tally.states))
    return Decision(number, at, at, generation, hash, strategy, *counters, nodes, actions, plan.more)


def replay(recording: Recording, decision: Decision) -> list[str]:
    """Decides again; each line tells of something that came out otherwise. Raises RecordingUnusable."""
    subject = recording.subjects.get(decision.generation)
    if subject is None:
        raise RecordingUnusable(f"generation {decision.generation} of the DaemonSet is not in the recording")
    if decision.input != digest(subject, decision):
        return ["what it rested on is not what was recorded: the digest differs"]
    if len(decision.states) != len(State):
        raise RecordingUnusable(f"it counts nodes in {len(decision.states)} states; there are {len(State)}")
    rules = rules_of(subject, decision.revision, decision.strategy.surge)
    plan = make_plan(decision.tally(rules), decision.strategy)
    return list(_differences(decision, plan))


def digest(subject: DaemonSet, decision: Decision) -> str:
    """Of all that the decision rested on, and of nothing else."""
    rested_on = (
        canonical(msgspec.json.decode(subject.spec.template)),
        subject.spec.min_ready_seconds,
        decision.at,
        decision.revision,
        decision.strategy,
        (decision.desired, decision.covered, decision.states),
        decision.nodes,
    )
    return f"sha256:{hashlib.sha256(msgspec.json.encode(rested_on)).hexdigest()}"


def _actions(plan: Plan) -> tuple[Action, ...]:
    created = [Action(CREATE, one.node, one.cause) for one in plan.creations]
    return (*created, *[Action(DELETE, one.node, one.cause, one.pod.metadata.name) for one in plan.deletions])


def _differences(decision: Decision, plan: Plan) -> Iterator[str]:
    before, now = decision.actions, _actions(plan)
    for action in before:
        if action not in now:
            yield f"no longer: {action}"
    for action in now:
        if action not in before:
            yield f"new: {action}"
    if set(before) == set(now) and before != now:
        yield "the same actions, in another order"
    if decision.more != plan.more:
        yield f"there {'is' if plan.more else 'is no longer'} more to do than fits in one plan"
