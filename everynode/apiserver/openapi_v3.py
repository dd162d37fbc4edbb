"""OpenAPI 3: an index of documents, and a document for each group version.

In: nothing but the scheme and the field tables. Out: JSON bytes. They are built when they are first asked for (some tens of
milliseconds each) and kept; starting a server builds none.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec

from everynode.api import scheme
from everynode.apiserver.openapi_paths import PARAMETERS, PATCH_TYPES, PATH_PARAMETERS, Operation, PathItem, paths
from everynode.apiserver.openapi_schemas import ALWAYS, PATCH, V3, gvk_extension, schemas

INFO = {"title": "Kubernetes", "version": "v1.37.0"}


@cache
def group_versions() -> dict[str, tuple[str, str]]:
    """Document names (`api/v1`, `apis/apps/v1`) with their group and version, in the scheme's order."""
    return {
        f"apis/{each.group}/{each.version}" if each.group else f"api/{each.version}": (each.group, each.version)
        for each in scheme.RESOURCES
    }


@cache
def index() -> bytes:
    """Where each document is; its hash lets a client keep what has not changed."""
    return msgspec.json.encode(
        {
            "paths": {
                name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest(document(name))}"}
                for name in sorted(group_versions())
            }
        }
    )


def digest(document: bytes) -> str:
    return hashlib.sha512(document).hexdigest().upper()


@cache
def document(name: str) -> bytes:
    """The document of a group version; raises KeyError for a name that `group_versions` does not have."""
    group_version = group_versions()[name]
    items = [
        item
        for resource in scheme.RESOURCES
        if (resource.group, resource.version) == group_version
        for item in paths(resource)
    ]
    used = {used for item in items for operation in item.operations for used in (operation.answer, operation.body)}
    tag = f"{(group_version[0] or 'core').split('.')[0]}_{group_version[1]}"
    return msgspec.json.encode(
        {
            "openapi": "3.0.0",
            "info": INFO,
            "paths": {f"/{name}/": {"get": _resources(tag)}, **{item.path: _path_item(item, tag) for item in items}},
            "components": {"schemas": schemas(V3, sorted(used - {""}))},
        }
    )


def _resources(tag: str) -> dict[str, Any]:
    return {
        "tags": [tag],
        "operationId": f"get{tag.title().replace('_', '')}APIResources",
        "responses": {"200": {"description": "OK", "content": _json(ALWAYS[2])}},
    }


def _path_item(item: PathItem, tag: str) -> dict[str, Any]:
    written: dict[str, Any] = {each.method: _operation(each, tag) for each in item.operations}
    if item.parameters:
        written["parameters"] = [
            {
                "name": name,
                "in": "path",
                "description": PATH_PARAMETERS[name],
                "required": True,
                "schema": {"type": "string", "uniqueItems": True},
            }
            for name in item.parameters
        ]
    return written


def _operation(operation: Operation, tag: str) -> dict[str, Any]:
    written: dict[str, Any] = {
        "tags": [tag],
        "operationId": operation.id,
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": PARAMETERS[name][1],
                "schema": {"type": PARAMETERS[name][0], "uniqueItems": True},
            }
            for name in operation.query
        ],
        "responses": {
            str(code): {"description": _REASONS[code], "content": _json(operation.answer)} for code in operation.codes
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": gvk_extension(*operation.kind),
    }
    if operation.body:
        accepted = PATCH_TYPES if operation.body == PATCH else ("*/*",)
        schema = V3.ref(operation.body)
        written["requestBody"] = {"content": {each: {"schema": schema} for each in accepted}}
        if operation.method != "delete":
            written["requestBody"]["required"] = True
    return written


_REASONS = {200: "OK", 201: "Created", 202: "Accepted"}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": V3.ref(name)}}
