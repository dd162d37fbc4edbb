"""What pods and nodes say of each other: tolerations and taint effects, scheduling gates, and how a pod spreads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from everynode.api.core_v1 import PodSchedulingGate, Toleration, TopologySpreadConstraint
from everynode.api.fielderror import duplicate, forbidden, invalid, not_supported, required
from everynode.api.meta_v1 import LabelSelector
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    check_label_key,
    check_one_of,
    check_positive,
    check_required_word,
    label_key_faults,
    label_value_faults,
)
from everynode.api.validation.selectors import check_label_selector

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# Named by the API, and accepted only behind a switch that is off in 1.37.
COMPARING_OPERATORS = ("Lt", "Gt")
INCLUSION_POLICIES = ("Honor", "Ignore")


def check_tolerations(tolerations: Sequence[Toleration], path: str, errors: Errors) -> None:
    for index, toleration in enumerate(tolerations):
        _check_toleration(toleration, f"{path}[{index}]", errors)


def check_taint_effect(effect: str, path: str, errors: Errors) -> None:
    check_required_word(effect, TAINT_EFFECTS, path, errors)


def check_scheduling_gates(gates: Sequence[PodSchedulingGate], path: str, errors: Errors) -> None:
    seen = set()
    for index, gate in enumerate(gates):
        check_label_key(gate.name, f"{path}[{index}]", errors)
        if gate.name in seen:
            errors.append(duplicate(f"{path}[{index}]", gate.name))
        seen.add(gate.name)


def check_topology_spread(constraints: Sequence[TopologySpreadConstraint], path: str, errors: Errors) -> None:
    # How often each pair is still to come.
    later = Counter((constraint.topology_key, constraint.when_unsatisfiable) for constraint in constraints)
    for index, constraint in enumerate(constraints):
        place = f"{path}[{index}]"
        check_positive(constraint.max_skew, f"{place}.maxSkew", errors)
        if not constraint.topology_key:
            errors.append(required(f"{place}.topologyKey", "can not be empty"))
        actions = ("DoNotSchedule", "ScheduleAnyway")
        check_one_of(constraint.when_unsatisfiable, actions, f"{place}.whenUnsatisfiable", errors)
        _check_not_repeated((constraint.topology_key, constraint.when_unsatisfiable), later, place, errors)
        _check_min_domains(constraint, f"{place}.minDomains", errors)
        if constraint.node_affinity_policy is not None:
            check_one_of(constraint.node_affinity_policy, INCLUSION_POLICIES, f"{place}.nodeAffinityPolicy", errors)
        if constraint.node_taints_policy is not None:
            check_one_of(constraint.node_taints_policy, INCLUSION_POLICIES, f"{place}.nodeTaintsPolicy", errors)
        check_match_label_keys(constraint.match_label_keys, (), constraint.label_selector, place, errors)
        check_label_selector(constraint.label_selector, f"{place}.labelSelector", errors)


def check_match_label_keys(
    matching: Sequence[str], mismatching: Sequence[str], selector: LabelSelector | None, path: str, errors: Errors
) -> None:
    """`matchLabelKeys` and `mismatchLabelKeys`, which the API server merges into the selector beside them."""
    _check_label_keys(matching, selector, f"{path}.matchLabelKeys", errors)
    _check_label_keys(mismatching, selector, f"{path}.mismatchLabelKeys", errors)
    if selector is not None and matching:
        places = {key: index for index, key in enumerate(matching)}
        selected = set(selector.match_labels)
        for requirement in selector.match_expressions:
            if requirement.key in places and requirement.key in selected:
                place = f"{path}[{places[requirement.key]}]"
                errors.append(invalid(place, requirement.key, "exists in both matchLabelKeys and labelSelector"))
            selected.add(requirement.key)
    both = set(mismatching).intersection(matching)
    for index, key in enumerate(matching):
        if key in both:
            place = f"{path}.matchLabelKeys[{index}]"
            errors.append(invalid(place, key, "exists in both matchLabelKeys and mismatchLabelKeys"))


def _check_toleration(toleration: Toleration, path: str, errors: Errors) -> None:
    key, operator, effect = toleration.key, toleration.operator, toleration.effect
    if key:
        if faults := label_key_faults(key):
            add_faults(faults, key, f"{path}.key", errors)
    elif operator != "Exists":
        message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", operator, message))
    if toleration.toleration_seconds is not None and effect != "NoExecute":
        message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, message))
    _check_toleration_value(operator, toleration.value, path, errors)
    if effect:
        check_one_of(effect, TAINT_EFFECTS, f"{path}.effect", errors)


def _check_toleration_value(operator: str, value: str, path: str, errors: Errors) -> None:
    if operator == "Exists":
        if value:
            errors.append(invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'"))
    elif operator in ("Equal", ""):
        if faults := label_value_faults(value):
            errors.append(invalid(f"{path}.operator", value, ";".join(faults)))
    elif operator in COMPARING_OPERATORS:
        errors.append(not_supported(f"{path}.operator", operator, ("Equal", "Exists", *COMPARING_OPERATORS)))
    else:
        errors.append(not_supported(f"{path}.operator", operator, ("Equal", "Exists")))


def _check_not_repeated(pair: tuple[str, str], later: Counter[tuple[str, str]], path: str, errors: Errors) -> None:
    later[pair] -= 1
    if later[pair]:
        errors.append(duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}"))


def _check_min_domains(constraint: TopologySpreadConstraint, path: str, errors: Errors) -> None:
    if constraint.min_domains is None:
        return
    check_positive(constraint.min_domains, path, errors)
    action = constraint.when_unsatisfiable
    if action != "DoNotSchedule":
        message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(invalid(path, constraint.min_domains, message))


def _check_label_keys(keys: Sequence[str], selector: LabelSelector | None, path: str, errors: Errors) -> None:
    if not keys:
        return
    if selector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
        return
    for index, key in enumerate(keys):
        check_label_key(key, f"{path}[{index}]", errors)
