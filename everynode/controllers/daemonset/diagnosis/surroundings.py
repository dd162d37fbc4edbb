"""What stands around a DaemonSet and gets in its way, or in a person's: others' selectors, pods it cannot adopt, drains.

None of it holds the rollout by itself; it is told last.
"""

from __future__ import annotations

from collections.abc import Iterator

from everynode.controllers.daemonset.diagnosis.causes import Finding, Kind
from everynode.controllers.daemonset.diagnosis.facts import Facts, by_node
from everynode.controllers.daemonset.template import template_labels
from everynode.values.labels import SelectorError, from_label_selector


def surrounding_findings(facts: Facts) -> Iterator[Finding]:
    yield from _overlaps(facts)
    yield from _not_adopted(facts)
    yield from _blocked_drains(facts)


def _overlaps(facts: Facts) -> Iterator[Finding]:
    """Another DaemonSet of the namespace that selects our pods too: each believes the nodes to be its own."""
    labels = template_labels(facts.ds)
    for other in facts.rivals:
        meta = other.metadata
        if meta.uid == facts.ds.metadata.uid:
            continue
        try:
            overlaps = other.selector.matches(labels)
        except SelectorError:
            continue
        if overlaps:
            yield Finding(
                Kind.SELECTORS_OVERLAP,
                f"the DaemonSet {meta.name} selects the same pods",
                holds=False,
                key=meta.uid,
                proof=f"its selector matches {', '.join(f'{key}={value}' for key, value in sorted(labels.items()))}",
                remedy=f"kubectl get ds -n {meta.namespace} {meta.name} -o jsonpath='{{.spec.selector}}'",
            )


def _not_adopted(facts: Facts) -> Iterator[Finding]:
    """Pods that match the selector and belong to somebody else, or to nobody for good."""
    for pod in facts.unclaimed:
        owner = pod.metadata.controller
        whose = f"controlled by the {owner.kind} {owner.name}" if owner is not None else "being deleted"
        yield Finding(
            Kind.NOT_ADOPTED,
            "pods match the selector that cannot be adopted",
            node=pod.spec.node_name,
            pod=pod.key,
            holds=False,
            proof=f"{pod.key} is {whose}",
            remedy=f"kubectl get pod -n {pod.metadata.namespace} {pod.metadata.name} --show-labels",
        )


def _blocked_drains(facts: Facts) -> Iterator[Finding]:
    """Budgets without a disruption left over pods of cordoned nodes: whoever drains those waits."""
    cordoned = {name for name, node in facts.nodes.items() if node.spec.unschedulable}
    if not cordoned:
        return
    standing = by_node([*facts.pods, *facts.others])
    for budget in facts.budgets:
        if budget.status.disruptions_allowed > 0:
            continue
        meta = budget.metadata
        selector = from_label_selector(budget.spec.selector)
        for node in sorted(cordoned):
            for pod in standing.get(node, ()):
                if (
                    pod.metadata.namespace == meta.namespace
                    and not pod.is_over
                    and selector.matches(pod.metadata.labels)
                ):
                    yield Finding(
                        Kind.DRAIN_BLOCKED,
                        f"the PodDisruptionBudget {meta.name} lets no pod be evicted",
                        node=node,
                        pod=pod.key,
                        holds=False,
                        key=meta.uid,
                        proof="disruptionsAllowed 0",
                        remedy=f"kubectl describe pdb -n {meta.namespace} {meta.name}",
                    )
