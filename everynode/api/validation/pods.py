"""Pods: on creation, on update (nearly everything is fixed once a pod exists), and their status.

`check_pod_template` is for controllers that make pods; it lacks the rules that only a pod itself must keep.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everynode.api.core_v1 import Container, Pod, PodSchedulingGate, PodSpec, PodTemplateSpec, Toleration
from everynode.api.fielderror import forbidden, invalid, required
from everynode.api.validation.containers import check_image_padding
from everynode.api.validation.fields import (
    ID_MAX,
    Errors,
    check_annotations,
    check_labels,
    check_not_negative,
)
from everynode.api.validation.gatedpods import check_gated_changes
from everynode.api.validation.internal import difference
from everynode.api.validation.metadata import check_metadata
from everynode.api.validation.podannotations import (
    check_annotation_changes,
    check_annotations_match_fields,
    check_pod_annotations,
)
from everynode.api.validation.podspec import check_pod_spec
from everynode.api.validation.scheduling import check_tolerations
from everynode.values.names import inclusive_range_error

UPDATABLE_FIELDS = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def check_pod(pod: Pod, errors: Errors) -> None:
    """A pod that is to be created."""
    _check_metadata_and_spec(pod, errors)
    if pod.spec.ephemeral_containers:
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if pod.spec.node_name and pod.spec.scheduling_gates:
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    if pod.metadata.annotations:
        check_annotations_match_fields(pod.metadata.annotations, pod.spec, "spec", errors)


def check_pod_template(template: PodTemplateSpec, path: str, errors: Errors) -> None:
    metadata, spec = template.metadata, template.spec
    check_labels(metadata.labels, f"{path}.labels", errors)
    if metadata.annotations:
        check_annotations(metadata.annotations, f"{path}.annotations", errors)
        check_pod_annotations(metadata.annotations, spec, f"{path}.annotations", errors)
    check_pod_spec(spec, None, f"{path}.spec", errors)
    if metadata.annotations:
        check_annotations_match_fields(metadata.annotations, spec, f"{path}.spec", errors)
    if spec.ephemeral_containers:
        message = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", message))


def check_pod_update(new: Pod, old: Pod, errors: Errors) -> None:
    _check_metadata_and_spec(new, errors)
    check_annotation_changes(new.metadata.annotations, old.metadata.annotations, "metadata.annotations", errors)
    check_pod_annotations(new.metadata.annotations, new.spec, "metadata.annotations", errors)
    for containers, before, path in (
        (new.spec.containers, old.spec.containers, "spec.containers"),
        (new.spec.init_containers, old.spec.init_containers, "spec.initContainers"),
    ):
        if not _same_number(containers, before, path, errors):
            return
    if not _check_deadline(new.spec, old.spec, errors):
        return
    _check_only_added(new.spec.tolerations, old.spec.tolerations, "spec.tolerations", errors)
    _check_only_removed(new.spec.scheduling_gates, old.spec.scheduling_gates, "spec.schedulingGates", errors)
    if new.spec != old.spec:
        _check_rest_unchanged(new.spec, old.spec, errors)


def _check_metadata_and_spec(pod: Pod, errors: Errors) -> None:
    metadata, spec = pod.metadata, pod.spec
    check_metadata(metadata, errors)
    if metadata.annotations:
        check_pod_annotations(metadata.annotations, spec, "metadata.annotations", errors)
    check_pod_spec(spec, metadata, "spec", errors)
    if not spec.service_account_name:
        _check_no_tokens(spec, errors)
    if spec.termination_grace_period_seconds is not None:
        check_not_negative(spec.termination_grace_period_seconds, "spec.terminationGracePeriodSeconds", errors)
    _check_padding(spec.containers, "spec.containers", errors)
    _check_padding(spec.init_containers, "spec.initContainers", errors)


def _check_padding(containers: Sequence[Container], path: str, errors: Errors) -> None:
    for index, container in enumerate(containers):
        check_image_padding(container, f"{path}[{index}]", errors)


def _check_no_tokens(spec: PodSpec, errors: Errors) -> None:
    """Without a service account there is nobody a token could be for."""
    for index, volume in enumerate(spec.volumes):
        if volume.projected is None:
            continue
        for source_index, source in enumerate(volume.projected.sources):
            if source.service_account_token is not None:
                place = f"spec.volumes[{index}].projected.sources[{source_index}].serviceAccountToken"
                errors.append(forbidden(place, "must not be specified when serviceAccountName is not set"))


def _same_number(new: Sequence[Container], old: Sequence[Container], path: str, errors: Errors) -> bool:
    """Whether going on makes sense: containers are compared one by one."""
    if len(new) != len(old):
        errors.append(forbidden(path, "pod updates may not add or remove containers"))
        return False
    for index, container in enumerate(new):
        if not container.image:
            errors.append(required(f"{path}[{index}].image"))
        check_image_padding(container, f"{path}[{index}]", errors)
    return True


def _check_deadline(new: PodSpec, old: PodSpec, errors: Errors) -> bool:
    """A deadline may be set and brought nearer. False when nothing further needs to be said."""
    path = "spec.activeDeadlineSeconds"
    seconds, before = new.active_deadline_seconds, old.active_deadline_seconds
    if seconds is None:
        if before is not None:
            errors.append(invalid(path, None, "must not update from a positive integer to nil value"))
        return True
    if not 0 <= seconds <= ID_MAX:
        errors.append(invalid(path, seconds, inclusive_range_error(0, ID_MAX)))
        return False
    if before is not None and before < seconds:
        errors.append(invalid(path, seconds, "must be less than or equal to previous value"))
        return False
    return True


def _check_only_added(new: Sequence[Toleration], old: Sequence[Toleration], path: str, errors: Errors) -> None:
    kept = {_without_seconds(toleration) for toleration in new}
    if any(_without_seconds(toleration) not in kept for toleration in old):
        errors.append(forbidden(path, "existing toleration can not be modified except its tolerationSeconds"))
    else:
        check_tolerations(new, path, errors)


def _without_seconds(toleration: Toleration) -> tuple[str, str, str, str]:
    return (toleration.key, toleration.operator, toleration.value, toleration.effect)


def _check_only_removed(
    new: Sequence[PodSchedulingGate], old: Sequence[PodSchedulingGate], path: str, errors: Errors
) -> None:
    before = {gate.name for gate in old}
    for index, gate in enumerate(new):
        if gate.name not in before:
            message = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.append(forbidden(f"{path}[{index}].name", message))


def _check_rest_unchanged(new: PodSpec, old: PodSpec, errors: Errors) -> None:
    """Puts back what may change, and then compares."""
    spec = msgspec.convert(msgspec.to_builtins(new), PodSpec)
    for container, before in zip(spec.containers, old.containers, strict=True):
        container.image = before.image
    for container, before in zip(spec.init_containers, old.init_containers, strict=True):
        container.image = before.image
    spec.active_deadline_seconds = old.active_deadline_seconds
    spec.scheduling_gates = old.scheduling_gates
    spec.tolerations = old.tolerations
    was_negative = (old.termination_grace_period_seconds or 0) < 0
    if was_negative and spec.termination_grace_period_seconds == 1:
        spec.termination_grace_period_seconds = old.termination_grace_period_seconds
    if old.scheduling_gates:
        check_gated_changes(spec, old, errors)
    if spec != old:
        listed = ",".join(UPDATABLE_FIELDS)
        message = f"pod updates may not change fields other than {listed}\n{difference(old, spec)}"
        errors.append(forbidden("spec", message))
