"""What a pod's volume is given that did not say it: file modes, types, drivers' own defaults; an emptyDir if it says nothing.

Written into the struct in place. `VOLUME_SOURCES` names the fields that are sources; validation uses it too.
"""

from __future__ import annotations

from everynode.api.core_v1 import (
    AzureDiskVolumeSource,
    DownwardAPIVolumeFile,
    EmptyDirVolumeSource,
    ProjectedVolumeSource,
    RBDVolumeSource,
    Volume,
)
from everynode.api.defaults.containers import default_field_reference, pull_policy
from everynode.api.defaults.quantities import store_amounts, stored_exactly

FILE_MODE = 0o644
TOKEN_LIFETIME_SECONDS = 3600

# Every field of a Volume but its name.
VOLUME_SOURCES = tuple(name for name in Volume.__struct_fields__ if name != "name")


def default_volume(volume: Volume) -> None:
    if volume.host_path is not None:
        if volume.host_path.type is None:
            volume.host_path.type = ""
    elif volume.config_map is not None:
        if volume.config_map.default_mode is None:
            volume.config_map.default_mode = FILE_MODE
    elif volume.secret is not None:
        if volume.secret.default_mode is None:
            volume.secret.default_mode = FILE_MODE
    elif volume.empty_dir is not None:
        if volume.empty_dir.size_limit is not None:
            volume.empty_dir.size_limit = stored_exactly(volume.empty_dir.size_limit)
    elif volume.projected is not None:
        _default_projected(volume.projected)
    elif volume.downward_api is not None:
        if volume.downward_api.default_mode is None:
            volume.downward_api.default_mode = FILE_MODE
        _default_files(volume.downward_api.items)
    else:
        _default_rarer(volume)


def _default_rarer(volume: Volume) -> None:
    """The sources that few pods have, and no source at all."""
    if volume.ephemeral is not None:
        if (template := volume.ephemeral.volume_claim_template) is not None:
            template.spec.volume_mode = template.spec.volume_mode or "Filesystem"
            store_amounts(template.spec.resources.limits)
            store_amounts(template.spec.resources.requests)
    elif volume.image is not None:
        volume.image.pull_policy = volume.image.pull_policy or pull_policy(volume.image.reference)
    elif volume.iscsi is not None:
        volume.iscsi.iscsi_interface = volume.iscsi.iscsi_interface or "default"
    elif volume.rbd is not None:
        _default_rbd(volume.rbd)
    elif volume.azure_disk is not None:
        _default_azure_disk(volume.azure_disk)
    elif volume.scale_io is not None:
        volume.scale_io.storage_mode = volume.scale_io.storage_mode or "ThinProvisioned"
        volume.scale_io.fs_type = volume.scale_io.fs_type or "xfs"
    elif all(getattr(volume, source) is None for source in VOLUME_SOURCES):
        volume.empty_dir = EmptyDirVolumeSource()


def _default_projected(projected: ProjectedVolumeSource) -> None:
    if projected.default_mode is None:
        projected.default_mode = FILE_MODE
    for source in projected.sources:
        if source.downward_api is not None:
            _default_files(source.downward_api.items)
        token = source.service_account_token
        if token is not None and token.expiration_seconds is None:
            token.expiration_seconds = TOKEN_LIFETIME_SECONDS


def _default_files(files: list[DownwardAPIVolumeFile]) -> None:
    for file in files:
        default_field_reference(file.field_ref)
        if file.resource_field_ref is not None:
            file.resource_field_ref.divisor = stored_exactly(file.resource_field_ref.divisor)


def _default_rbd(rbd: RBDVolumeSource) -> None:
    rbd.pool = rbd.pool or "rbd"
    rbd.user = rbd.user or "admin"
    rbd.keyring = rbd.keyring or "/etc/ceph/keyring"


def _default_azure_disk(disk: AzureDiskVolumeSource) -> None:
    if disk.caching_mode is None:
        disk.caching_mode = "ReadWrite"
    if disk.fs_type is None:
        disk.fs_type = "ext4"
    if disk.read_only is None:
        disk.read_only = False
    if disk.kind is None:
        disk.kind = "Shared"
