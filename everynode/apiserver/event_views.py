"""events.k8s.io/v1 Events are core/v1 Events under other words: one object at rest, two ways to read and write it."""

from __future__ import annotations

from everynode.api import core_v1, events_v1, scheme

STORED = scheme.EVENTS


def from_core(core: core_v1.Event) -> events_v1.Event:
    """A core Event as events.k8s.io/v1 shows it."""
    series = core.series
    return events_v1.Event(
        kind=scheme.EVENTS_V1.kind,
        api_version=scheme.EVENTS_V1.api_version,
        metadata=core.metadata,
        event_time=core.event_time,
        series=None
        if series is None
        else events_v1.EventSeries(count=series.count, last_observed_time=series.last_observed_time),
        reporting_controller=core.reporting_component,
        reporting_instance=core.reporting_instance,
        action=core.action,
        reason=core.reason,
        regarding=core.involved_object,
        related=core.related,
        note=core.message,
        type=core.type,
        deprecated_source=core.source,
        deprecated_first_timestamp=core.first_timestamp,
        deprecated_last_timestamp=core.last_timestamp,
        deprecated_count=core.count,
    )


def to_core(event: events_v1.Event) -> core_v1.Event:
    """An events.k8s.io/v1 Event as it is stored."""
    series = event.series
    return core_v1.Event(
        kind=STORED.kind,
        api_version=STORED.api_version,
        metadata=event.metadata,
        event_time=event.event_time,
        series=None
        if series is None
        else core_v1.EventSeries(count=series.count, last_observed_time=series.last_observed_time),
        reporting_component=event.reporting_controller,
        reporting_instance=event.reporting_instance,
        action=event.action,
        reason=event.reason,
        involved_object=event.regarding,
        related=event.related,
        message=event.note,
        type=event.type,
        source=event.deprecated_source,
        first_timestamp=event.deprecated_first_timestamp,
        last_timestamp=event.deprecated_last_timestamp,
        count=event.deprecated_count,
    )
