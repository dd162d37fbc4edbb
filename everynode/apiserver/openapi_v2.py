"""OpenAPI 2: one document of everything, as JSON and as gnostic's protobuf, the form that kubectl asks for.

In: nothing but the scheme and the field tables. Out: bytes, built when they are first asked for and kept. The protobuf is
written by a table of field numbers (gnostic's openapiv2/OpenAPIv2.proto); a vendor extension is YAML there, and JSON is
YAML.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from everynode.api import scheme
from everynode.apiserver.openapi_paths import PARAMETERS, PATCH_TYPES, PATH_PARAMETERS, Operation, PathItem, paths
from everynode.apiserver.openapi_schemas import PATCH, V2, gvk_extension, schemas
from everynode.apiserver.openapi_v3 import INFO

_REASONS = {200: "OK", 201: "Created", 202: "Accepted"}


@cache
def as_json() -> bytes:
    return msgspec.json.encode(_document())


@cache
def as_protobuf() -> bytes:
    return _message("Document", _document())


def _document() -> dict[str, Any]:
    items = [item for resource in scheme.RESOURCES for item in paths(resource)]
    used = {used for item in items for operation in item.operations for used in (operation.answer, operation.body)}
    return {
        "swagger": "2.0",
        "info": INFO,
        "paths": {item.path: _path_item(item) for item in items},
        "definitions": schemas(V2, sorted(used - {""})),
    }


def _path_item(item: PathItem) -> dict[str, Any]:
    written: dict[str, Any] = {each.method: _operation(each) for each in item.operations}
    if item.parameters:
        written["parameters"] = [
            {
                "name": name,
                "in": "path",
                "description": PATH_PARAMETERS[name],
                "required": True,
                "type": "string",
                "uniqueItems": True,
            }
            for name in item.parameters
        ]
    return written


def _operation(operation: Operation) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "query",
            "description": PARAMETERS[name][1],
            "type": PARAMETERS[name][0],
            "uniqueItems": True,
        }
        for name in operation.query
    ]
    if operation.body:
        required = {} if operation.method == "delete" else {"required": True}
        parameters.insert(0, {"name": "body", "in": "body", **required, "schema": V2.ref(operation.body)})
    return {
        "operationId": operation.id,
        "consumes": list(PATCH_TYPES) if operation.body == PATCH else ["*/*"],
        "produces": ["application/json"],
        "parameters": parameters,
        "responses": {
            str(code): {"description": _REASONS[code], "schema": V2.ref(operation.answer)} for code in operation.codes
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": gvk_extension(*operation.kind),
    }


# --- protobuf ---

# A field of a message: its number, followed by those of the messages that only wrap it, and what it holds: a scalar, a
# message by name, `[name]` for many, or `{name}` for a map, which is a message of repeated (name = 1, value = 2) pairs;
# its first number is the field, its second the pairs', any further ones wrap each value.
_MESSAGES: dict[str, dict[str, tuple[tuple[int, ...], str]]] = {
    "Document": {
        "swagger": ((1,), "string"),
        "info": ((2,), "Info"),
        "paths": ((8, 2), "{PathItem}"),
        "definitions": ((9, 1), "{Schema}"),
    },
    "Info": {"title": ((1,), "string"), "version": ((2,), "string")},
    "PathItem": {
        "get": ((2,), "Operation"),
        "put": ((3,), "Operation"),
        "post": ((4,), "Operation"),
        "delete": ((5,), "Operation"),
        "patch": ((8,), "Operation"),
        "parameters": ((9,), "[Parameter]"),
    },
    "Operation": {
        "operationId": ((5,), "string"),
        "produces": ((6,), "[string]"),
        "consumes": ((7,), "[string]"),
        "parameters": ((8,), "[Parameter]"),
        "responses": ((9, 1, 1), "{Response}"),
        "": ((13,), "extension"),
    },
    "body": {
        "name": ((2,), "string"),
        "in": ((3,), "string"),
        "required": ((4,), "bool"),
        "schema": ((5,), "Schema"),
    },
    "query": {
        "required": ((1,), "bool"),
        "in": ((2,), "string"),
        "description": ((3,), "string"),
        "name": ((4,), "string"),
        "type": ((6,), "string"),
        "uniqueItems": ((20,), "bool"),
    },
    "path": {
        "required": ((1,), "bool"),
        "in": ((2,), "string"),
        "description": ((3,), "string"),
        "name": ((4,), "string"),
        "type": ((5,), "string"),
        "uniqueItems": ((19,), "bool"),
    },
    "Response": {"description": ((1,), "string"), "schema": ((2, 1), "Schema")},
    "Schema": {
        "$ref": ((1,), "string"),
        "format": ((2,), "string"),
        "description": ((4,), "string"),
        "required": ((19,), "[string]"),
        "additionalProperties": ((21, 1), "Schema"),
        "type": ((22, 1), "string"),
        "items": ((23, 1), "Schema"),
        "properties": ((25, 1), "{Schema}"),
        "": ((31,), "extension"),
    },
}
# A parameter is wrapped by what it is: a body, or in the query or the path.
_PARAMETERS = {"body": (1, 1), "query": (1, 2, 3), "path": (1, 2, 4)}


def _message(name: str, value: dict[str, Any]) -> bytes:
    fields = _MESSAGES[name]
    out = bytearray()
    for key, held in value.items():
        if key.startswith("x-"):
            any_value = _length(2, msgspec.json.encode(held))
            out += _wrapped(fields[""][0], _length(1, key.encode()) + _length(2, any_value))
            continue
        numbers, kind = fields[key]
        if kind.startswith("["):
            for each in held:
                out += _one(numbers, kind[1:-1], each)
        elif kind.startswith("{"):
            pairs = [
                _length(1, text.encode()) + _one((2, *numbers[2:]), kind[1:-1], each) for text, each in held.items()
            ]
            out += _length(numbers[0], b"".join(_length(numbers[1], pair) for pair in pairs))
        else:
            out += _one(numbers, kind, held)
    return bytes(out)


def _one(numbers: tuple[int, ...], kind: str, value: Any) -> bytes:
    if kind == "bool":
        return _varint(numbers[0] << 3) + _varint(value)
    if kind == "string":
        return _wrapped(numbers, value.encode())
    if kind == "Parameter":
        place: str = value["in"]
        return _wrapped((*numbers, *_PARAMETERS[place]), _message(place, value))
    return _wrapped(numbers, _message(kind, value))


def _wrapped(numbers: tuple[int, ...], content: bytes) -> bytes:
    for number in reversed(numbers):
        content = _length(number, content)
    return content


def _length(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
