"""What a kind's printer is: its columns, the view of an object that its cells are read from, and the cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from everynode.values.timestamps import age

Cells = Sequence[str | int | bool]
WIDE = 1  # the priority of columns that only `-o wide` shows


class Metadata(msgspec.Struct, rename="camel"):
    """What rows show of an object's metadata."""

    name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    resource_version: str = ""
    labels: dict[str, str] = {}
    owner_references: list[OwnerReference] = []


class OwnerReference(msgspec.Struct, rename="camel"):
    """What rows show of an owner."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class View(msgspec.Struct, rename="camel"):
    """What every row reads of its object; kinds add the fields that their cells need."""

    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Column(msgspec.Struct, frozen=True):
    """One column as a Table describes it."""

    name: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class RowCondition(msgspec.Struct, frozen=True):
    """Something that is true of a whole row; clients may hide what is completed."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Printer:
    """Prints one kind. `cells` takes the view, the metadata and the time, and gives one cell a column."""

    columns: tuple[Column, ...]
    view: type[View]
    cells: Callable[[Any, Metadata, float], Cells]
    conditions: Callable[[Any], Sequence[RowCondition]] | None = None


NAME = Column("Name", format="name", description="What the object is called within its namespace")
AGE = Column("Age", description="How long ago the object was created")


def text(name: str, description: str, priority: int = 0) -> Column:
    """A column of text."""
    return Column(name, "string", "", description, priority)


def number(name: str, description: str) -> Column:
    """A column of whole numbers."""
    return Column(name, "integer", "", description)


def age_of(metadata: Metadata, now: float) -> str:
    """The cell of the Age column."""
    return age(metadata.creation_timestamp, now)


# Kinds without a printer of their own.
DEFAULT = Printer(
    (NAME, Column("Created At", "date", "", "When the object was created")),
    View,
    lambda view, metadata, now: (metadata.name, metadata.creation_timestamp or ""),
)
