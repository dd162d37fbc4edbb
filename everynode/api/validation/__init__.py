"""Whether an object may stand: what it says, how it may change, what its status may report.

In comes an object that defaulting and admission have completed (and the one that stood before); out come all of its
faults, each once and in Kubernetes' order, as `FieldError`s whose fields and sentences are Kubernetes' own. An empty list
means that it may be stored. Nothing is changed here.

On update the caller has filled in what a request may leave out: uid, resourceVersion, creationTimestamp and whatever
says that the object is being deleted. The stored object is taken for well-formed, since nothing else is ever stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from everynode.api import scheme
from everynode.api.fielderror import FieldError
from everynode.api.validation.configmaps import (
    check_config_map,
    check_config_map_update,
    check_secret,
    check_secret_update,
)
from everynode.api.validation.controllerrevisions import (
    check_controller_revision,
    check_controller_revision_update,
)
from everynode.api.validation.daemonsets import (
    check_daemon_set,
    check_daemon_set_status_update,
    check_daemon_set_update,
)
from everynode.api.validation.events import check_event, check_event_update, check_new_event, check_new_event_update
from everynode.api.validation.fields import EnoughError, Errors
from everynode.api.validation.leases import check_lease, check_lease_update
from everynode.api.validation.limitranges import check_limit_range, check_limit_range_update
from everynode.api.validation.metadata import check_metadata, check_metadata_update, path_segment_faults
from everynode.api.validation.namespaces import (
    check_namespace,
    check_namespace_status_update,
    check_namespace_update,
)
from everynode.api.validation.nodes import check_node, check_node_update
from everynode.api.validation.poddisruptionbudgets import (
    check_pod_disruption_budget,
    check_pod_disruption_budget_status_update,
    check_pod_disruption_budget_update,
)
from everynode.api.validation.pods import check_pod, check_pod_update
from everynode.api.validation.podstatus import check_pod_status_update
from everynode.api.validation.priorityclasses import check_priority_class, check_priority_class_update
from everynode.api.validation.resourcequotas import (
    check_resource_quota,
    check_resource_quota_status_update,
    check_resource_quota_update,
)
from everynode.api.validation.serviceaccounts import check_service_account
from everynode.api.validation.services import check_service, check_service_status_update, check_service_update

SENTENCES_MAX_BYTES = 1024 * 1024  # of one object's faults together

CreationRule = Callable[[Any, Errors], None]
ChangeRule = Callable[[Any, Any, Errors], None]


def on_create(resource: scheme.Resource, obj: Any) -> list[FieldError]:
    """What keeps `obj`, an instance of `resource.struct`, from being created."""
    errors = Errors()
    rule = _CREATIONS.get(resource)
    if rule is not None:
        with suppress(EnoughError):
            rule(obj, errors)
    return _told_once(errors) if errors else errors


def on_update(resource: scheme.Resource, new: Any, old: Any) -> list[FieldError]:
    """What keeps `new` from taking the place of `old`."""
    return _on_change(resource, _UPDATES.get(resource), new, old)


def on_status_update(resource: scheme.Resource, new: Any, old: Any) -> list[FieldError]:
    """What keeps `new`, of which only the status (and some metadata) was taken, from taking the place of `old`."""
    return _on_change(resource, _STATUS_UPDATES.get(resource), new, old)


def _on_change(resource: scheme.Resource, rule: ChangeRule | None, new: Any, old: Any) -> list[FieldError]:
    """The rules of metadata, which every kind has, and then the kind's own.

    Metadata that is the stored object's own is well-formed and unchanged."""
    errors = Errors()
    with suppress(EnoughError):
        if new.metadata is not old.metadata:
            check_metadata(new.metadata, errors, namespaced=resource.namespaced, name_faults=path_segment_faults)
            check_metadata_update(new.metadata, old.metadata, errors)
        if rule is not None:
            rule(new, old, errors)
    return _told_once(errors) if errors else errors


def _told_once(errors: Errors) -> list[FieldError]:
    """Several rules may find the same fault, as where metadata is judged as on creation too.

    What follows after the sentences have filled `SENTENCES_MAX_BYTES` is left out: some of them quote a whole list.
    """
    told: dict[str, FieldError] = {}
    size = 0
    for error in errors:
        sentence = str(error)
        if sentence not in told:
            told[sentence] = error
            size += len(sentence)
        if size > SENTENCES_MAX_BYTES:
            break
    return list(told.values())


_CREATIONS: Mapping[scheme.Resource, CreationRule] = MappingProxyType(
    {
        scheme.PODS: check_pod,
        scheme.DAEMON_SETS: check_daemon_set,
        scheme.CONTROLLER_REVISIONS: check_controller_revision,
        scheme.NODES: check_node,
        scheme.NAMESPACES: check_namespace,
        scheme.EVENTS: check_event,
        scheme.EVENTS_V1: check_new_event,
        scheme.CONFIG_MAPS: check_config_map,
        scheme.SECRETS: check_secret,
        scheme.SERVICE_ACCOUNTS: check_service_account,
        scheme.SERVICES: check_service,
        scheme.LEASES: check_lease,
        scheme.PRIORITY_CLASSES: check_priority_class,
        scheme.RESOURCE_QUOTAS: check_resource_quota,
        scheme.LIMIT_RANGES: check_limit_range,
        scheme.POD_DISRUPTION_BUDGETS: check_pod_disruption_budget,
    }
)

# A ServiceAccount has nothing but metadata that could be changed wrongly.
_UPDATES: Mapping[scheme.Resource, ChangeRule] = MappingProxyType(
    {
        scheme.PODS: check_pod_update,
        scheme.DAEMON_SETS: check_daemon_set_update,
        scheme.CONTROLLER_REVISIONS: check_controller_revision_update,
        scheme.NODES: check_node_update,
        scheme.NAMESPACES: check_namespace_update,
        scheme.EVENTS: check_event_update,
        scheme.EVENTS_V1: check_new_event_update,
        scheme.CONFIG_MAPS: check_config_map_update,
        scheme.SECRETS: check_secret_update,
        scheme.SERVICES: check_service_update,
        scheme.LEASES: check_lease_update,
        scheme.PRIORITY_CLASSES: check_priority_class_update,
        scheme.RESOURCE_QUOTAS: check_resource_quota_update,
        scheme.LIMIT_RANGES: check_limit_range_update,
        scheme.POD_DISRUPTION_BUDGETS: check_pod_disruption_budget_update,
    }
)

_STATUS_UPDATES: Mapping[scheme.Resource, ChangeRule] = MappingProxyType(
    {
        scheme.PODS: check_pod_status_update,
        scheme.DAEMON_SETS: check_daemon_set_status_update,
        scheme.NODES: check_node_update,
        scheme.NAMESPACES: check_namespace_status_update,
        scheme.SERVICES: check_service_status_update,
        scheme.RESOURCE_QUOTAS: check_resource_quota_status_update,
        scheme.POD_DISRUPTION_BUDGETS: check_pod_disruption_budget_status_update,
    }
)
