"""The rows of events, alike for core Events and those of events.k8s.io, which name the same things otherwise."""

from __future__ import annotations

import msgspec

from everynode.apiserver.tables.printer import WIDE, Cells, Column, Metadata, Printer, View, text
from everynode.values.timestamps import age


class Regarding(msgspec.Struct, rename="camel"):
    """What is read of the object that an event is about."""

    kind: str = ""
    name: str = ""
    field_path: str = ""


class Source(msgspec.Struct):
    """Who reported an event."""

    component: str = ""
    host: str = ""


class Series(msgspec.Struct, rename="camel"):
    """How often an event came again."""

    count: int = 0
    last_observed_time: str | None = None


class EventView(View):
    """What is read of a core Event."""

    involved_object: Regarding = msgspec.field(default_factory=Regarding)
    type: str = ""
    reason: str = ""
    message: str = ""
    source: Source = msgspec.field(default_factory=Source)
    reporting_component: str = ""
    reporting_instance: str = ""
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    count: int = 0
    series: Series | None = None


class NewEventView(View):
    """What is read of an events.k8s.io Event, under the names of a core Event."""

    involved_object: Regarding = msgspec.field(default_factory=Regarding, name="regarding")
    type: str = ""
    reason: str = ""
    message: str = msgspec.field(default="", name="note")
    source: Source = msgspec.field(default_factory=Source, name="deprecatedSource")
    reporting_component: str = msgspec.field(default="", name="reportingController")
    reporting_instance: str = ""
    first_timestamp: str | None = msgspec.field(default=None, name="deprecatedFirstTimestamp")
    last_timestamp: str | None = msgspec.field(default=None, name="deprecatedLastTimestamp")
    event_time: str | None = None
    count: int = msgspec.field(default=0, name="deprecatedCount")
    series: Series | None = None


def _cells(event: EventView | NewEventView, metadata: Metadata, now: float) -> Cells:
    first = event.first_timestamp or event.event_time
    last = event.last_timestamp or first
    count = event.count or 1
    if event.series is not None:
        last, count = event.series.last_observed_time, event.series.count
    about = event.involved_object
    component = event.source.component or event.reporting_component
    instance = event.source.host or event.reporting_instance
    return (
        age(last, now),
        event.type,
        event.reason,
        f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower(),
        about.field_path,
        f"{component}, {instance}" if instance else component,
        event.message.strip(),
        age(first, now),
        count,
        metadata.name,
    )


_COLUMNS = (
    text("Last Seen", "How long ago it happened last"),
    text("Type", "Normal or Warning"),
    text("Reason", "Why, in one word for machines"),
    text("Object", "What it happened to"),
    text("Subobject", "The part of the object it is about", WIDE),
    text("Source", "Who reported it", WIDE),
    text("Message", "What happened, for people"),
    text("First Seen", "How long ago it happened first", WIDE),
    text("Count", "How often it happened", WIDE),
    Column("Name", "string", "name", "What the event itself is called", WIDE),
)

EVENT = Printer(_COLUMNS, EventView, _cells)
NEW_EVENT = Printer(_COLUMNS, NewEventView, _cells)
