"""Where a container sees the pod's volumes: as directories (`volumeMounts`) or as block devices (`volumeDevices`)."""

from __future__ import annotations

from collections.abc import Mapping, Set

from everynode.api.core_v1 import Container, EphemeralContainer, Volume, VolumeDevice, VolumeMount
from everynode.api.fielderror import duplicate, forbidden, invalid, not_found, not_supported, required
from everynode.api.validation.fields import Errors, check_one_of
from everynode.api.validation.paths import check_descending, climbs

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE_READ_ONLY = ("Disabled", "Enabled", "IfPossible")
BIND_OPTIONS = ("nodev", "noexec", "nosuid")


def check_volume_mounts(
    container: Container | EphemeralContainer, volumes: Mapping[str, Volume], path: str, errors: Errors
) -> None:
    """`volumes` are the pod's well-formed ones, by name."""
    mounted = set()
    devices = {device.name: device.device_path for device in container.volume_devices}
    device_paths = set(devices.values())
    for index, mount in enumerate(container.volume_mounts):
        if not mount.name:
            errors.append(required(f"{path}[{index}].name"))
        if mount.name not in volumes:
            errors.append(not_found(f"{path}[{index}].name", mount.name))
        if not mount.mount_path:
            errors.append(required(f"{path}[{index}].mountPath"))
        if mount.mount_path in mounted:
            errors.append(invalid(f"{path}[{index}].mountPath", mount.mount_path, "must be unique"))
        mounted.add(mount.mount_path)
        if devices:
            _check_against_devices(mount, devices.keys(), device_paths, f"{path}[{index}]", errors)
        if mount.sub_path or mount.sub_path_expr:
            _check_sub_path(mount, path, index, errors)
        if mount.mount_propagation is not None:
            _check_propagation(mount.mount_propagation, container, f"{path}.mountPropagation", errors)
        if mount.recursive_read_only is not None:
            _check_recursive_read_only(mount, f"{path}.recursiveReadOnly", errors)
        if mount.bind_mount_options:
            _check_bind_options(mount, volumes.get(mount.name), f"{path}[{index}].bindMountOptions", errors)


def check_volume_devices(
    container: Container | EphemeralContainer, volumes: Mapping[str, Volume], path: str, errors: Errors
) -> None:
    mounts = {mount.name: mount.mount_path for mount in container.volume_mounts}
    mount_paths = set(mounts.values())
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        place = f"{path}[{index}]"
        _check_device_name(device, volumes.get(device.name), names, place, errors)
        _check_device_path(device.device_path, paths, place, errors)
        if device.name in mounts:
            errors.append(invalid(f"{place}.name", device.name, "must not already exist in volumeMounts"))
        if device.device_path in mount_paths:
            message = "must not already exist as a path in volumeMounts"
            errors.append(invalid(f"{place}.devicePath", device.device_path, message))
        if device.name:
            names.add(device.name)


def _check_against_devices(mount: VolumeMount, names: Set[str], paths: Set[str], path: str, errors: Errors) -> None:
    if mount.name in names:
        errors.append(invalid(f"{path}.name", mount.name, "must not already exist in volumeDevices"))
    if mount.mount_path in paths:
        message = "must not already exist as a path in volumeDevices"
        errors.append(invalid(f"{path}.mountPath", mount.mount_path, message))


def _check_sub_path(mount: VolumeMount, path: str, index: int, errors: Errors) -> None:
    # Kubernetes names these fields of the list as a whole, not of the mount.
    if mount.sub_path:
        check_descending(mount.sub_path, f"{path}.subPath", errors)
    if mount.sub_path_expr:
        if mount.sub_path:
            message = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{path}[{index}].subPathExpr", mount.sub_path_expr, message))
        check_descending(mount.sub_path_expr, f"{path}.subPathExpr", errors)


def _check_propagation(propagation: str, container: Container | EphemeralContainer, path: str, errors: Errors) -> None:
    check_one_of(propagation, PROPAGATIONS, path, errors)
    context = container.security_context
    if propagation == "Bidirectional" and not (context is not None and context.privileged):
        message = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, message))


def _check_recursive_read_only(mount: VolumeMount, path: str, errors: Errors) -> None:
    mode = mount.recursive_read_only or ""
    if mode not in RECURSIVE_READ_ONLY:
        errors.append(not_supported(path, mode, RECURSIVE_READ_ONLY))
    elif mode != "Disabled":
        if not mount.read_only:
            errors.append(forbidden(path, "may only be specified when readOnly is true"))
        if mount.mount_propagation not in (None, "None"):
            errors.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))


def _check_bind_options(mount: VolumeMount, volume: Volume | None, path: str, errors: Errors) -> None:
    seen = set()
    for index, option in enumerate(mount.bind_mount_options):
        check_one_of(option, BIND_OPTIONS, f"{path}[{index}]", errors)
        if option in seen:
            errors.append(duplicate(f"{path}[{index}]", option))
        seen.add(option)
    if volume is not None and volume.image is not None:
        message = "bindMountOptions may not be used with image volumes"
        errors.append(invalid(path, mount.bind_mount_options, message))


def _check_device_name(device: VolumeDevice, volume: Volume | None, seen: set[str], path: str, errors: Errors) -> None:
    if not device.name:
        errors.append(required(f"{path}.name"))
    if device.name in seen:
        errors.append(invalid(f"{path}.name", device.name, "must be unique"))
    if volume is None:
        errors.append(not_found(f"{path}.name", device.name))
    elif volume.persistent_volume_claim is None and volume.ephemeral is None:
        message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        errors.append(invalid(f"{path}.name", device.name, message))


def _check_device_path(value: str, seen: set[str], path: str, errors: Errors) -> None:
    if not value:
        errors.append(required(f"{path}.devicePath"))
    if value in seen:
        errors.append(invalid(f"{path}.devicePath", value, "must be unique"))
    if climbs(value):
        errors.append(invalid(f"{path}.devicePath", value, "can not contain backsteps ('..')"))
    else:
        seen.add(value)
