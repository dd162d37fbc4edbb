"""While a pod waits behind scheduling gates, whoever gates it may still narrow where it goes, and only narrow it."""

from __future__ import annotations

from everynode.api.core_v1 import Affinity, NodeAffinity, NodeSelectorTerm, PodSpec
from everynode.api.fielderror import invalid
from everynode.api.validation.fields import Errors
from everynode.api.validation.internal import as_internal

_TERMS = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def check_gated_changes(spec: PodSpec, old: PodSpec, errors: Errors) -> None:
    """Judges the changes of node selector and node affinity, and then takes them back in `spec`."""
    if spec.node_selector != old.node_selector:
        if not old.node_selector.items() <= spec.node_selector.items():
            message = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
            errors.append(invalid("spec.nodeSelector", spec.node_selector, message))
        spec.node_selector = old.node_selector
    new_affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    old_affinity = old.affinity.node_affinity if old.affinity is not None else None
    if new_affinity != old_affinity:
        _check_only_narrowed(new_affinity, old_affinity, errors)
        _take_back(spec, old, old_affinity)


def _check_only_narrowed(new: NodeAffinity | None, old: NodeAffinity | None, errors: Errors) -> None:
    before = _required_terms(old)
    after = _required_terms(new)
    if before and len(before) != len(after):
        message = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(_TERMS, as_internal(after), message))
        return
    for index, (new_term, old_term) in enumerate(zip(after, before, strict=False)):
        if not _only_adds(new_term, old_term):
            message = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{_TERMS}[{index}]", as_internal(new_term), message))


def _required_terms(affinity: NodeAffinity | None) -> list[NodeSelectorTerm]:
    selector = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return selector.node_selector_terms if selector is not None else []


def _only_adds(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    """An empty term selects nothing, so whatever is added to it would widen it."""
    if not old.match_expressions and not old.match_fields:
        return not new.match_expressions and not new.match_fields
    return (
        new.match_expressions[: len(old.match_expressions)] == old.match_expressions
        and new.match_fields[: len(old.match_fields)] == old.match_fields
    )


def _take_back(spec: PodSpec, old: PodSpec, node_affinity: NodeAffinity | None) -> None:
    affinity = spec.affinity
    if affinity is None:
        spec.affinity = Affinity(node_affinity=node_affinity)
    elif old.affinity is None and affinity.pod_affinity is None and affinity.pod_anti_affinity is None:
        spec.affinity = None
    else:
        affinity.node_affinity = node_affinity
