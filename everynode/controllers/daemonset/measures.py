"""A DaemonSet's rollout in numbers, for metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from everynode.base.samples import Sample
from everynode.controllers.daemonset.diagnosis.causes import Kind
from everynode.controllers.daemonset.observe import DaemonSet
from everynode.controllers.daemonset.plan import Strategy, unavailable_nodes
from everynode.controllers.daemonset.tally import Tally


def samples_of(
    ds: DaemonSet, tally: Tally, strategy: Strategy, blocked: Mapping[Kind, float], examined: int
) -> Iterator[Sample]:
    """The nodes by how far they are, the budget and what is used of it, for how long what has blocked (seconds), and how many
    nodes were looked at for all that."""
    whose = {"namespace": ds.metadata.namespace, "daemonset": ds.metadata.name}
    budget, _ = strategy.budgets(tally.desired)
    gauges = (
        ("desired_nodes", "Nodes that should run the pod.", tally.desired),
        ("updated_nodes", "Of these, nodes whose pod is of the newest template.", tally.updated),
        ("available_nodes", "Of these, nodes whose pod is available.", tally.available),
        ("budget_nodes", "Nodes that may be without an available pod (maxUnavailable).", budget),
        ("budget_used_nodes", "Nodes that are without an available pod.", unavailable_nodes(tally.states)),
    )
    for name, about, value in gauges:
        yield Sample(f"everynode_daemonset_{name}", about, whose, value)
    about = "How many times a node was looked at, judging and planning."
    yield Sample("everynode_daemonset_examined_nodes_total", about, whose, examined)
    for kind, seconds in blocked.items():
        about = "For how long a rollout was blocked, by cause."
        yield Sample("everynode_daemonset_blocked_seconds_total", about, {**whose, "cause": kind.value}, seconds)
