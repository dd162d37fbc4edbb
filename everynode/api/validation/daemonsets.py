"""DaemonSets: their selector and template, and how they may be updated."""

from __future__ import annotations

from everynode.api.apps_v1 import (
    DaemonSet,
    DaemonSetSpec,
    DaemonSetStatus,
    DaemonSetUpdateStrategy,
    RollingUpdateDaemonSet,
)
from everynode.api.fielderror import forbidden, invalid, not_supported, required
from everynode.api.validation.fields import Errors, check_immutable, check_not_negative
from everynode.api.validation.internal import as_internal
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.pods import check_pod_template
from everynode.api.validation.selectors import check_label_selector
from everynode.api.validation.shares import check_at_most_all, check_int_or_percent
from everynode.values.int_or_percent import IntOrString, percent
from everynode.values.labels import SelectorError, from_label_selector

STRATEGIES = ("RollingUpdate", "OnDelete")


def check_daemon_set(daemon_set: DaemonSet, errors: Errors) -> None:
    check_metadata(daemon_set.metadata, errors)
    _check_spec(daemon_set.spec, errors)


def check_daemon_set_update(new: DaemonSet, old: DaemonSet, errors: Errors) -> None:
    check_immutable(new.spec.selector, old.spec.selector, "spec.selector", errors)
    _check_spec(new.spec, errors)


def check_daemon_set_status_update(new: DaemonSet, old: DaemonSet, errors: Errors) -> None:
    _check_status(new.status, errors)
    before, after = old.status.collision_count, new.status.collision_count
    if before is not None and (after is None or after < before):
        errors.append(invalid("status.collisionCount", after or 0, "cannot be decremented"))


def _check_spec(spec: DaemonSetSpec, errors: Errors) -> None:
    _check_selector(spec, errors)
    check_pod_template(spec.template, "spec.template", errors)
    pod_spec = spec.template.spec
    if pod_spec.restart_policy != "Always":
        errors.append(not_supported("spec.template.spec.restartPolicy", pod_spec.restart_policy, ("Always",)))
    if pod_spec.active_deadline_seconds is not None:
        message = "activeDeadlineSeconds in DaemonSet is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", message))
    check_not_negative(spec.min_ready_seconds, "spec.minReadySeconds", errors)
    _check_strategy(spec.update_strategy, "spec.updateStrategy", errors)
    if spec.revision_history_limit is not None:
        check_not_negative(spec.revision_history_limit, "spec.revisionHistoryLimit", errors)


def _check_selector(spec: DaemonSetSpec, errors: Errors) -> None:
    check_label_selector(spec.selector, "spec.selector", errors)
    labels = spec.template.metadata.labels
    try:
        matches = from_label_selector(spec.selector).matches(labels)
    except SelectorError:
        matches = True  # what is wrong with it has been said already
    if not matches:
        # Without labels Kubernetes shows `null`.
        message = "`selector` does not match template `labels`"
        errors.append(invalid("spec.template.metadata.labels", labels or None, message))
    selector = spec.selector
    if selector is not None and not selector.match_labels and not selector.match_expressions:
        errors.append(invalid("spec.selector", selector, "empty selector is invalid for daemonset"))


def _check_strategy(strategy: DaemonSetUpdateStrategy, path: str, errors: Errors) -> None:
    if strategy.type not in STRATEGIES:
        errors.append(not_supported(path, as_internal(strategy), STRATEGIES))
    elif strategy.type == "RollingUpdate":
        if strategy.rolling_update is None:
            errors.append(required(f"{path}.rollingUpdate"))
        else:
            _check_rolling_update(strategy.rolling_update, f"{path}.rollingUpdate", errors)


def _check_rolling_update(rolling_update: RollingUpdateDaemonSet, path: str, errors: Errors) -> None:
    unavailable: IntOrString = 0 if rolling_update.max_unavailable is None else rolling_update.max_unavailable
    surge: IntOrString = 0 if rolling_update.max_surge is None else rolling_update.max_surge
    check_int_or_percent(unavailable, f"{path}.maxUnavailable", errors)
    check_int_or_percent(surge, f"{path}.maxSurge", errors)
    check_at_most_all(unavailable, f"{path}.maxUnavailable", errors)
    check_at_most_all(surge, f"{path}.maxSurge", errors)
    if _number(unavailable) and _number(surge):
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not _number(unavailable) and not _number(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _number(value: IntOrString) -> int:
    """What is written, whether a count or a share; what is neither counts as the integer that it begins with, if any."""
    if isinstance(value, int):
        return value
    share = percent(value)
    if share is not None:
        return share
    return int(value) if value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20 else 0


def _check_status(status: DaemonSetStatus, errors: Errors) -> None:
    check_not_negative(status.current_number_scheduled, "status.currentNumberScheduled", errors)
    check_not_negative(status.number_misscheduled, "status.numberMisscheduled", errors)
    check_not_negative(status.desired_number_scheduled, "status.desiredNumberScheduled", errors)
    check_not_negative(status.number_ready, "status.numberReady", errors)
    check_not_negative(status.observed_generation, "status.observedGeneration", errors)
    check_not_negative(status.updated_number_scheduled, "status.updatedNumberScheduled", errors)
    check_not_negative(status.number_available, "status.numberAvailable", errors)
    check_not_negative(status.number_unavailable, "status.numberUnavailable", errors)
    if status.collision_count is not None:
        check_not_negative(status.collision_count, "status.collisionCount", errors)
