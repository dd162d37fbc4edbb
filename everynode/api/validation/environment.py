"""A container's environment variables and where their values come from."""

from __future__ import annotations

from collections.abc import Sequence

from everynode.api.core_v1 import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    SecretKeySelector,
)
from everynode.api.fielderror import invalid, required
from everynode.api.validation.fields import (
    Errors,
    add_faults,
    check_dns_label,
    config_key_faults,
    dns_subdomain_faults,
    environment_name_faults,
)
from everynode.api.validation.paths import check_no_backsteps
from everynode.api.validation.references import ENVIRONMENT_FIELDS, check_field_reference, check_resource_reference
from everynode.values.names import mask_trailing_dash

ONE_SOURCE = "may not have more than one field specified at a time"


def check_environment(variables: Sequence[EnvVar], path: str, errors: Errors) -> None:
    for index, variable in enumerate(variables):
        if not variable.name:
            errors.append(required(f"{path}[{index}].name"))
        elif faults := environment_name_faults(variable.name):
            add_faults(faults, variable.name, f"{path}[{index}].name", errors)
        if variable.value_from is not None:
            _check_source(variable.value_from, variable.value, f"{path}[{index}].valueFrom", errors)


def check_environment_sources(sources: Sequence[EnvFromSource], path: str, errors: Errors) -> None:
    """`envFrom`: whole ConfigMaps and Secrets taken as variables."""
    for index, source in enumerate(sources):
        place = f"{path}[{index}]"
        if source.prefix and (faults := environment_name_faults(source.prefix)):
            add_faults(faults, source.prefix, f"{place}.prefix", errors)
        if source.config_map_ref is not None:
            _check_source_name(source.config_map_ref.name, f"{place}.configMapRef.name", errors)
        if source.secret_ref is not None:
            _check_source_name(source.secret_ref.name, f"{place}.secretRef.name", errors)
        if source.config_map_ref is None and source.secret_ref is None:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif source.config_map_ref is not None and source.secret_ref is not None:
            errors.append(invalid(path, "", ONE_SOURCE))


def _check_source(source: EnvVarSource, value: str, path: str, errors: Errors) -> None:
    count = 0
    if source.field_ref is not None:
        count += 1
        check_field_reference(source.field_ref, ENVIRONMENT_FIELDS, f"{path}.fieldRef", errors)
    if source.resource_field_ref is not None:
        count += 1
        place = f"{path}.resourceFieldRef"
        check_resource_reference(source.resource_field_ref, place, errors, names_container=False)
    if source.config_map_key_ref is not None:
        count += 1
        _check_key(source.config_map_key_ref, f"{path}.configMapKeyRef", errors)
    if source.secret_key_ref is not None:
        count += 1
        _check_key(source.secret_key_ref, f"{path}.secretKeyRef", errors)
    if source.file_key_ref is not None:
        count += 1
        _check_file_key(source.file_key_ref, f"{path}.fileKeyRef", errors)
    if not count:
        message = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        )
        errors.append(invalid(path, "", message))
    elif value:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        errors.append(invalid(path, "", ONE_SOURCE))


def _check_source_name(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
    elif faults := dns_subdomain_faults(mask_trailing_dash(name)):
        add_faults(faults, name, path, errors)


def _check_key(selector: ConfigMapKeySelector | SecretKeySelector, path: str, errors: Errors) -> None:
    if faults := dns_subdomain_faults(selector.name):
        add_faults(faults, selector.name, f"{path}.name", errors)
    if not selector.key:
        errors.append(required(f"{path}.key"))
    elif faults := config_key_faults(selector.key):
        add_faults(faults, selector.key, f"{path}.key", errors)


def _check_file_key(selector: FileKeySelector, path: str, errors: Errors) -> None:
    if not selector.key:
        errors.append(required(f"{path}.key"))
    elif faults := environment_name_faults(selector.key):
        add_faults(faults, selector.key, f"{path}.key", errors)
    if not selector.volume_name:
        errors.append(required(f"{path}.volumeName"))
    else:
        check_dns_label(selector.volume_name, f"{path}.volumeName", errors)
    if not selector.path:
        errors.append(required(f"{path}.path"))
    else:
        check_no_backsteps(selector.path, f"{path}.path", errors)
