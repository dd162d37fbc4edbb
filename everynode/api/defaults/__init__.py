"""What an object is given that did not say it, so that everybody who reads it reads the same.

In comes a decoded object as its author sent it; it is completed in place, to the field as Kubernetes does. Applying it
twice changes nothing more. It runs before admission and validation, which may therefore rely on it. Amounts are rewritten
to their canonical text on the way; one that cannot be read raises `everynode.values.quantity.QuantityError`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from everynode.api import scheme
from everynode.api.core_v1 import Namespace, Secret
from everynode.api.defaults.daemonsets import default_daemon_set
from everynode.api.defaults.nodes import default_node
from everynode.api.defaults.pods import default_pod
from everynode.api.defaults.quotas import default_limit_range, default_resource_quota
from everynode.api.defaults.services import default_service
from everynode.api.scheduling_v1 import PriorityClass

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def apply(resource: scheme.Resource, obj: Any) -> None:
    """Completes `obj`, an instance of `resource.struct`, in place. Kinds without defaults are left as they are."""
    default = _DEFAULTS.get(resource)
    if default is not None:
        default(obj)


def _default_namespace(namespace: Namespace) -> None:
    # One that is still to be named gets the label when it gets the name.
    if namespace.metadata.name:
        namespace.metadata.labels[NAMESPACE_NAME_LABEL] = namespace.metadata.name
    if not namespace.status.phase:
        namespace.status.phase = "Active"


def _default_secret(secret: Secret) -> None:
    if not secret.type:
        secret.type = "Opaque"
    # `stringData` is a convenience of writing: it is stored as data, and never read back.
    for key, text in secret.string_data.items():
        secret.data[key] = base64.b64encode(text.encode()).decode()
    secret.string_data = {}


def _default_priority_class(priority_class: PriorityClass) -> None:
    if priority_class.preemption_policy is None:
        priority_class.preemption_policy = "PreemptLowerPriority"


_DEFAULTS: Mapping[scheme.Resource, Callable[[Any], None]] = MappingProxyType(
    {
        scheme.PODS: default_pod,
        scheme.DAEMON_SETS: default_daemon_set,
        scheme.NODES: default_node,
        scheme.SERVICES: default_service,
        scheme.NAMESPACES: _default_namespace,
        scheme.SECRETS: _default_secret,
        scheme.PRIORITY_CLASSES: _default_priority_class,
        scheme.RESOURCE_QUOTAS: default_resource_quota,
        scheme.LIMIT_RANGES: default_limit_range,
    }
)
