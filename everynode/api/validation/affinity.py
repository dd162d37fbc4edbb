"""Affinity: which nodes a pod wants, and which pods it wants beside it or far from it."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
)
from everynode.api.fielderror import invalid, required
from everynode.api.validation.fields import Errors, add_faults, check_label_key, dns_label_faults, dns_subdomain_faults
from everynode.api.validation.scheduling import check_match_label_keys
from everynode.api.validation.selectors import MEMBERSHIP, check_label_selector, check_operator, check_values

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
COMPARING_OPERATORS = ("Gt", "Lt")
NOT_AN_OPERATOR = "not a valid selector operator"


def check_affinity(affinity: Affinity, path: str, errors: Errors) -> None:
    if affinity.node_affinity is not None:
        _check_node_affinity(affinity.node_affinity, f"{path}.nodeAffinity", errors)
    if affinity.pod_affinity is not None:
        _check_pod_affinity(affinity.pod_affinity, f"{path}.podAffinity", errors)
    if affinity.pod_anti_affinity is not None:
        _check_pod_affinity(affinity.pod_anti_affinity, f"{path}.podAntiAffinity", errors)


def _check_node_affinity(affinity: NodeAffinity, path: str, errors: Errors) -> None:
    selector = affinity.required_during_scheduling_ignored_during_execution
    if selector is not None:
        _check_node_selector(selector, f"{path}.{REQUIRED}", errors)
    for index, preferred in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        place = f"{path}.{PREFERRED}[{index}]"
        _check_weight(preferred.weight, place, errors)
        # Values of a preference are not held to the grammar of labels.
        _check_term(preferred.preference, f"{place}.preference", errors, strict_values=False)


def _check_node_selector(selector: NodeSelector, path: str, errors: Errors) -> None:
    if not selector.node_selector_terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(selector.node_selector_terms):
        _check_term(term, f"{path}.nodeSelectorTerms[{index}]", errors, strict_values=True)


def _check_term(term: NodeSelectorTerm, path: str, errors: Errors, *, strict_values: bool) -> None:
    for index, requirement in enumerate(term.match_expressions):
        place = f"{path}.matchExpressions[{index}]"
        _check_label_requirement(requirement, place, errors)
        if strict_values:
            check_values(requirement.values, place, errors)
    for index, requirement in enumerate(term.match_fields):
        _check_field_requirement(requirement, f"{path}.matchFields[{index}]", errors)


def _check_label_requirement(requirement: NodeSelectorRequirement, path: str, errors: Errors) -> None:
    if requirement.operator in COMPARING_OPERATORS:
        if len(requirement.values) != 1:
            message = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{path}.values", message))
    else:
        check_operator(requirement.operator, requirement.values, path, errors)
    check_label_key(requirement.key, f"{path}.key", errors)


def _check_field_requirement(requirement: NodeSelectorRequirement, path: str, errors: Errors) -> None:
    """The only field of a node that can be matched is its name, and only one name at a time."""
    if requirement.operator not in MEMBERSHIP:
        errors.append(invalid(f"{path}.operator", requirement.operator, NOT_AN_OPERATOR))
    elif len(requirement.values) != 1:
        message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(f"{path}.values", message))
    if requirement.key != "metadata.name":
        errors.append(invalid(f"{path}.key", requirement.key, "not a valid field selector key"))
        return
    for index, value in enumerate(requirement.values):
        if faults := dns_subdomain_faults(value):
            add_faults(faults, value, f"{path}.values[{index}]", errors)


def _check_pod_affinity(affinity: PodAffinity | PodAntiAffinity, path: str, errors: Errors) -> None:
    _check_pod_terms(affinity.required_during_scheduling_ignored_during_execution, f"{path}.{REQUIRED}", errors)
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        place = f"{path}.{PREFERRED}[{index}]"
        _check_weight(weighted.weight, place, errors)
        _check_pod_term(weighted.pod_affinity_term, f"{place}.podAffinityTerm", errors)


def _check_pod_terms(terms: Sequence[PodAffinityTerm], path: str, errors: Errors) -> None:
    for index, term in enumerate(terms):
        _check_pod_term(term, f"{path}[{index}]", errors)


def _check_pod_term(term: PodAffinityTerm, path: str, errors: Errors) -> None:
    check_label_selector(term.label_selector, f"{path}.labelSelector", errors)
    check_label_selector(term.namespace_selector, f"{path}.namespaceSelector", errors)
    for namespace in term.namespaces:
        add_faults(dns_label_faults(namespace), namespace, f"{path}.namespace", errors)
    check_match_label_keys(term.match_label_keys, term.mismatch_label_keys, term.label_selector, path, errors)
    if not term.topology_key:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    check_label_key(term.topology_key, f"{path}.topologyKey", errors)


def _check_weight(weight: int, path: str, errors: Errors) -> None:
    if not 1 <= weight <= 100:
        errors.append(invalid(f"{path}.weight", weight, "must be in the range 1-100"))
