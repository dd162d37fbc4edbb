"""References to a pod's own fields and to its containers' resources: what the downward API can tell."""

from __future__ import annotations

from collections.abc import Set

from everynode.api.core_v1 import ObjectFieldSelector, ResourceFieldSelector
from everynode.api.fielderror import invalid, not_supported, required
from everynode.api.validation.fields import Errors, check_label_key
from everynode.values.quantity import Quantity

ENVIRONMENT_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
VOLUME_FIELDS = frozenset(
    {"metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"}
)
# What pods can be asked for at all; which of them, the place decides.
_POD_FIELDS = (
    ENVIRONMENT_FIELDS | VOLUME_FIELDS | {"spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
)
_MAPS = ("metadata.annotations", "metadata.labels")

CONTAINER_RESOURCES = frozenset(
    f"{side}.{resource}" for side in ("limits", "requests") for resource in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")

_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
# What an amount may be divided by, and what the resource is called in the message.
_DIVISORS = {
    "cpu": (("1m", "1"), "cpu"),
    "memory": (_BYTE_DIVISORS, "memory"),
    "ephemeral-storage": (_BYTE_DIVISORS, "local ephemeral storage"),
}
_HUGE_PAGE_DIVISORS = (_BYTE_DIVISORS, "hugepages")


def check_field_reference(reference: ObjectFieldSelector, allowed: Set[str], path: str, errors: Errors) -> None:
    if not reference.api_version:
        errors.append(required(f"{path}.apiVersion"))
    elif not reference.field_path:
        errors.append(required(f"{path}.fieldPath"))
    elif reference.api_version != "v1":
        _cannot_convert(reference, f"unsupported pod version: {reference.api_version}", path, errors)
    else:
        _check_field_path(reference, allowed, path, errors)


def check_resource_reference(
    reference: ResourceFieldSelector, path: str, errors: Errors, *, names_container: bool
) -> None:
    """`names_container`: whether it stands outside of a container and so has to name one."""
    resource = reference.resource
    if names_container and not reference.container_name:
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in CONTAINER_RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(f"{path}.resource", resource, sorted(CONTAINER_RESOURCES)))
    _check_divisor(reference, path, errors)


def _check_field_path(reference: ObjectFieldSelector, allowed: Set[str], path: str, errors: Errors) -> None:
    field, subscript = _split_subscript(reference.field_path)
    if subscript is not None:
        if field not in _MAPS:
            message = f"field label does not support subscript: {reference.field_path}"
            _cannot_convert(reference, message, path, errors)
        else:
            check_label_key(subscript.lower() if field == "metadata.annotations" else subscript, path, errors)
    elif field not in _POD_FIELDS:
        _cannot_convert(reference, f"field label not supported: {field}", path, errors)
    else:
        field = "spec.nodeName" if field == "spec.host" else field  # its name of old
        if field not in allowed:
            errors.append(not_supported(f"{path}.fieldPath", field, sorted(allowed)))


def _cannot_convert(reference: ObjectFieldSelector, why: str, path: str, errors: Errors) -> None:
    errors.append(invalid(f"{path}.fieldPath", reference.field_path, f"error converting fieldPath: {why}"))


def _split_subscript(path: str) -> tuple[str, str | None]:
    """`metadata.labels['app']` gives `metadata.labels` and `app`; without a subscript there is no second part."""
    field, bracket, subscript = path.removesuffix("']").partition("['")
    return (field, subscript) if path.endswith("']") and bracket and field else (path, None)


def _check_divisor(reference: ResourceFieldSelector, path: str, errors: Errors) -> None:
    divisor = Quantity.parse(reference.divisor)
    if not divisor:
        return
    resource = reference.resource
    known = _HUGE_PAGE_DIVISORS if resource.startswith(_HUGE_PAGES) else _DIVISORS.get(resource.partition(".")[2])
    if known is not None and str(divisor) not in known[0]:
        listed = " and ".join(known[0]) if known[1] == "cpu" else ", ".join(known[0])
        message = f"only divisor's values {listed} are supported with the {known[1]} resource"
        errors.append(invalid(f"{path}.divisor", resource, message))
