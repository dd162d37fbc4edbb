"""What a container is given that did not say it: pull policy, message path, protocols, probe timings.

Everything is written into the struct in place. Init and ephemeral containers follow the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from everynode.api.core_v1 import (
    Container,
    EnvVar,
    EphemeralContainer,
    HTTPGetAction,
    Lifecycle,
    ObjectFieldSelector,
    Probe,
)
from everynode.api.defaults.quantities import store_amounts, stored_exactly

TERMINATION_MESSAGE_PATH = "/dev/termination-log"
PROBE_TIMEOUT_SECONDS = 1
PROBE_PERIOD_SECONDS = 10
PROBE_SUCCESS_THRESHOLD = 1
PROBE_FAILURE_THRESHOLD = 3

_MEMORABLE_LENGTH = 512  # characters of an image's name; longer ones are not worth the memory

_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


def default_containers(containers: Sequence[Container | EphemeralContainer]) -> None:
    for container in containers:
        default_container(container)


def default_container(container: Container | EphemeralContainer) -> None:
    if not container.image_pull_policy:
        container.image_pull_policy = pull_policy(container.image)
    if not container.termination_message_path:
        container.termination_message_path = TERMINATION_MESSAGE_PATH
    if not container.termination_message_policy:
        container.termination_message_policy = "File"
    for port in container.ports:
        if not port.protocol:
            port.protocol = "TCP"
    if container.env:
        _default_environment(container.env)
    if container.resources.limits:
        store_amounts(container.resources.limits)
    if container.resources.requests:
        store_amounts(container.resources.requests)
    for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
        if probe is not None:
            _default_probe(probe)
    if container.lifecycle is not None:
        _default_lifecycle(container.lifecycle)


def pull_policy(image: str) -> str:
    """Images named by `latest`, or by neither tag nor digest, may change under their name and are always pulled."""
    return _remembered_policy(image) if len(image) <= _MEMORABLE_LENGTH else _policy(image)


def _policy(image: str) -> str:
    reference = _IMAGE_REFERENCE.fullmatch(image)
    if reference is None:  # not a name at all; whether that is allowed is for others to say
        return "IfNotPresent"
    names_none = reference["tag"] is None and reference["digest"] is None
    return "Always" if names_none or reference["tag"] == "latest" else "IfNotPresent"


_remembered_policy = lru_cache(maxsize=1024)(_policy)


def default_field_reference(reference: ObjectFieldSelector | None) -> None:
    if reference is not None and not reference.api_version:
        reference.api_version = "v1"


def requests_from_limits(container: Container) -> None:
    """Whoever limits a resource and does not say how much of it is requested requests the limit. Pods only, not templates."""
    limits = container.resources.limits
    if limits:
        requests = container.resources.requests
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def host_ports(container: Container) -> None:
    """On the host's network a container's port is the host's port."""
    for port in container.ports:
        if not port.host_port:
            port.host_port = port.container_port


def _default_environment(variables: Sequence[EnvVar]) -> None:
    for variable in variables:
        source = variable.value_from
        if source is None:
            continue
        default_field_reference(source.field_ref)
        if source.resource_field_ref is not None:
            source.resource_field_ref.divisor = stored_exactly(source.resource_field_ref.divisor)
        if source.file_key_ref is not None and source.file_key_ref.optional is None:
            source.file_key_ref.optional = False


def _default_probe(probe: Probe) -> None:
    if not probe.timeout_seconds:
        probe.timeout_seconds = PROBE_TIMEOUT_SECONDS
    if not probe.period_seconds:
        probe.period_seconds = PROBE_PERIOD_SECONDS
    if not probe.success_threshold:
        probe.success_threshold = PROBE_SUCCESS_THRESHOLD
    if not probe.failure_threshold:
        probe.failure_threshold = PROBE_FAILURE_THRESHOLD
    _default_http_get(probe.http_get)
    if probe.grpc is not None and probe.grpc.service is None:
        probe.grpc.service = ""


def _default_lifecycle(lifecycle: Lifecycle) -> None:
    for handler in (lifecycle.post_start, lifecycle.pre_stop):
        if handler is not None:
            _default_http_get(handler.http_get)


def _default_http_get(action: HTTPGetAction | None) -> None:
    if action is not None:
        action.path = action.path or "/"
        action.scheme = action.scheme or "HTTP"
