"""A pod's volumes: one source each, and what that source must say.

`check_volumes` gives back the well-formed ones by name, which is what containers may mount. The rules of the sources
that pods of these days use stand here, projected ones in `projections`, those of single storage vendors in `drivers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from everynode.api.core_v1 import (
    ConfigMapVolumeSource,
    EmptyDirVolumeSource,
    EphemeralVolumeSource,
    HostPathVolumeSource,
    ImageVolumeSource,
    PersistentVolumeClaimVolumeSource,
    SecretVolumeSource,
    Volume,
)
from everynode.api.fielderror import duplicate, forbidden, invalid, required
from everynode.api.meta_v1 import ObjectMeta
from everynode.api.validation import drivers
from everynode.api.validation.fields import (
    Errors,
    check_annotations,
    check_dns_label,
    check_id,
    check_labels,
    check_one_of,
    check_required_word,
    dns_subdomain_faults,
)
from everynode.api.validation.paths import check_no_backsteps
from everynode.api.validation.projections import (
    check_downward_volume,
    check_file_mode,
    check_items,
    check_projected_volume,
)
from everynode.values.quantity import Quantity

SourceCheck = Callable[[Any, str, Errors], None]

EMPTY_DIR_MODE_MAX = 0o1777
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def check_volumes(
    volumes: Sequence[Volume], metadata: ObjectMeta | None, path: str, errors: Errors
) -> dict[str, Volume]:
    """`metadata` is the pod's, and None for a template: claims of ephemeral volumes are named after the pod."""
    pod_name = metadata.name if metadata is not None else ""
    own_claims = {f"{pod_name}-{volume.name}" for volume in volumes if pod_name and volume.ephemeral is not None}
    known: dict[str, Volume] = {}
    for index, volume in enumerate(volumes):
        before = len(errors)
        _check_sources(volume, pod_name, f"{path}[{index}]", errors)
        if not volume.name:
            errors.append(required(f"{path}[{index}].name"))
        else:
            check_dns_label(volume.name, f"{path}[{index}].name", errors)
        if volume.name in known:
            errors.append(duplicate(f"{path}[{index}].name", volume.name))
        if len(errors) == before:
            known[volume.name] = volume
        claim = volume.persistent_volume_claim
        if claim is not None and claim.claim_name in own_claims:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            place = f"{path}[{index}].persistentVolumeClaim.claimName"
            errors.append(invalid(place, claim.claim_name, message))
    return known


def _check_sources(volume: Volume, pod_name: str, path: str, errors: Errors) -> None:
    """Exactly one source; of several only the first is looked at."""
    found = False
    for index, source in enumerate(_sources_of(volume)):
        if source is None:
            continue
        _, name, check = _SOURCES[index]
        if found:
            place = _NAMED_OTHERWISE.get(name, name)
            errors.append(forbidden(f"{path}.{place}", "may not specify more than 1 volume type"))
        else:
            found = True
            check(source, f"{path}.{'persistentDisk' if name == 'gcePersistentDisk' else name}", errors)
            if name == "ephemeral" and pod_name and volume.name:
                _check_claim_name(volume.name, pod_name, path, errors)
        if name == "iscsi":
            drivers.check_iscsi_name(source, volume.name, path, errors)
    if not found:
        errors.append(required(path, "must specify a volume type"))


def _check_claim_name(volume_name: str, pod_name: str, path: str, errors: Errors) -> None:
    claim = f"{pod_name}-{volume_name}"
    for fault in dns_subdomain_faults(claim):
        errors.append(invalid(f"{path}.name", volume_name, f'PVC name "{claim}": {fault}'))


def _check_empty_dir(source: EmptyDirVolumeSource, path: str, errors: Errors) -> None:
    if source.size_limit is not None and Quantity.parse(source.size_limit).nanos < 0:
        errors.append(forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))
    if source.mode is not None and not 0 <= source.mode <= EMPTY_DIR_MODE_MAX:
        message = "must be a number between 0 and 01777 (octal), both inclusive"
        errors.append(invalid(f"{path}.mode", source.mode, message))


def _check_host_path(source: HostPathVolumeSource, path: str, errors: Errors) -> None:
    if not source.path:
        errors.append(required(f"{path}.path"))
        return
    check_no_backsteps(source.path, f"{path}.path", errors)
    if source.type is not None:
        check_one_of(source.type, HOST_PATH_TYPES, f"{path}.type", errors)


def _check_secret(source: SecretVolumeSource, path: str, errors: Errors) -> None:
    if not source.secret_name:
        errors.append(required(f"{path}.secretName"))
    _check_files(source, path, errors)


def _check_config_map(source: ConfigMapVolumeSource, path: str, errors: Errors) -> None:
    if not source.name:
        errors.append(required(f"{path}.name"))
    _check_files(source, path, errors)


def _check_files(source: SecretVolumeSource | ConfigMapVolumeSource, path: str, errors: Errors) -> None:
    check_file_mode(source.default_mode, f"{path}.defaultMode", errors)
    check_id(source.default_user, f"{path}.defaultUser", errors)
    check_items(source.items, f"{path}.items", errors)


def _check_claim(source: PersistentVolumeClaimVolumeSource, path: str, errors: Errors) -> None:
    if not source.claim_name:
        errors.append(required(f"{path}.claimName"))


def _check_ephemeral(source: EphemeralVolumeSource, path: str, errors: Errors) -> None:
    """The claim's specification itself is kept, not judged: this API has no PersistentVolumeClaims yet."""
    template = source.volume_claim_template
    if template is None:
        errors.append(required(f"{path}.volumeClaimTemplate"))
        return
    check_annotations(template.metadata.annotations, f"{path}.volumeClaimTemplate.metadata.annotations", errors)
    check_labels(template.metadata.labels, f"{path}.volumeClaimTemplate.metadata.labels", errors)


def _check_image(source: ImageVolumeSource, path: str, errors: Errors) -> None:
    if not source.reference:
        errors.append(required(f"{path}.reference"))
    check_required_word(source.pull_policy, PULL_POLICIES, f"{path}.pullPolicy", errors)


# The sources in the order in which Kubernetes looks at them: attribute, field, rule.
_SOURCES: tuple[tuple[str, str, SourceCheck], ...] = (
    ("empty_dir", "emptyDir", _check_empty_dir),
    ("host_path", "hostPath", _check_host_path),
    ("git_repo", "gitRepo", drivers.check_git_repo),
    ("gce_persistent_disk", "gcePersistentDisk", drivers.check_gce_disk),
    ("aws_elastic_block_store", "awsElasticBlockStore", drivers.check_aws_disk),
    ("secret", "secret", _check_secret),
    ("nfs", "nfs", drivers.check_nfs),
    ("iscsi", "iscsi", drivers.check_iscsi),
    ("glusterfs", "glusterfs", drivers.check_glusterfs),
    ("flocker", "flocker", drivers.check_flocker),
    ("persistent_volume_claim", "persistentVolumeClaim", _check_claim),
    ("rbd", "rbd", drivers.check_rbd),
    ("cinder", "cinder", drivers.check_cinder),
    ("cephfs", "cephfs", drivers.check_cephfs),
    ("quobyte", "quobyte", drivers.check_quobyte),
    ("downward_api", "downwardAPI", check_downward_volume),
    ("fc", "fc", drivers.check_fc),
    ("flex_volume", "flexVolume", drivers.check_flex_volume),
    ("config_map", "configMap", _check_config_map),
    ("azure_file", "azureFile", drivers.check_azure_file),
    ("vsphere_volume", "vsphereVolume", drivers.check_vsphere),
    ("photon_persistent_disk", "photonPersistentDisk", drivers.check_photon_disk),
    ("portworx_volume", "portworxVolume", drivers.check_portworx),
    ("azure_disk", "azureDisk", drivers.check_azure_disk),
    ("storageos", "storageos", drivers.check_storageos),
    ("projected", "projected", check_projected_volume),
    ("scale_io", "scaleIO", drivers.check_scale_io),
    ("csi", "csi", drivers.check_csi),
    ("ephemeral", "ephemeral", _check_ephemeral),
    ("image", "image", _check_image),
)
_sources_of = attrgetter(*(attribute for attribute, _, _ in _SOURCES))
# Kubernetes' own spelling of these fields in the message about a second source.
_NAMED_OTHERWISE: Mapping[str, str] = MappingProxyType({"cephfs": "cephFS", "downwardAPI": "downwarAPI"})
