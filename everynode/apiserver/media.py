"""What a caller wants back, read off the Accept header, and JSON answers.

Answers are JSON. A list or an object may be asked for as a Table (what kubectl prints) or as PartialObjectMetadata (what
garbage collectors read). Protobuf and CBOR answers are not served: a client that accepts nothing else gets a 406 by name.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from everynode.api import status
from everynode.api.meta_v1 import Status
from everynode.wire.message import Response

JSON = "application/json"
SERVED = (JSON,)

# Kubernetes' own bounds on warnings, in characters: beyond the first in all, each is cut to the second, and those beyond that
# are left out. Clients' readers of headers take little more.
WARNINGS_CHARACTERS = 4096
WARNING_CUT_CHARACTERS = 256


# Bytes. What is long leaves in portions of about this size, and others get their turn on the loop between two: a reader holds
# one or two of them, not all that waits for it, and rendering and encrypting one takes some 3 ms. Smaller ones would make lists
# slower and others no quicker: a turn of a rollout takes as long as several portions, and a list as many turns as it has.
PORTION_BYTES = 1024 * 1024


class Form(enum.Enum):
    """The shape in which objects go out."""

    OBJECT = enum.auto()
    TABLE = enum.auto()
    PARTIAL = enum.auto()


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of an Accept header, or a Content-Type: its type and its parameters."""

    type: str
    parameters: dict[str, str]


def parse(header: str) -> Iterator[MediaRange]:
    """The media ranges of a header, in the order in which they stand."""
    for part in header.split(","):
        media, *rest = (piece.strip() for piece in part.split(";"))
        parameters = dict(piece.split("=", 1) for piece in rest if "=" in piece)
        if media:
            yield MediaRange(media.lower(), parameters)


def form_wanted(accept: str) -> Form:
    """The first form in the Accept header that is served; raises 406 when none is."""
    if not accept or accept == JSON:
        return Form.OBJECT
    for media in parse(accept):
        if media.type not in (JSON, "*/*", "application/*"):
            continue
        wanted = media.parameters.get("as")
        if wanted is None:
            return Form.OBJECT
        if media.parameters.get("g") != "meta.k8s.io" or media.parameters.get("v") != "v1":
            continue
        if wanted == "Table":
            return Form.TABLE
        if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Form.PARTIAL
    raise status.not_acceptable(SERVED)


def json_response(code: int, body: bytes, warnings: Sequence[str] = ()) -> Response:
    """A complete JSON answer; `warnings` go out as Warning headers (RFC 7234), which kubectl prints."""
    headers = {"content-type": JSON}
    if warnings:
        headers["warning"] = ", ".join(f"299 - {_quoted(text)}" for text in _bounded(warnings))
    return Response(code, headers, body)


def portions(items: Iterable[bytes], between: bytes = b"") -> Iterator[bytes]:
    """The items joined into portions of at least PORTION_BYTES but for the last, rendered as they are asked for."""
    portion: list[bytes] = []
    size = 0
    for item in items:
        portion.append(item)
        size += len(item)
        if size >= PORTION_BYTES:
            yield between.join(portion)
            # So that the next portion begins with what stands between.
            portion, size = [b""], 0
    if size:
        yield between.join(portion)


def document(code: int, value: Any) -> Response:
    """A JSON answer of plain values or structs."""
    return json_response(code, msgspec.json.encode(value))


def success(details: Any = None) -> bytes:
    """The Status that answers a deletion."""
    return msgspec.json.encode(Status(kind="Status", api_version="v1", status="Success", details=details))


def _bounded(warnings: Sequence[str]) -> list[str]:
    """The warnings, each once, as far as Kubernetes' bounds let them go out."""
    told = list(dict.fromkeys(warnings))
    if sum(map(len, told)) <= WARNINGS_CHARACTERS:
        return told
    left, kept = WARNINGS_CHARACTERS, []
    for text in told:
        if left <= 0:
            break
        kept.append(text[:WARNING_CUT_CHARACTERS])
        left -= len(kept[-1])
    return kept


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
