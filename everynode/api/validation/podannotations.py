"""Annotations that mean something for a pod: mirror pods, deletion cost, and the old homes of seccomp and AppArmor.

Nearly every pod has none of them; that is found out first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from everynode.api.core_v1 import AppArmorProfile, PodSpec, SeccompProfile
from everynode.api.fielderror import forbidden, invalid
from everynode.api.validation.containers import containers_with_paths
from everynode.api.validation.fields import Errors
from everynode.api.validation.paths import check_descending
from everynode.api.validation.podspec import MIRROR_ANNOTATION

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"
LOCALHOST = "localhost/"
# What the old annotations call the types of profile.
_RUNTIME_DEFAULT = "runtime/default"
_DOCKER_DEFAULT = "docker/default"
_UNCONFINED = "unconfined"


def check_pod_annotations(annotations: Mapping[str, str], spec: PodSpec, path: str, errors: Errors) -> None:
    if MIRROR_ANNOTATION in annotations and not spec.node_name:
        message = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{MIRROR_ANNOTATION}]", annotations[MIRROR_ANNOTATION], message))
    cost = annotations.get(DELETION_COST)
    if cost is not None and not _is_int32(cost):
        errors.append(invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    if SECCOMP_POD in annotations:
        _check_seccomp(annotations[SECCOMP_POD], f"{path}.{SECCOMP_POD}", errors)
    for key, value in annotations.items():
        if key.startswith(SECCOMP_CONTAINER):
            _check_seccomp(value, f"{path}.{key}", errors)
    armoured = {key: value for key, value in annotations.items() if key.startswith(APP_ARMOR_CONTAINER)}
    if armoured:
        names = {container.name for container, _ in containers_with_paths(spec, "")}
        for key, value in armoured.items():
            _check_app_armor(key, value, names, f"{path}[{key}]", errors)


def check_annotations_match_fields(annotations: Mapping[str, str], spec: PodSpec, path: str, errors: Errors) -> None:
    """Where an old annotation and the field that replaced it are both set, they must say the same."""
    if not any("security." in key for key in annotations):
        return
    of_pod = spec.security_context.seccomp_profile if spec.security_context is not None else None
    if of_pod is not None and SECCOMP_POD in annotations:
        _check_same_seccomp(annotations[SECCOMP_POD], of_pod, f"{path}.securityContext.seccompProfile", errors)
    for container, place in containers_with_paths(spec, path):
        profile = container.security_context.seccomp_profile if container.security_context is not None else None
        annotated = annotations.get(SECCOMP_CONTAINER + container.name)
        if profile is not None and annotated is not None:
            _check_same_seccomp(annotated, profile, f"{place}.securityContext.seccompProfile", errors)
    if spec.os is None or spec.os.name != "windows":
        _check_app_armor_fields(annotations, spec, path, errors)


def check_annotation_changes(new: Mapping[str, str], old: Mapping[str, str], path: str, errors: Errors) -> None:
    """What marks a mirror pod, and AppArmor profiles, stay as they were when the pod was made."""
    if new == old:
        return
    for key, value in old.items():
        if new.get(key) != value:
            if key.startswith(APP_ARMOR_CONTAINER):
                errors.append(forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
            if key == MIRROR_ANNOTATION:
                errors.append(forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in new.keys() - old.keys():
        if key.startswith(APP_ARMOR_CONTAINER):
            errors.append(forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        if key == MIRROR_ANNOTATION:
            errors.append(forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))


def _is_int32(text: str) -> bool:
    return bool(re.fullmatch("0|-[0-9]{1,10}|[1-9][0-9]{0,9}", text)) and -(2**31) <= int(text) < 2**31


def _check_seccomp(profile: str, path: str, errors: Errors) -> None:
    if profile in (_RUNTIME_DEFAULT, _DOCKER_DEFAULT, _UNCONFINED):
        return
    if profile.startswith(LOCALHOST):
        check_descending(profile.removeprefix(LOCALHOST), path, errors)
    else:
        errors.append(invalid(path, profile, "must be a valid seccomp profile"))


def _check_app_armor(key: str, profile: str, names: Set[str], path: str, errors: Errors) -> None:
    """`names` are those of the pod's containers."""
    name = key.removeprefix(APP_ARMOR_CONTAINER)
    if name not in names:
        errors.append(invalid(path, name, "container not found"))
    if profile not in ("", _RUNTIME_DEFAULT, _UNCONFINED) and not profile.startswith(LOCALHOST):
        errors.append(invalid(path, profile, f'invalid AppArmor profile name: "{profile}"'))


def _check_same_seccomp(annotated: str, profile: SeccompProfile, path: str, errors: Errors) -> None:
    accepted = {"Unconfined": (_UNCONFINED,), "RuntimeDefault": (_RUNTIME_DEFAULT, _DOCKER_DEFAULT)}
    _check_same(annotated, profile, accepted, "seccomp", path, errors)


def _check_app_armor_fields(annotations: Mapping[str, str], spec: PodSpec, path: str, errors: Errors) -> None:
    of_pod = spec.security_context.app_armor_profile if spec.security_context is not None else None
    accepted = {"Unconfined": (_UNCONFINED,), "RuntimeDefault": (_RUNTIME_DEFAULT,)}
    for container, place in containers_with_paths(spec, path):
        own = container.security_context.app_armor_profile if container.security_context is not None else None
        profile = own if own is not None else of_pod
        annotated = annotations.get(APP_ARMOR_CONTAINER + container.name)
        if profile is not None and annotated is not None:
            field = f"{place}.securityContext.appArmorProfile"
            _check_same(annotated, profile, accepted, "apparmor", field, errors)


def _check_same(
    annotated: str,
    profile: SeccompProfile | AppArmorProfile,
    accepted: Mapping[str, tuple[str, ...]],
    what: str,
    path: str,
    errors: Errors,
) -> None:
    """`accepted` are the annotations' words for each type but Localhost."""
    if profile.type == "Localhost":
        if not annotated.startswith(LOCALHOST):
            errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
        elif annotated.removeprefix(LOCALHOST) != profile.localhost_profile:
            errors.append(forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match"))
    elif profile.type in accepted and annotated not in accepted[profile.type]:
        errors.append(forbidden(f"{path}.type", f"{what} type in annotation and field must match"))
