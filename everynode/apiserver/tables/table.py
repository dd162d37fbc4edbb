"""Puts a Table together out of objects, by the printer of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from everynode.api import status
from everynode.api.meta_v1 import ListMeta
from everynode.api.scheme import Resource
from everynode.apiserver.tables.kinds import PRINTERS
from everynode.apiserver.tables.partial import of_metadata
from everynode.apiserver.tables.printer import DEFAULT, Metadata, Printer

_metadata_decoder = msgspec.json.Decoder(Metadata)
_encoder = msgspec.json.Encoder()


def table(
    resource: Resource,
    bodies: Sequence[bytes],
    *,
    now: float,
    include_object: str = "Metadata",
    metadata: ListMeta | None = None,
    columns: bool = True,
) -> bytes:
    """The Table of these objects, a row each, in their order.

    `now` (Unix seconds) is what ages are counted from. `include_object` says what each row carries of its object: its
    `Metadata`, the whole `Object`, or `None`; anything else is a 400. `metadata` is the list's; without it the Table speaks of
    one object and takes its resourceVersion. `columns` False leaves the columns undescribed, as in all events of a watch
    but its first.
    """
    check_include(include_object)
    metadata = metadata or ListMeta(resource_version=_revision_of(bodies[-1]) if bodies else "")
    rows = b",".join([row(resource, body, now, include_object) for body in bodies])
    return b"%b%b]}" % (beginning(resource, metadata, columns=columns), rows)


def check_include(include_object: str) -> None:
    """Raises the 400 for a word that `includeObject` does not know."""
    if include_object not in ("", "Metadata", "Object", "None"):
        raise status.bad_request(f'unrecognized includeObject value: "{include_object}"')


def beginning(resource: Resource, metadata: ListMeta, *, columns: bool = True) -> bytes:
    """A Table up to its first row; after its rows, commas between them, `]}` ends it."""
    return b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":%b,"columnDefinitions":%b,"rows":[' % (
        _encoder.encode(metadata),
        _columns(PRINTERS.get(resource, DEFAULT)) if columns else b"null",
    )


def row(resource: Resource, body: bytes, now: float, include_object: str = "Metadata") -> bytes:
    """The row of one object."""
    printer = PRINTERS.get(resource, DEFAULT)
    view = _decoder(printer.view).decode(body)
    meta = _metadata_decoder.decode(view.metadata)
    if include_object == "Object":
        shown = body
    else:
        shown = b"null" if include_object == "None" else of_metadata(view.metadata)
    return _row(printer, view, meta, now, shown)


def _revision_of(body: bytes) -> str:
    return _metadata_decoder.decode(_decoder(DEFAULT.view).decode(body).metadata).resource_version


def _row(printer: Printer, view: Any, meta: Metadata, now: float, shown: bytes) -> bytes:
    cells = _encoder.encode(printer.cells(view, meta, now))
    conditions = printer.conditions(view) if printer.conditions is not None else []
    if conditions:
        return b'{"cells":%b,"conditions":%b,"object":%b}' % (cells, _encoder.encode(conditions), shown)
    return b'{"cells":%b,"object":%b}' % (cells, shown)


@cache
def _columns(printer: Printer) -> bytes:
    return _encoder.encode(printer.columns)


@cache
def _decoder(view: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(view)
