"""Anything may happen to a cluster, in any order: hypothesis chooses, the Stage does it, the Witness looks on.

Three simulated nodes and up to two that clients make, up to three DaemonSets (two of them with the same selector), and every
trouble there is. At the end of each run all faults are mended, and the cluster must come to rest.

How long it runs is a hypothesis profile, chosen by the environment variable `EVERYNODE_SIMULATION`:

    python -m pytest tests/simulation                                     # `ci`: the same runs each time, half a minute
    EVERYNODE_SIMULATION=long python -m pytest tests/simulation/test_machine.py   # other runs each time, about an hour

A failure prints the steps that lead to it, as calls that can be pasted into a test, and (in the long profile) the line
`@reproduce_failure(…)`, which replays it when it stands on top of AnyWeather.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.simulation import recount
from tests.simulation.recount import Json
from tests.simulation.stage import ON_DELETE, Stage, Template, rolling

SIZE = 3
# Two DaemonSets of one selector: they adopt what the other lets go.
APPS = {"one": "one", "two": "two", "twin": "one"}
NAMES = sorted(APPS)
MADE = ("made-0", "made-1")
MOST_RUNNING = 12  # bare pods

names = st.sampled_from(["one", "one", *NAMES])
which = st.integers(0, 7)
images = st.sampled_from(
    ["good:1", "good:2", "good:3", "slow:1", "slow:2", "crash:1", "crash:2", "never:1", "missing:1"]
)
zones = st.sampled_from(["", "", "", "a"])  # nodes are in none at first
strategies = st.one_of(
    st.just(rolling(1)),
    st.builds(rolling, st.sampled_from([1, 2, "30%", "50%", "100%"])),
    st.builds(rolling, st.just(0), st.sampled_from([1, 2, "30%", "100%"])),
    st.just(ON_DELETE),
)
# Three DaemonSets of one CPU each and one more pod in a surge are all that a node of four CPUs holds.
cpus = st.sampled_from(["100m", "900m"])
# Each DaemonSet has a host port of its own, if any: two with one port would never come to rest.
PORTS = {"one": 8001, "two": 8002, "twin": 8003}
seldom = st.sampled_from([False, False, False, True])
templates = st.builds(Template, images, zones, st.booleans(), cpus, priority=st.sampled_from(["", "mid"]))
budgets = st.sampled_from(
    [
        {"minAvailable": 1},
        {"minAvailable": 2},
        {"minAvailable": "50%"},
        {"maxUnavailable": 1},
        {"maxUnavailable": "30%"},
    ]
)
policies = st.sampled_from([{}, {"unhealthyPodEvictionPolicy": "AlwaysAllow"}])
# None, less than what is needed, and more.
quotas = st.sampled_from(
    [{}, {"pods": "2"}, {"pods": "4"}, {"cpu": "1500m"}, {"pods": "6", "cpu": "3"}, {"pods": "50"}]
)
min_ready = st.sampled_from([0, 0, 5, 30])
history = st.sampled_from([0, 1, 10])
effects = st.sampled_from(["", "NoSchedule", "NoExecute", "PreferNoSchedule"])
# After each step: nothing has been heard of it yet, it is under way, or all that follows has happened.
pauses = st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0, 2.5, 6.0, 12.0, 31.0])


def step(**choices: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule after which time passes: were that a rule like the others, most would fall on one moment."""

    def of(act: Callable[..., None]) -> Any:
        @functools.wraps(act)
        def acted(self: Rollouts, then: float = 0.0, **chosen: Any) -> None:
            act(self, **chosen)
            self.stage.advance(then)

        return rule(then=pauses, **choices)(acted)

    return of


class Rollouts(RuleBasedStateMachine):
    """One cluster, from its start until it is at rest; images change, nodes are tainted, pods are deleted."""

    @initialize(strategy=strategies, min_ready=min_ready)
    def begin(self, strategy: Json, min_ready: int, nodes: int = SIZE) -> None:
        self.stage = Stage(nodes)
        self.stage.create("one", strategy=strategy, min_ready=min_ready)
        self.stage.advance(1 + min_ready)

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            if not self.stage.broken:
                self.stage.rest()
        finally:
            self.stage.close()

    # Choosing

    def existing(self, which: int) -> str | None:
        """The name of a DaemonSet that is there and not going."""
        there = [ds["metadata"] for _, ds in sorted(self.stage.witness.daemon_sets.items())]
        names = [meta["name"] for meta in there if "deletionTimestamp" not in meta]
        return str(names[which % len(names)]) if names else None

    def pod(self, which: int, nodes: Sequence[str] = ()) -> Json | None:
        pods = [one for _, one in sorted(self.stage.witness.pods.items())]
        if nodes:
            pods = [one for one in pods if one["spec"].get("nodeName") in nodes]
        return pods[which % len(pods)] if pods else None

    def node(self, which: int) -> str | None:
        nodes = self.stage.nodes
        return nodes[which % len(nodes)] if nodes else None

    @rule(seconds=st.sampled_from([31.0, 60.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.stage.advance(seconds)

    @step(which=which, image=images)
    def set_image(self, which: int, image: str) -> None:
        if (name := self.existing(which)) is not None:
            self.stage.roll(name, Template(image))

    @step(
        which=which, image=st.sampled_from(["good:4", "good:5", "slow:4"]), strategy=st.sampled_from([None, rolling(1)])
    )
    def update(self, which: int, image: str, strategy: Json | None) -> None:
        """An update such as most are: of pods that are well, by pods that will be."""
        if (name := self.existing(which)) is not None:
            if strategy is not None:
                self.stage.change(name, updateStrategy=strategy)
            self.stage.roll(name, "good:1")
            self.stage.advance(60)
            self.stage.roll(name, Template(image))

    @step(which=which, effect=effects)
    def taint_node(self, which: int, effect: str) -> None:
        if (node := self.node(which)) is not None:
            self.stage.taint(node, effect)

    @step(index=st.integers(0, SIZE - 1), seconds=st.sampled_from([-300.0, 0.0, 40.0, 300.0]))
    def skew(self, index: int, seconds: float) -> None:
        self.stage.skew(f"node-{index:05d}", seconds)

    @step(which=which, grace=st.sampled_from([None, 0, 5]))
    def delete_pod(self, which: int, grace: int | None) -> None:
        if (pod := self.pod(which)) is not None:
            self.stage.delete_pod(pod, grace)


class AnyWeather(Rollouts):
    """The same, and everything else that may happen, from the start."""

    bare = 0

    @initialize(
        template=templates,
        strategy=strategies,
        min_ready=min_ready,
        budget=st.one_of(st.none(), budgets),
        seconds=pauses,
        durable=seldom,
    )
    def begin(
        self, template: Template, strategy: Json, min_ready: int, budget: Json | None, seconds: float, durable: bool
    ) -> None:
        self.stage = Stage(SIZE, durable=durable)
        self.stage.create("one", template, strategy, min_ready=min_ready)
        if budget is not None:
            self.stage.guard("one", **budget)
        self.stage.advance(seconds)

    # Time

    @step(down=st.sampled_from([0.0, 5.0, 100.0]), crash=st.booleans())
    def restart(self, down: float, crash: bool) -> None:
        self.stage.restart(down, crash=crash)

    # DaemonSets

    @step(name=names, template=templates, listens=seldom, strategy=strategies, min_ready=min_ready, history=history)
    def create(
        self, name: str, template: Template, listens: bool, strategy: Json, min_ready: int, history: int
    ) -> None:
        template = dataclasses.replace(template, port=PORTS[name] * listens)
        self.stage.create(name, template, strategy, min_ready=min_ready, history=history, app=APPS[name])

    @step(which=which, propagation=st.sampled_from(["Background", "Foreground", "Orphan"]))
    def delete(self, which: int, propagation: str) -> None:
        if (name := self.existing(which)) is not None:
            self.stage.delete(name, propagation)

    @step(which=which, template=templates, listens=seldom)
    def change_template(self, which: int, template: Template, listens: bool) -> None:
        if (name := self.existing(which)) is not None:
            self.stage.roll(name, dataclasses.replace(template, port=PORTS[name] * listens))

    @step(which=which, strategy=strategies)
    def change_strategy(self, which: int, strategy: Json) -> None:
        if (name := self.existing(which)) is not None:
            # A strategic patch would leave the other budget in place; so does a merge patch, unless it is null.
            self.stage.change(name, updateStrategy={"rollingUpdate": None, **strategy})

    @step(which=which, seconds=min_ready)
    def change_min_ready(self, which: int, seconds: int) -> None:
        if (name := self.existing(which)) is not None:
            self.stage.change(name, minReadySeconds=seconds)

    @step(which=which, back=st.integers(1, 3))
    def undo(self, which: int, back: int) -> None:
        if (name := self.existing(which)) is not None:
            self.stage.undo(name, back)

    # Nodes

    @step(which=which, zone=st.sampled_from([None, "a", "b"]))
    def label_node(self, which: int, zone: str | None) -> None:
        if (node := self.node(which)) is not None:
            self.stage.label(node, zone)

    @step(which=which, unschedulable=st.booleans())
    def cordon(self, which: int, unschedulable: bool) -> None:
        if (node := self.node(which)) is not None:
            self.stage.cordon(node, unschedulable)

    @step(which=which)
    def delete_node(self, which: int) -> None:
        if (node := self.node(which)) is not None:
            self.stage.delete_node(node)

    @step(index=st.integers(0, SIZE - 1), zone=zones)
    def bring_node_back(self, index: int, zone: str) -> None:
        name = f"node-{index:05d}"
        if name not in self.stage.nodes:
            self.stage.make_node(name, simulated=True, zone=zone)

    @step(name=st.sampled_from(MADE), zone=zones)
    def make_node(self, name: str, zone: str) -> None:
        if name not in self.stage.nodes:
            self.stage.make_node(name, zone=zone)

    @step()
    def work_as_kubelet(self) -> None:
        self.stage.work_as_kubelet()

    @step(index=st.integers(0, SIZE - 1), silent=st.booleans())
    def silence(self, index: int, silent: bool) -> None:
        self.stage.silence(f"node-{index:05d}", silent)

    # Pods

    @step(which=which, app=st.sampled_from([None, "one", "two"]))
    def label_pod(self, which: int, app: str | None) -> None:
        if (pod := self.pod(which)) is not None:
            self.stage.label_pod(pod, app)

    @step(which=which)
    def fail_pod(self, which: int) -> None:
        # Only where the test is the kubelet: another one would contradict.
        if (pod := self.pod(which, MADE)) is not None:
            self.stage.fail_pod(pod)

    @precondition(lambda self: self.bare < MOST_RUNNING)
    @step(
        which=which,
        cpu=st.sampled_from(["100m", "3500m"]),
        port=st.sampled_from([0, 0, *PORTS.values()]),
        priority=st.sampled_from(["", "low", "low", "mid", "high"]),
        pinned=st.booleans(),
    )
    def bare_pod(self, which: int, cpu: str, port: int, priority: str, pinned: bool) -> None:
        if (node := self.node(which)) is not None:
            self.bare += 1
            self.stage.bare_pod(f"bare-{self.bare}", node, cpu=cpu, port=port, priority=priority, pinned=pinned)

    @precondition(lambda self: self.bare < MOST_RUNNING)
    @step(which=which, priority=st.sampled_from(["", "low", "mid", "high"]))
    def fill(self, which: int, priority: str) -> None:
        """An ordinary pod takes all the CPU that is left on a node."""
        if (node := self.node(which)) is not None:
            there = [pod for pod in self.stage.witness.pods.values() if pod["spec"].get("nodeName") == node]
            free = recount.cpu_of(self.stage.witness.nodes[node]) - sum(map(recount.cpu, filter(recount.live, there)))
            if free > 0:
                self.bare += 1
                self.stage.bare_pod(f"bare-{self.bare}", node, cpu=f"{free}m", priority=priority)

    # Budgets and quotas

    @step(app=st.sampled_from(["one", "one", "one", "two"]), budget=budgets, policy=policies)
    def guard(self, app: str, budget: Json, policy: Json) -> None:
        self.stage.guard(app, **budget, **policy)

    @precondition(lambda self: self.stage.witness.tables.budgets)
    @step()
    def unguard(self) -> None:
        self.stage.unguard()

    @step(which=which, count=st.integers(1, 3), grace=st.sampled_from([None, None, 0]))
    def evict(self, which: int, count: int, grace: int | None) -> None:
        """Of pods that a budget guards, if any are."""
        tables = self.stage.witness.tables
        pods = [one for _, one in sorted(tables.pods.items())]
        guarded = [one for one in pods if any(recount.guards(budget, one) for budget in tables.budgets.values())]
        pods = guarded or pods
        self.stage.evict([pods[(which + each) % len(pods)] for each in range(min(count, len(pods)))], grace)

    @step(which=which)
    def drain(self, which: int) -> None:
        """Cordons a node and evicts all that is on it, as `kubectl drain` would if DaemonSets were not there."""
        if (node := self.node(which)) is not None:
            self.stage.cordon(node)
            self.stage.evict([pod for pod in self.stage.witness.pods.values() if pod["spec"].get("nodeName") == node])

    @step(quota=quotas)
    def bound(self, quota: dict[str, str]) -> None:
        if quota:
            self.stage.bound(**quota)
        else:
            self.stage.unbound()
