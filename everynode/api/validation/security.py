"""Security contexts of pods and containers: users, capabilities, seccomp and AppArmor profiles, sysctls."""

from __future__ import annotations

import re
from collections.abc import Sequence

from everynode.api.core_v1 import AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl
from everynode.api.fielderror import duplicate, invalid, not_supported, required, too_long
from everynode.api.validation.fields import Errors, byte_length, check_id, check_one_of
from everynode.api.validation.internal import as_internal
from everynode.api.validation.paths import check_descending

PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
APP_ARMOR_PROFILE_MAX = 4095  # bytes: PATH_MAX - 1
SYSCTL_MAX = 253
SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_sysctl = re.compile(SYSCTL).fullmatch

# Sysctls that have their own value in each namespace of the kernel.
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_NET_SYSCTLS = ("net.",)


def check_pod_security(context: PodSecurityContext, spec: PodSpec, path: str, errors: Errors) -> None:
    check_id(context.fs_group, f"{path}.fsGroup", errors)
    check_id(context.run_as_user, f"{path}.runAsUser", errors)
    check_id(context.run_as_group, f"{path}.runAsGroup", errors)
    for index, group in enumerate(context.supplemental_groups):
        check_id(group, f"{path}.supplementalGroups[{index}]", errors)
    if context.sysctls:
        _check_sysctls(context.sysctls, spec, f"{path}.sysctls", errors)
    if context.fs_group_change_policy is not None:
        policies = ("Always", "OnRootMismatch")
        check_one_of(context.fs_group_change_policy, policies, f"{path}.fsGroupChangePolicy", errors)
    if context.seccomp_profile is not None:
        _check_seccomp(context.seccomp_profile, f"{path}.seccompProfile", errors)
    if context.app_armor_profile is not None:
        _check_app_armor(context.app_armor_profile, f"{path}.appArmorProfile", errors)
    if context.supplemental_groups_policy is not None:
        policies = ("Merge", "Strict")
        check_one_of(context.supplemental_groups_policy, policies, f"{path}.supplementalGroupsPolicy", errors)
    if context.se_linux_change_policy is not None:
        policies = ("MountOption", "Recursive")
        check_one_of(context.se_linux_change_policy, policies, f"{path}.seLinuxChangePolicy", errors)


def check_container_security(context: SecurityContext, path: str, errors: Errors, *, host_users: bool) -> None:
    """`host_users`: whether the pod's users are the host's own."""
    check_id(context.run_as_user, f"{path}.runAsUser", errors)
    check_id(context.run_as_group, f"{path}.runAsGroup", errors)
    if context.proc_mount is not None:
        check_one_of(context.proc_mount, ("Default", "Unmasked"), f"{path}.procMount", errors)
        if host_users and context.proc_mount == "Unmasked":
            message = "`hostUsers` must be false to use `Unmasked`"
            errors.append(invalid(f"{path}.procMount", context.proc_mount, message))
    if context.seccomp_profile is not None:
        _check_seccomp(context.seccomp_profile, f"{path}.seccompProfile", errors)
    if context.allow_privilege_escalation is False:
        _check_no_escalation(context, path, errors)
    if context.app_armor_profile is not None:
        _check_app_armor(context.app_armor_profile, f"{path}.appArmorProfile", errors)


def _check_no_escalation(context: SecurityContext, path: str, errors: Errors) -> None:
    """Who already has every privilege cannot be kept from gaining more."""
    if context.privileged:
        message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid(path, as_internal(context), message))
    if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
        message = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        errors.append(invalid(path, as_internal(context), message))


def _check_seccomp(profile: SeccompProfile, path: str, errors: Errors) -> None:
    if not profile.type:
        errors.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif profile.type not in PROFILE_TYPES:
        errors.append(not_supported(f"{path}.type", profile.type, PROFILE_TYPES))
    place = f"{path}.localhostProfile"
    if profile.type != "Localhost":
        if profile.localhost_profile is not None:
            errors.append(invalid(place, as_internal(profile), "can only be set when seccomp type is Localhost"))
    elif profile.localhost_profile is None:
        errors.append(required(place, "must be set when seccomp type is Localhost"))
    else:
        check_descending(profile.localhost_profile, place, errors)


def _check_app_armor(profile: AppArmorProfile, path: str, errors: Errors) -> None:
    place = f"{path}.localhostProfile"
    if profile.type == "Localhost":
        _check_local_app_armor(profile.localhost_profile, place, errors)
    elif profile.type in PROFILE_TYPES:
        if profile.localhost_profile is not None:
            message = "can only be set when AppArmor type is Localhost"
            errors.append(invalid(place, profile.localhost_profile, message))
    elif not profile.type:
        errors.append(required(f"{path}.type", "type is required when appArmorProfile is set"))
    else:
        errors.append(not_supported(f"{path}.type", profile.type, PROFILE_TYPES))


def _check_local_app_armor(profile: str | None, path: str, errors: Errors) -> None:
    if not profile:
        errors.append(required(path, "must be set when AppArmor type is Localhost"))
        return
    if profile != profile.strip():
        errors.append(invalid(path, profile, "must not be padded with whitespace"))
    if byte_length(profile) > APP_ARMOR_PROFILE_MAX:
        errors.append(too_long(path, APP_ARMOR_PROFILE_MAX))


def _check_sysctls(sysctls: Sequence[Sysctl], spec: PodSpec, path: str, errors: Errors) -> None:
    seen = set()
    for index, sysctl in enumerate(sysctls):
        place = f"{path}[{index}].name"
        name = sysctl.name
        if not name:
            errors.append(required(place))
        elif len(name) > SYSCTL_MAX or not _sysctl(name):
            message = f"must have at most {SYSCTL_MAX} characters and match regex ^{SYSCTL}$"
            errors.append(invalid(place, name, message))
        elif name in seen:
            errors.append(duplicate(place, name))
        dotted = name.replace("/", ".")
        if spec.host_network and dotted.startswith(_NET_SYSCTLS):
            errors.append(invalid(place, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.host_ipc and dotted.startswith(_IPC_SYSCTLS):
            errors.append(invalid(place, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)
