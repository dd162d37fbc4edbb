"""Which nodes a pod asks for: nodeSelector and required node affinity.

The terms of an affinity are alternatives, the requirements within a term must all hold, and a term without any
requirement matches nothing. `matchFields` knows one field, metadata.name, with In or NotIn of exactly one value.
A requirement that makes no sense (an unknown operator, Gt with a word) makes its term match nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from everynode.fit.reasons import FITS, Reason, Unfit
from everynode.fit.views import AnyNode, AnyPodSpec, NodeSelectorRequirement, NodeSelectorTerm

NAME_FIELD = "metadata.name"


class Requirements(NamedTuple):
    """What one pod asks of a node; `terms` None asks for no affinity (an empty tuple can never be met)."""

    selector: Mapping[str, str]
    terms: tuple[NodeSelectorTerm, ...] | None

    @classmethod
    def of(cls, spec: AnyPodSpec) -> Requirements:
        affinity = spec.affinity.node_affinity if spec.affinity else None
        required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
        return cls(spec.node_selector, tuple(required.node_selector_terms) if required else None)

    def refuse(self, node: AnyNode) -> Unfit | None:
        labels = node.metadata.labels
        for key, value in self.selector.items():
            if labels.get(key) != value:
                return Unfit(Reason.AFFINITY, f"{key}={value}")
        if self.terms is None or any(_term_holds(term, node.metadata.name, labels) for term in self.terms):
            return FITS
        return Unfit(Reason.AFFINITY, "required node affinity")


def pinned_node(spec: AnyPodSpec) -> str:
    """The node that a pod is for: the one it is bound to, else the one its required affinity names by metadata.name; or ""."""
    if spec.node_name:
        return str(spec.node_name)
    terms = Requirements.of(spec).terms
    for term in terms or ():
        for requirement in term.match_fields:
            if requirement.key == NAME_FIELD and requirement.operator == "In" and len(requirement.values) == 1:
                return str(requirement.values[0])
    return ""


def _term_holds(term: NodeSelectorTerm, name: str, labels: Mapping[str, str]) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    return all(_field_holds(requirement, name) for requirement in term.match_fields) and all(
        _label_holds(requirement, labels) for requirement in term.match_expressions
    )


def _field_holds(requirement: NodeSelectorRequirement, name: str) -> bool:
    if requirement.key != NAME_FIELD or len(requirement.values) != 1:
        return False
    if requirement.operator == "In":
        return requirement.values[0] == name
    return requirement.operator == "NotIn" and requirement.values[0] != name


def _label_holds(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return bool(requirement.values) and (value is None or value not in requirement.values)
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" if value is not None and len(requirement.values) == 1:
            have, bound = _whole_number(value), _whole_number(requirement.values[0])
            if have is None or bound is None:
                return False
            return have > bound if requirement.operator == "Gt" else have < bound
    return False


def _whole_number(text: str) -> int | None:
    """A decimal integer, or None. Python's int() would also take spaces, underscores and other scripts' digits."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() else None
