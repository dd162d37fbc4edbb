"""Volumes of single storage vendors: the few things each of them must say.

Nothing here can be mounted by everynode's own node agents; the rules are kept so that manifests fare as they do elsewhere.
"""

from __future__ import annotations

import re

from everynode.api.core_v1 import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    LocalObjectReference,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from everynode.api.fielderror import invalid, not_supported, required, too_long
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    check_dns_label,
    check_one_of,
    check_range,
    dns_subdomain_faults,
)
from everynode.api.validation.paths import check_descending
from everynode.values.names import inclusive_range_error

ISCSI_NAME_AND_PORTAL_MAX = 64
CSI_DRIVER_MAX = 63
QUOBYTE_TENANT_MAX = 64
HOST_AND_PORT = "must be a host:port pair or multiple pairs separated by commas"

_ISCSI_NAMES = {
    "iqn": re.compile(r".*iqn\.\d{4}-\d{2}\.([0-9A-Za-z\-.]+)(:[^,;*&$|\s]+)", re.ASCII),
    "eui": re.compile(r"eui.[0-9A-Za-z]{16}"),
    "naa": re.compile(r"naa.[0-9A-Za-z]{32}"),
}


def check_git_repo(source: GitRepoVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.repository, f"{path}.repository", errors)
    check_descending(source.directory, f"{path}.directory", errors)


def check_gce_disk(source: GCEPersistentDiskVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.pd_name, f"{path}.pdName", errors)
    _check_partition(source.partition, f"{path}.partition", errors)


def check_aws_disk(source: AWSElasticBlockStoreVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.volume_id, f"{path}.volumeID", errors)
    _check_partition(source.partition, f"{path}.partition", errors)


def check_nfs(source: NFSVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.server, f"{path}.server", errors)
    _check_present(source.path, f"{path}.path", errors)
    if not source.path.startswith("/"):
        errors.append(invalid(f"{path}.path", source.path, "must be an absolute path"))


def check_iscsi(source: ISCSIVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.target_portal, f"{path}.targetPortal", errors)
    if not source.iqn:
        errors.append(required(f"{path}.iqn"))
    else:
        _check_iscsi_name(source.iqn, f"{path}.iqn", errors)
    check_range(source.lun, 0, 255, f"{path}.lun", errors)
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        errors.append(required(f"{path}.secretRef"))
    if source.initiator_name is not None:
        _check_iscsi_name(source.initiator_name, f"{path}.initiatorname", errors)


def check_iscsi_name(source: ISCSIVolumeSource, volume_name: str, path: str, errors: Errors) -> None:
    """With an initiator of its own, the interface is named after the volume and the portal."""
    if source.initiator_name is not None and len(f"{volume_name}:{source.target_portal}") > ISCSI_NAME_AND_PORTAL_MAX:
        message = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
            "if iscsi.initiatorName is specified."
        )
        errors.append(invalid(f"{path}.name", volume_name, message))


def check_glusterfs(source: GlusterfsVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.endpoints, f"{path}.endpoints", errors)
    _check_present(source.path, f"{path}.path", errors)


def check_flocker(source: FlockerVolumeSource, path: str, errors: Errors) -> None:
    if not source.dataset_name and not source.dataset_uuid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if source.dataset_name and source.dataset_uuid:
        message = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(invalid(path, "resource", message))
    if "/" in source.dataset_name:
        errors.append(invalid(f"{path}.datasetName", source.dataset_name, "must not contain '/'"))


def check_rbd(source: RBDVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.monitors, f"{path}.monitors", errors)
    _check_present(source.image, f"{path}.image", errors)


def check_cinder(source: CinderVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.volume_id, f"{path}.volumeID", errors)
    _check_reference(source.secret_ref, f"{path}.secretRef", errors)


def check_cephfs(source: CephFSVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.monitors, f"{path}.monitors", errors)


def check_quobyte(source: QuobyteVolumeSource, path: str, errors: Errors) -> None:
    if not source.registry:
        errors.append(required(f"{path}.registry", HOST_AND_PORT))
    elif len(source.tenant) > QUOBYTE_TENANT_MAX:
        message = "must be a UUID and may not exceed a length of 64 characters"
        errors.append(required(f"{path}.tenant", message))
    else:
        for pair in source.registry.split(","):
            host, colon, _ = pair.rpartition(":")
            if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
                errors.append(invalid(f"{path}.registry", source.registry, HOST_AND_PORT))
    _check_present(source.volume, f"{path}.volume", errors)


def check_fc(source: FCVolumeSource, path: str, errors: Errors) -> None:
    place = f"{path}.targetWWNs"
    if not source.target_wwns and not source.wwids:
        errors.append(required(place, "must specify either targetWWNs or wwids, but not both"))
    if not source.target_wwns:
        return
    if source.wwids:
        message = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(invalid(place, source.target_wwns, message))
    if source.lun is None:
        errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    else:
        check_range(source.lun, 0, 255, f"{path}.lun", errors)


def check_flex_volume(source: FlexVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.driver, f"{path}.driver", errors)
    for key in source.options:
        domain = f".{key.partition('/')[0].lower()}"
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            message = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid(f"{path}.options[{key}]", key, message))


def check_azure_file(source: AzureFileVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.secret_name, f"{path}.secretName", errors)
    _check_present(source.share_name, f"{path}.shareName", errors)


def check_azure_disk(source: AzureDiskVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.disk_name, f"{path}.diskName", errors)
    _check_present(source.disk_uri, f"{path}.diskURI", errors)
    if source.caching_mode is not None:
        check_one_of(source.caching_mode, ("None", "ReadOnly", "ReadWrite"), f"{path}.cachingMode", errors)
    if source.kind is None:
        return
    check_one_of(source.kind, ("Dedicated", "Managed", "Shared"), f"{path}.kind", errors)
    if source.kind == "Managed":
        begin = "/subscriptions/"
        shape = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
    else:
        begin, shape = "https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
    if not source.disk_uri.startswith(begin):
        errors.append(not_supported(f"{path}.diskURI", source.disk_uri, (shape,)))


def check_vsphere(source: VsphereVirtualDiskVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.volume_path, f"{path}.volumePath", errors)


def check_photon_disk(source: PhotonPersistentDiskVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.pd_id, f"{path}.pdID", errors)


def check_portworx(source: PortworxVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.volume_id, f"{path}.volumeID", errors)


def check_storageos(source: StorageOSVolumeSource, path: str, errors: Errors) -> None:
    if not source.volume_name:
        errors.append(required(f"{path}.volumeName"))
    else:
        check_dns_label(source.volume_name, f"{path}.volumeName", errors)
    if source.volume_namespace:
        check_dns_label(source.volume_namespace, f"{path}.volumeNamespace", errors)
    _check_reference(source.secret_ref, f"{path}.secretRef", errors)


def check_scale_io(source: ScaleIOVolumeSource, path: str, errors: Errors) -> None:
    _check_present(source.gateway, f"{path}.gateway", errors)
    _check_present(source.system, f"{path}.system", errors)
    _check_present(source.volume_name, f"{path}.volumeName", errors)


def check_csi(source: CSIVolumeSource, path: str, errors: Errors) -> None:
    _check_csi_driver(source.driver, f"{path}.driver", errors)
    secret = source.node_publish_secret_ref
    if secret is not None and not secret.name:
        errors.append(required(f"{path}.nodePublishSecretRef.name"))
    elif secret is not None:
        add_faults(dns_subdomain_faults(secret.name), secret.name, f"{path}.name", errors)


def _check_csi_driver(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
        return
    if len(name) > CSI_DRIVER_MAX:
        errors.append(too_long(path, CSI_DRIVER_MAX))
    add_faults(dns_subdomain_faults(name.lower()), name, path, errors)


def _check_present(value: str | list[str], path: str, errors: Errors) -> None:
    if not value:
        errors.append(required(path))


def _check_reference(reference: LocalObjectReference | None, path: str, errors: Errors) -> None:
    if reference is not None and not reference.name:
        errors.append(required(f"{path}.name"))


def _check_partition(partition: int, path: str, errors: Errors) -> None:
    # Zero is allowed and means the whole disk; the sentence does not say so.
    if not 0 <= partition <= 255:
        errors.append(invalid(path, partition, inclusive_range_error(1, 255)))


def _check_iscsi_name(name: str, path: str, errors: Errors) -> None:
    shape = _ISCSI_NAMES.get(name[:3])
    if shape is None:
        errors.append(invalid(path, name, "must be valid format starting with iqn, eui, or naa"))
    elif not shape.fullmatch(name):
        errors.append(invalid(path, name, "must be valid format"))
