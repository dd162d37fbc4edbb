"""The rows of DaemonSets and of the revisions of their templates."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.apiserver.tables.printer import (
    AGE,
    NAME,
    WIDE,
    Cells,
    Metadata,
    Printer,
    View,
    age_of,
    number,
    text,
)
from everynode.values.labels import format_label_selector, format_labels


class Container(msgspec.Struct):
    """What is read of a container."""

    name: str = ""
    image: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    """What is read of a template's spec."""

    containers: list[Container] = []
    node_selector: dict[str, str] = {}


class Template(msgspec.Struct):
    """What is read of a template."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class DaemonSetSpec(msgspec.Struct):
    """What is read of a DaemonSet's spec."""

    selector: dict[str, Any] | None = None
    template: Template = msgspec.field(default_factory=Template)


class DaemonSetStatus(msgspec.Struct, rename="camel"):
    """What is read of a DaemonSet's status."""

    desired_number_scheduled: int = 0
    current_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class DaemonSetView(View):
    """What is read of a DaemonSet."""

    spec: DaemonSetSpec = msgspec.field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = msgspec.field(default_factory=DaemonSetStatus)


class ControllerRevisionView(View):
    """What is read of a ControllerRevision."""

    revision: int = 0


def _daemon_set(daemon_set: DaemonSetView, metadata: Metadata, now: float) -> Cells:
    status, pod = daemon_set.status, daemon_set.spec.template.spec
    return (
        metadata.name,
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        format_labels(pod.node_selector),
        age_of(metadata, now),
        ",".join(container.name for container in pod.containers),
        ",".join(container.image for container in pod.containers),
        format_label_selector(daemon_set.spec.selector),
    )


def _controller_revision(revision: ControllerRevisionView, metadata: Metadata, now: float) -> Cells:
    owner = next((each for each in metadata.owner_references if each.controller), None)
    controller = "<none>"
    if owner is not None:
        group = owner.api_version.rpartition("/")[0]
        kind = owner.kind.lower()
        controller = f"{kind}.{group}/{owner.name}" if group else f"{kind}/{owner.name}"
    return metadata.name, controller, revision.revision, age_of(metadata, now)


DAEMON_SET = Printer(
    (
        NAME,
        number("Desired", "How many nodes should run the pod"),
        number("Current", "How many of them have one"),
        number("Ready", "How many of them have one that is ready"),
        number("Up-to-date", "How many of them have one of the newest template"),
        number("Available", "How many of them have one that has been ready long enough"),
        text("Node Selector", "The labels that the template asks of nodes"),
        AGE,
        text("Containers", "The names of the template's containers", WIDE),
        text("Images", "The images of the template's containers", WIDE),
        text("Selector", "Which pods belong to it", WIDE),
    ),
    DaemonSetView,
    _daemon_set,
)

CONTROLLER_REVISION = Printer(
    (
        NAME,
        text("Controller", "Whose template it is a revision of"),
        text("Revision", "Its place in the history"),
        AGE,
    ),
    ControllerRevisionView,
    _controller_revision,
)
