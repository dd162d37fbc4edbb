"""Files that Kubernetes writes into a volume: items of ConfigMaps and Secrets, the downward API, projected volumes."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import (
    ClusterTrustBundleProjection,
    ConfigMapProjection,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    KeyToPath,
    PodCertificateProjection,
    ProjectedVolumeSource,
    SecretProjection,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from everynode.api.fielderror import forbidden, invalid, not_supported, required, too_long
from everynode.api.validation.fields import (
    ANNOTATIONS_MAX_BYTES,
    Errors,
    byte_length,
    check_id,
    dns_subdomain_faults,
    label_key_faults,
)
from everynode.api.validation.internal import as_internal
from everynode.api.validation.paths import check_projected
from everynode.api.validation.references import VOLUME_FIELDS, check_field_reference, check_resource_reference
from everynode.api.validation.selectors import check_label_selector
from everynode.api.validation.signers import check_signer_name, is_kubernetes_signer

FILE_MODE_MAX = 0o777
TOKEN_SECONDS_MIN = 600
TOKEN_SECONDS_MAX = 2**32
CERTIFICATE_SECONDS_MIN = 3600
CERTIFICATE_SECONDS_MAX = 91 * 86400
KUBERNETES_CERTIFICATE_SECONDS_MAX = 86400
KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")

_FORBIDDEN_SECOND = "may not specify more than 1 volume type per source"


def check_file_mode(mode: int | None, path: str, errors: Errors) -> None:
    if mode is not None and not 0 <= mode <= FILE_MODE_MAX:
        errors.append(invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive"))


def check_items(items: Sequence[KeyToPath], path: str, errors: Errors) -> None:
    """Which keys of a ConfigMap or Secret become which files."""
    for index, item in enumerate(items):
        _check_item(item, f"{path}[{index}]", errors)


def check_downward_volume(source: DownwardAPIVolumeSource, path: str, errors: Errors) -> None:
    check_file_mode(source.default_mode, f"{path}.defaultMode", errors)
    check_id(source.default_user, f"{path}.defaultUser", errors)
    for file in source.items:
        _check_downward_file(file, path, errors)


def check_projected_volume(source: ProjectedVolumeSource, path: str, errors: Errors) -> None:
    """Several sources in one directory; no two of them may write the same file."""
    check_file_mode(source.default_mode, f"{path}.defaultMode", errors)
    check_id(source.default_user, f"{path}.defaultUser", errors)
    written: set[str] = set()
    for index, projection in enumerate(source.sources):
        place = f"{path}.sources[{index}]"
        _check_projection(projection, place, path, written, errors)
        if sum(getattr(projection, name) is not None for name in VolumeProjection.__struct_fields__) > 1:
            errors.append(forbidden(place, _FORBIDDEN_SECOND))


def _check_projection(projection: VolumeProjection, place: str, path: str, written: set[str], errors: Errors) -> None:
    """One source at `place`; that two write the same file is told of the volume, at `path`."""
    if projection.secret is not None:
        _check_keys(projection.secret, f"{place}.secret", path, written, errors)
    if projection.config_map is not None:
        _check_keys(projection.config_map, f"{place}.configMap", path, written, errors)
    if projection.downward_api is not None:
        _check_downward(projection.downward_api, f"{place}.downwardAPI", path, written, errors)
    if projection.service_account_token is not None:
        _check_token(projection.service_account_token, f"{place}.serviceAccountToken", path, errors)
    if projection.cluster_trust_bundle is not None:
        _check_bundle(projection.cluster_trust_bundle, f"{place}.clusterTrustBundle", errors)
        _check_written_once(projection.cluster_trust_bundle.path, None, path, written, errors)
    if projection.pod_certificate is not None:
        _check_certificate(projection.pod_certificate, f"{place}.podCertificate", path, written, errors)


def _check_item(item: KeyToPath, path: str, errors: Errors) -> None:
    if not item.key:
        errors.append(required(f"{path}.key"))
    if not item.path:
        errors.append(required(f"{path}.path"))
    check_projected(item.path, f"{path}.path", errors)
    check_file_mode(item.mode, f"{path}.mode", errors)
    check_id(item.user, f"{path}.user", errors)


def _check_keys(
    source: SecretProjection | ConfigMapProjection, place: str, path: str, written: set[str], errors: Errors
) -> None:
    if not source.name:
        errors.append(required(f"{place}.name"))
    for index, item in enumerate(source.items):
        _check_item(item, f"{place}.items[{index}]", errors)
        if item.path:
            _check_written_once(item.path, source.name, path, written, errors)


def _check_downward(source: DownwardAPIProjection, place: str, path: str, written: set[str], errors: Errors) -> None:
    for file in source.items:
        _check_downward_file(file, place, errors)
        if file.path:
            _check_written_once(file.path, None, path, written, errors)


def _check_written_once(file: str, named: str | None, path: str, written: set[str], errors: Errors) -> None:
    """`named` is what the message names instead of the file."""
    if file in written:
        errors.append(invalid(path, file if named is None else named, "conflicting duplicate paths"))
    written.add(file)


def _check_downward_file(file: DownwardAPIVolumeFile, path: str, errors: Errors) -> None:
    if not file.path:
        errors.append(required(f"{path}.path"))
    check_projected(file.path, f"{path}.path", errors)
    if file.field_ref is not None:
        check_field_reference(file.field_ref, VOLUME_FIELDS, f"{path}.fieldRef", errors)
        if file.resource_field_ref is not None:
            message = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", message))
    elif file.resource_field_ref is not None:
        place = f"{path}.resourceFieldRef"
        check_resource_reference(file.resource_field_ref, place, errors, names_container=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    check_file_mode(file.mode, f"{path}.mode", errors)
    check_id(file.user, f"{path}.user", errors)


def _check_token(source: ServiceAccountTokenProjection, place: str, path: str, errors: Errors) -> None:
    seconds = source.expiration_seconds
    if seconds is None:
        errors.append(required(f"{place}.expirationSeconds"))
    elif seconds < TOKEN_SECONDS_MIN:
        message = "may not specify a duration less than 10 minutes"
        errors.append(invalid(f"{place}.expirationSeconds", seconds, message))
    elif seconds > TOKEN_SECONDS_MAX:
        message = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(f"{place}.expirationSeconds", seconds, message))
    if not source.path:
        errors.append(required(f"{path}.path"))
    else:
        check_projected(source.path, f"{path}.path", errors)
    check_id(source.user, f"{place}.user", errors)


def _check_bundle(source: ClusterTrustBundleProjection, path: str, errors: Errors) -> None:
    if source.name is not None and source.signer_name is not None:
        errors.append(invalid(path, as_internal(source), "only one of name and signerName may be used"))
    elif source.name is not None:
        _check_bundle_name(source.name, f"{path}.name", errors)
        if source.label_selector is not None:
            message = "labelSelector must be unset if name is specified"
            errors.append(invalid(f"{path}.labelSelector", source.label_selector, message))
    elif source.signer_name is not None:
        if not source.signer_name:
            errors.append(required(f"{path}.signerName", "must be a valid signer name"))
        check_signer_name(source.signer_name, f"{path}.signerName", errors)
        check_label_selector(source.label_selector, f"{path}.labelSelector", errors)
    else:
        errors.append(required(path, "either name or signerName must be specified"))
    if not source.path:
        errors.append(required(f"{path}.path"))
    check_id(source.user, f"{path}.user", errors)
    check_projected(source.path, f"{path}.path", errors)


def _check_bundle_name(name: str, path: str, errors: Errors) -> None:
    """`signer:domain:own-name`, or just a name."""
    if not name:
        errors.append(required(path, "must be a valid object name"))
    for fault in dns_subdomain_faults(name.rpartition(":")[2]):
        errors.append(invalid(path, name, f"not a valid clustertrustbundlename: {fault}"))


def _check_certificate(
    source: PodCertificateProjection, place: str, path: str, written: set[str], errors: Errors
) -> None:
    check_signer_name(source.signer_name, f"{place}.signerName", errors)
    _check_user_annotations(source, f"{place}.userAnnotations", errors)
    check_id(source.user, f"{place}.user", errors)
    if source.key_type not in KEY_TYPES:
        errors.append(not_supported(f"{place}.keyType", source.key_type, KEY_TYPES))
    _check_certificate_lifetime(source, f"{place}.maxExpirationSeconds", errors)
    files = {
        "credentialBundlePath": source.credential_bundle_path,
        "keyPath": source.key_path,
        "certificateChainPath": source.certificate_chain_path,
    }
    for name, file in files.items():
        if file:
            check_projected(file, f"{place}.{name}", errors)
            _check_written_once(file, None, path, written, errors)
    if not any(files.values()):
        message = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(place, message))


def _check_certificate_lifetime(source: PodCertificateProjection, path: str, errors: Errors) -> None:
    seconds = source.max_expiration_seconds
    if seconds is None:
        return
    if seconds < CERTIFICATE_SECONDS_MIN:
        errors.append(invalid(path, seconds, "if provided, maxExpirationSeconds must be >= 3600"))
    own = is_kubernetes_signer(source.signer_name)
    most = KUBERNETES_CERTIFICATE_SECONDS_MAX if own else CERTIFICATE_SECONDS_MAX
    if seconds > most:
        errors.append(invalid(path, seconds, f"if provided, maxExpirationSeconds must be <= {most}"))


def _check_user_annotations(source: PodCertificateProjection, path: str, errors: Errors) -> None:
    """Keys of these must name a domain."""
    size = 0
    for key, value in source.user_annotations.items():
        lowered = key.lower()
        faults = label_key_faults(lowered) if lowered else ()
        if not lowered:
            errors.append(required(path))
        for fault in faults:
            errors.append(invalid(path, lowered, fault))
        if lowered and not faults and "/" not in lowered:
            errors.append(invalid(path, lowered, 'must be a domain-prefixed key (such as "acme.io/foo")'))
        size += byte_length(key) + byte_length(value)
    if size > ANNOTATIONS_MAX_BYTES:
        errors.append(too_long(path, ANNOTATIONS_MAX_BYTES))
