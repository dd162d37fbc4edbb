"""A request's body becomes an object of the kind that its URL names, or a 4xx that says what is wrong with it.

JSON, YAML and Kubernetes' protobuf are read; CBOR is refused by name. Fields that the schema does not know and fields given
twice are found by their full paths, all of them, and refused, warned of or ignored as `fieldValidation` says.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from everynode.api import protobuf, status, strict
from everynode.api.meta_v1 import DeleteOptions
from everynode.api.scheme import Resource
from everynode.apiserver import media, stored
from everynode.apiserver.call import Call
from everynode.apiserver.media import JSON

PROTOBUF = "application/vnd.kubernetes.protobuf"
YAML = "application/yaml"
READ = (JSON, YAML, PROTOBUF)

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")

# Kubernetes' own bound on a request's body.
MOST_BYTES = 3 * 1024 * 1024

_delete_options = msgspec.json.Decoder(DeleteOptions)


class _Said(msgspec.Struct, rename="camel"):
    """What a body says that it is."""

    kind: str = ""
    api_version: str = ""


def read_object(call: Call, resource: Resource) -> Any:
    """The body as a full struct of the resource's kind; raises 400, 413 or 415."""
    return decode_object(call, resource, json_of(call))


def json_of(call: Call) -> bytes:
    """The body as JSON, whatever it was sent as."""
    body = call.request.body
    if len(body) > MOST_BYTES:
        raise status.too_large(f"Request entity too large: limit is {MOST_BYTES}")
    header = call.request.headers.get("content-type") or JSON
    if header == JSON:
        return body
    kind = next((each.type for each in media.parse(header)), JSON)
    try:
        if kind == JSON:
            return body
        if kind == YAML:
            return strict.yaml_to_json(body)
        if kind == PROTOBUF:
            return protobuf.to_json(body)
    except strict.Malformed as error:
        raise status.bad_request(str(error)) from None
    raise status.unsupported_media_type(READ)


def decode_object(call: Call, resource: Resource, body: bytes) -> Any:
    """JSON as a full struct: right kind, right types, no field that is refused."""
    if call.trusted:
        return _decode_trusted(resource, body)
    try:
        said = strict.decode(body, _Said)
        _check_kind(resource, said)
        obj, found = strict.read(body, resource.struct)
    except strict.Malformed as error:
        raise _unreadable(resource, str(error)) from None
    _refuse_or_warn(call, resource, found)
    obj.kind, obj.api_version = resource.kind, resource.api_version
    return obj


def _decode_trusted(resource: Resource, body: bytes) -> Any:
    """What this program itself made: its kind and types are checked, in the one pass that decodes it."""
    try:
        obj = stored.decoder(resource).decode(body)
    except msgspec.MsgspecError as error:
        raise _unreadable(resource, str(error)) from None
    _check_kind(resource, obj)
    obj.kind, obj.api_version = resource.kind, resource.api_version
    return obj


def convert_object(call: Call, resource: Resource, tree: dict[str, Any]) -> Any:
    """A patched JSON tree as a full struct, checked as a body would be."""
    return decode_object(call, resource, msgspec.json.encode(tree))


def read_delete_options(call: Call) -> DeleteOptions:
    """DeleteOptions from the body or, without one, from the query."""
    if call.request.body:
        text = json_of(call)
        try:
            options = _delete_options.decode(text) if call.trusted else strict.decode(text, DeleteOptions)
        except (strict.Malformed, msgspec.MsgspecError) as error:
            raise status.bad_request(str(error)) from None
        if options.kind not in ("", "DeleteOptions"):
            raise status.bad_request(f'the body of a delete must be DeleteOptions, not "{options.kind}"')
        return options
    request = call.request
    options = DeleteOptions(propagation_policy=request.first("propagationPolicy") or None)
    if seconds := request.first("gracePeriodSeconds"):
        if not _WHOLE_NUMBER.fullmatch(seconds):
            raise status.bad_request(f'gracePeriodSeconds: Invalid value: "{seconds}": must be a whole number')
        options.grace_period_seconds = int(seconds)
    if orphan := request.first("orphanDependents"):
        options.orphan_dependents = orphan in ("true", "1")
    return options


def _check_kind(resource: Resource, said: Any) -> None:
    """A body that does not say what it is, is what its URL names; one that does must agree with it."""
    if said.api_version and said.api_version != resource.api_version:
        raise status.bad_request(
            f"the API version in the data ({said.api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    if said.kind and said.kind != resource.kind:
        raise status.bad_request(
            f"{said.kind} in version {resource.version!r} cannot be handled as a {resource.kind}".replace("'", '"')
        )


def _refuse_or_warn(call: Call, resource: Resource, found: list[str]) -> None:
    """Unknown and duplicate fields, treated as the caller asked: ignored, warned of (the default) or refused."""
    wanted = call.request.first("fieldValidation") or "Warn"
    if wanted not in ("Ignore", "Warn", "Strict"):
        raise status.bad_request(f'fieldValidation: Invalid value: "{wanted}": must be one of Ignore, Warn, Strict')
    if found and wanted == "Strict":
        raise _unreadable(resource, strict.strict_error(found))
    if wanted == "Warn":
        call.warnings += found


def _unreadable(resource: Resource, why: str) -> status.ApiError:
    version = f'"{resource.version}"'
    return status.bad_request(f"{resource.kind} in version {version} cannot be handled as a {resource.kind}: {why}")
