"""Events, in the older group (core/v1) and the newer (events.k8s.io/v1), which is the stricter of the two.

The newer ones are judged as their own type; the few fields of the older type that they must leave alone are named as
they are there.
"""

from __future__ import annotations

from everynode.api import core_v1, events_v1
from everynode.api.fielderror import invalid, required
from everynode.api.validation.fields import Errors, byte_length, check_immutable, check_label_key
from everynode.api.validation.metadata import check_metadata, path_segment_faults

REPORTING_INSTANCE_MAX = 128
ACTION_MAX = 128
REASON_MAX = 128
NOTE_MAX = 1024
TYPES = ("Normal", "Warning")


def check_event(event: core_v1.Event, errors: Errors) -> None:
    _check_older(event, errors)
    check_metadata(event.metadata, errors, name_faults=path_segment_faults)


def check_event_update(new: core_v1.Event, old: core_v1.Event, errors: Errors) -> None:
    """core/v1 lets everything of an event change."""
    _check_older(new, errors)


def check_new_event(event: events_v1.Event, errors: Errors) -> None:
    """An Event of events.k8s.io/v1 that is to be created."""
    _check_new_common(event, errors)
    check_metadata(event.metadata, errors)
    _check_series(event, errors)
    if event.event_time is None:
        errors.append(required("eventTime"))
    if event.type not in TYPES:
        errors.append(invalid("type", "", f"has invalid value: {event.type}"))
    older = {
        "firstTimestamp": event.deprecated_first_timestamp,
        "lastTimestamp": event.deprecated_last_timestamp,
        "count": event.deprecated_count,
        "source": event.deprecated_source.component or event.deprecated_source.host,
    }
    errors.extend(invalid(name, "", "needs to be unset") for name, value in older.items() if value)


def check_new_event_update(new: events_v1.Event, old: events_v1.Event, errors: Errors) -> None:
    """Of an Event of events.k8s.io/v1 only the series may change."""
    _check_new_common(new, errors)
    if new.series != old.series:
        _check_series(new, errors)
    check_immutable(new.regarding, old.regarding, "involvedObject", errors)
    check_immutable(new.reason, old.reason, "reason", errors)
    check_immutable(new.note, old.note, "message", errors)
    check_immutable(new.deprecated_source, old.deprecated_source, "source", errors)
    check_immutable(new.deprecated_first_timestamp, old.deprecated_first_timestamp, "firstTimestamp", errors)
    check_immutable(new.deprecated_last_timestamp, old.deprecated_last_timestamp, "lastTimestamp", errors)
    check_immutable(new.deprecated_count, old.deprecated_count, "count", errors)
    check_immutable(new.type, old.type, "type", errors)
    check_immutable(new.event_time, old.event_time, "eventTime", errors)
    check_immutable(new.action, old.action, "action", errors)
    check_immutable(new.related, old.related, "related", errors)
    check_immutable(new.reporting_controller, old.reporting_controller, "reportingController", errors)
    check_immutable(new.reporting_instance, old.reporting_instance, "reportingInstance", errors)


def _check_older(event: core_v1.Event, errors: Errors) -> None:
    regarding = event.involved_object.namespace
    _check_namespace(event.metadata.namespace, regarding, event.event_time, errors)
    if event.event_time is not None:
        _check_reporter(event.reporting_component, event.reporting_instance, "reportingComponent", errors)
        _check_words(event.action, event.reason, event.message, errors)


def _check_new_common(event: events_v1.Event, errors: Errors) -> None:
    _check_namespace(event.metadata.namespace, event.regarding.namespace, event.event_time, errors)
    if event.event_time is not None:
        _check_reporter(event.reporting_controller, event.reporting_instance, "reportingController", errors)
        _check_words(event.action, event.reason, event.note, errors)


def _check_namespace(namespace: str, regarding: str, event_time: str | None, errors: Errors) -> None:
    """An event stands in the namespace of what it is about; what has none is told of in `default`."""
    if regarding:
        matches = event_time is not None or namespace == regarding
    elif event_time is None:
        matches = namespace in ("", "default")
    else:
        matches = namespace in ("default", "kube-system")
    if not matches:
        errors.append(invalid("involvedObject.namespace", regarding, "does not match event.namespace"))


def _check_reporter(controller: str, instance: str, field: str, errors: Errors) -> None:
    if not controller:
        errors.append(required(field))
    check_label_key(controller, field, errors)
    if not instance:
        errors.append(required("reportingInstance"))
    _check_length(instance, REPORTING_INSTANCE_MAX, "reportingInstance", errors)


def _check_words(action: str, reason: str, message: str, errors: Errors) -> None:
    if not action:
        errors.append(required("action"))
    _check_length(action, ACTION_MAX, "action", errors)
    if not reason:
        errors.append(required("reason"))
    _check_length(reason, REASON_MAX, "reason", errors)
    _check_length(message, NOTE_MAX, "message", errors)


def _check_length(text: str, most: int, path: str, errors: Errors) -> None:
    if byte_length(text) > most:
        errors.append(invalid(path, "", f"can have at most {most} characters"))


def _check_series(event: events_v1.Event, errors: Errors) -> None:
    if event.series is None:
        return
    if event.series.count < 2:
        errors.append(invalid("series.count", "", "should be at least 2"))
    if event.series.last_observed_time is None:
        errors.append(required("series.lastObservedTime"))
