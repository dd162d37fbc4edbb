"""ConfigMaps and Secrets: keys that can be file names, a limit on their size, and what is immutable stays so."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from everynode.api.core_v1 import ConfigMap, Secret
from everynode.api.fielderror import forbidden, invalid, required, too_long
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    byte_length,
    check_frozen,
    check_immutable,
    config_key_faults,
)
from everynode.api.validation.metadata import check_metadata

DATA_MAX_BYTES = 1024 * 1024  # all values of one object together

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
# Which key of which type holds JSON.
_DOCKER_KEYS: Mapping[str, str] = MappingProxyType(
    {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
)


def check_config_map(config_map: ConfigMap, errors: Errors) -> None:
    check_metadata(config_map.metadata, errors)
    size = 0
    for key, value in config_map.data.items():
        _check_key(key, f"data[{key}]", errors)
        if key in config_map.binary_data:
            errors.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += byte_length(value)
    for key, value in config_map.binary_data.items():
        _check_key(key, f"binaryData[{key}]", errors)
        size += _decoded_length(value)
    if size > DATA_MAX_BYTES:
        errors.append(too_long("[]", DATA_MAX_BYTES))  # how Kubernetes names the whole


def check_config_map_update(new: ConfigMap, old: ConfigMap, errors: Errors) -> None:
    if old.immutable:
        _check_stays_immutable(new.immutable, errors)
        check_frozen(new.data, old.data, "data", errors)
        check_frozen(new.binary_data, old.binary_data, "binaryData", errors)
    check_config_map(new, errors)


def check_secret(secret: Secret, errors: Errors) -> None:
    check_metadata(secret.metadata, errors)
    size = 0
    for key, value in secret.data.items():
        _check_key(key, f"data[{key}]", errors)
        size += _decoded_length(value)
    if size > DATA_MAX_BYTES:
        errors.append(too_long("data", DATA_MAX_BYTES))
    _check_type(secret, errors)


def check_secret_update(new: Secret, old: Secret, errors: Errors) -> None:
    check_immutable(new.type, old.type, "type", errors)
    if old.immutable:
        _check_stays_immutable(new.immutable, errors)
        check_frozen(new.data, old.data, "data", errors)
    check_secret(new, errors)


def _check_type(secret: Secret, errors: Errors) -> None:
    """What a secret of this type must hold; types that are not known hold what they like."""
    data = secret.data
    match secret.type:
        case "kubernetes.io/service-account-token":
            if not secret.metadata.annotations.get(SERVICE_ACCOUNT_NAME):
                errors.append(required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]"))
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            _check_docker(data, _DOCKER_KEYS[secret.type], errors)
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                _check_present(data, ("username", "password"), errors)
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                errors.append(required("data[ssh-privatekey]"))
        case "kubernetes.io/tls":
            _check_present(data, ("tls.crt", "tls.key"), errors)


def _check_present(data: Mapping[str, str], keys: Iterable[str], errors: Errors) -> None:
    errors.extend(required(f"data[{key}]") for key in keys if key not in data)


def _check_docker(data: Mapping[str, str], key: str, errors: Errors) -> None:
    if key not in data:
        errors.append(required(f"data[{key}]"))
        return
    try:
        readable = isinstance(json.loads(b64decode(data[key])), dict)
    except (ValueError, Base64Error):
        readable = False
    if not readable:
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", "must be a JSON object"))


def _check_key(key: str, path: str, errors: Errors) -> None:
    if faults := config_key_faults(key):
        add_faults(faults, key, path, errors)


def _check_stays_immutable(immutable: bool | None, errors: Errors) -> None:
    if not immutable:
        errors.append(forbidden("immutable", "field is immutable when `immutable` is set"))


def _decoded_length(encoded: str) -> int:
    """How many bytes base64 text stands for."""
    return len(encoded) // 4 * 3 - encoded[-2:].count("=")
