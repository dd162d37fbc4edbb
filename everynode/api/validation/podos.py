"""What a pod may say depends on the operating system that it names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from everynode.api.core_v1 import PodSpec
from everynode.api.fielderror import forbidden, not_supported, required
from everynode.api.validation.containers import containers_with_paths
from everynode.api.validation.fields import Errors

OPERATING_SYSTEMS = ("linux", "windows")
NOT_FOR_LINUX = "windows options cannot be set for a linux pod"
NOT_FOR_WINDOWS = "cannot be set for a windows pod"

# What Windows knows nothing of, as attribute and field, in the security contexts of pods and of containers.
_POD_SECURITY: Mapping[str, str] = MappingProxyType(
    {
        "app_armor_profile": "appArmorProfile",
        "se_linux_options": "seLinuxOptions",
        "seccomp_profile": "seccompProfile",
        "fs_group": "fsGroup",
        "fs_group_change_policy": "fsGroupChangePolicy",
        "sysctls": "sysctls",
        "run_as_user": "runAsUser",
        "run_as_group": "runAsGroup",
        "supplemental_groups": "supplementalGroups",
        "supplemental_groups_policy": "supplementalGroupsPolicy",
        "se_linux_change_policy": "seLinuxChangePolicy",
    }
)
_CONTAINER_SECURITY: Mapping[str, str] = MappingProxyType(
    {
        "app_armor_profile": "appArmorProfile",
        "se_linux_options": "seLinuxOptions",
        "seccomp_profile": "seccompProfile",
        "capabilities": "capabilities",
        "read_only_root_filesystem": "readOnlyRootFilesystem",
        "privileged": "privileged",
        "allow_privilege_escalation": "allowPrivilegeEscalation",
        "proc_mount": "procMount",
        "run_as_user": "runAsUser",
        "run_as_group": "runAsGroup",
    }
)


def check_operating_system(spec: PodSpec, path: str, errors: Errors) -> None:
    name = spec.os.name if spec.os is not None else ""
    if not name:
        errors.append(required(f"{path}.os.name"))
    elif name not in OPERATING_SYSTEMS:
        errors.append(not_supported(f"{path}.os", name, OPERATING_SYSTEMS))
    elif name == "linux":
        _check_linux(spec, path, errors)
    else:
        _check_windows(spec, path, errors)


def _check_linux(spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.security_context is not None and spec.security_context.windows_options is not None:
        errors.append(forbidden(f"{path}.securityContext.windowsOptions", NOT_FOR_LINUX))
    for container, place in containers_with_paths(spec, path):
        context = container.security_context
        if context is not None and context.windows_options is not None:
            errors.append(forbidden(f"{place}.securityContext.windowsOptions", NOT_FOR_LINUX))


def _check_windows(spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.security_context is not None:
        _check_absent(spec.security_context, _POD_SECURITY, f"{path}.securityContext", errors)
    of_the_pod = {
        "hostUsers": spec.host_users is not None,
        "hostPID": spec.host_pid,
        "hostIPC": spec.host_ipc,
        "shareProcessNamespace": spec.share_process_namespace is not None,
    }
    errors.extend(forbidden(f"{path}.{field}", NOT_FOR_WINDOWS) for field, is_set in of_the_pod.items() if is_set)
    for container, place in containers_with_paths(spec, path):
        if container.security_context is not None:
            _check_absent(container.security_context, _CONTAINER_SECURITY, f"{place}.securityContext", errors)


def _check_absent(holder: Any, fields: Mapping[str, str], path: str, errors: Errors) -> None:
    for attribute, field in fields.items():
        value = getattr(holder, attribute)
        if value is not None and value != []:
            errors.append(forbidden(f"{path}.{field}", NOT_FOR_WINDOWS))
