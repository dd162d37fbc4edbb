"""PodDisruptionBudgets: one of two bounds, as a count or a share; a status that counts nothing below zero."""

from __future__ import annotations

import msgspec

from everynode.api.fielderror import invalid, not_supported
from everynode.api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetSpec
from everynode.api.validation.conditions import check_conditions
from everynode.api.validation.fields import Errors, check_not_negative
from everynode.api.validation.metadata import check_metadata, path_segment_faults
from everynode.api.validation.selectors import check_label_selector
from everynode.api.validation.shares import check_at_most_all, check_int_or_percent
from everynode.values.int_or_percent import IntOrString

UNHEALTHY_POD_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def check_pod_disruption_budget(budget: PodDisruptionBudget, errors: Errors) -> None:
    check_metadata(budget.metadata, errors, name_faults=path_segment_faults)
    _check_spec(budget.spec, errors)


def check_pod_disruption_budget_update(new: PodDisruptionBudget, old: PodDisruptionBudget, errors: Errors) -> None:
    _check_spec(new.spec, errors)


def check_pod_disruption_budget_status_update(
    new: PodDisruptionBudget, old: PodDisruptionBudget, errors: Errors
) -> None:
    status = new.status
    check_conditions(status.conditions, "status.conditions", errors)
    check_not_negative(status.disruptions_allowed, "status.disruptionsAllowed", errors)
    check_not_negative(status.current_healthy, "status.currentHealthy", errors)
    check_not_negative(status.desired_healthy, "status.desiredHealthy", errors)
    check_not_negative(status.expected_pods, "status.expectedPods", errors)


def _check_spec(spec: PodDisruptionBudgetSpec, errors: Errors) -> None:
    if spec.min_available is not None and spec.max_unavailable is not None:
        errors.append(invalid("spec", _shown(spec), "minAvailable and maxUnavailable cannot be both set"))
    _check_bound(spec.min_available, "spec.minAvailable", errors)
    _check_bound(spec.max_unavailable, "spec.maxUnavailable", errors)
    check_label_selector(spec.selector, "spec.selector", errors)
    policy = spec.unhealthy_pod_eviction_policy
    if policy is not None and policy not in UNHEALTHY_POD_EVICTION_POLICIES:
        path = "spec.unhealthyPodEvictionPolicy"
        errors.append(not_supported(path, policy, UNHEALTHY_POD_EVICTION_POLICIES))


def _check_bound(bound: IntOrString | None, path: str, errors: Errors) -> None:
    if bound is not None:
        check_int_or_percent(bound, path, errors)
        check_at_most_all(bound, path, errors)


def _shown(spec: PodDisruptionBudgetSpec) -> msgspec.Raw:
    """The spec in Kubernetes' internal form, in which a selector alone keeps the names it has outside."""
    fields = {
        "MinAvailable": spec.min_available,
        "Selector": spec.selector,
        "MaxUnavailable": spec.max_unavailable,
        "UnhealthyPodEvictionPolicy": spec.unhealthy_pod_eviction_policy,
    }
    return msgspec.Raw(msgspec.json.encode(fields))
