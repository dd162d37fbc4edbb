"""Writes `fields.json`: what patching, strict decoding, protobuf and OpenAPI need to know of every field.

In: the Go types and the OpenAPI definitions of the same release. Out: JSON text, a line a type; its shape is that of
`everynode/api/schema.py`, and what is empty is left out.
"""

from __future__ import annotations

import json
from typing import Any

from go_types import GoField, GoType


def field_tables(types: dict[str, GoType], fields: dict[str, list[GoField]], schemas: dict[str, Any]) -> str:
    lines = [_compact(_table(types[name], fields[name], schemas.get(name, {}))) for name in sorted(types)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _table(go_type: GoType, fields: list[GoField], schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    return {
        "name": go_type.name,
        "gvk": [
            [gvk["group"], gvk["version"], gvk["kind"]]
            for gvk in schema.get("x-kubernetes-group-version-kind", [])
            # DeleteOptions and the like are listed once for every group; the reader knows that they belong to all.
            if gvk["version"] == "v1" and gvk["group"] in ("", _group(go_type.name, gvk["group"]))
        ],
        "map_type": schema.get("x-kubernetes-map-type", ""),
        "inlined": {str(field.number): field.of for field in go_type.fields if not field.json and field.number},
        "fields": {
            field.json: _field(field, field.json in required, properties.get(field.json, {})) for field in fields
        },
    }


def _group(name: str, group: str) -> str:
    """The group itself if the type lives in it, else something that no group is called."""
    return group if f".{group.split('.')[0]}." in name else "-"


def _field(field: GoField, required: bool, schema: dict[str, Any]) -> dict[str, Any]:
    default = field.markers.get("default", [""])[0]
    return {
        "kind": field.kind,
        "of": field.of,
        "container": field.container,
        "number": field.number,
        "pointer": field.pointer,
        "required": required,
        "merge_key": schema.get("x-kubernetes-patch-merge-key", field.merge_key),
        "strategy": schema.get("x-kubernetes-patch-strategy", field.strategy),
        "list_type": schema.get("x-kubernetes-list-type", ""),
        "list_map_keys": schema.get("x-kubernetes-list-map-keys", []),
        "map_type": schema.get("x-kubernetes-map-type", ""),
        "default": json.loads(default) if default and not default.startswith("ref(") else None,
        "enum": list(field.enum),
    }


def _compact(table: dict[str, Any]) -> str:
    fields = {name: _without_empty(field) for name, field in table["fields"].items()}
    return json.dumps({**_without_empty(table), "fields": fields}, separators=(",", ":"))


def _without_empty(table: dict[str, Any]) -> dict[str, Any]:
    """A default may be 0 or false and still says something."""
    return {key: value for key, value in table.items() if value or (key == "default" and value is not None)}
