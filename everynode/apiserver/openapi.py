"""Serves the OpenAPI documents: `/openapi/v2` as JSON or protobuf, `/openapi/v3` and what its index names as JSON.

Documents change only with the release, so each carries an ETag, and a client that has it already gets a 304. A document
asked for by its hash may be kept for ever.
"""

from __future__ import annotations

from everynode.api import status
from everynode.apiserver import media, openapi_v2, openapi_v3
from everynode.wire.message import Request, Response

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# What such an answer calls itself: an @ is no part of a media type.
_V2_PROTOBUF_SENT = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_ANY = ("*/*", "application/*")


def serve(request: Request) -> Response | None:
    """The answer to a request under /openapi, or None for a path that names no document."""
    path = request.path.strip("/")
    if path == "openapi/v2":
        served = (media.JSON, V2_PROTOBUF)
        kind = _wanted(request, served)
        if kind == V2_PROTOBUF:
            return _answer(request, _V2_PROTOBUF_SENT, openapi_v2.as_protobuf())
        return _answer(request, kind, openapi_v2.as_json())
    if path == "openapi/v3":
        return _answer(request, _wanted(request, (media.JSON,)), openapi_v3.index())
    name = path.removeprefix("openapi/v3/")
    if name == path or name not in openapi_v3.group_versions():
        return None
    return _answer(request, _wanted(request, (media.JSON,)), openapi_v3.document(name))


def _wanted(request: Request, served: tuple[str, ...]) -> str:
    """The first of the accepted types that is served; raises 406 when none is."""
    accepted = [each.type for each in media.parse(request.headers.get("accept", ""))] or [media.JSON]
    for kind in accepted:
        if kind in served:
            return kind
        if kind in _ANY:
            return media.JSON
    raise status.not_acceptable(served)


def _answer(request: Request, kind: str, document: bytes) -> Response:
    digest = openapi_v3.digest(document)
    headers = {"etag": f'"{digest}"', "vary": "Accept"}
    if request.first("hash") == digest:
        headers["cache-control"] = "public, immutable, max-age=31536000"
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if f'"{digest}"' in known or "*" in known:
        return Response(304, headers)
    return Response(200, {**headers, "content-type": kind}, document)
