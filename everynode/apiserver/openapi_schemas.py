"""The schemas of the served kinds, as OpenAPI 2 or 3 writes them, out of the field tables.

In: names of types. Out: plain dicts by full name, with all that these types reach, and the extensions that clients merge
and look up by (`x-kubernetes-patch-merge-key`, `-list-type`, `-group-version-kind`, …). A list type is made for a kind by
adding `List` to its name; no table has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from everynode.api import schema
from everynode.api.schema import Field, Type
from everynode.apiserver import openapi_words

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
PATCH = f"{META}Patch"
# Answered to many requests and described by no resource.
ALWAYS = (f"{META}Status", f"{META}DeleteOptions", f"{META}APIResourceList")

_LEAVES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "bool": {"type": "boolean"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "strings": {"type": "array", "items": {"type": "string"}},
}
_NAMED = {
    "time": f"{META}Time",
    "microtime": f"{META}MicroTime",
    "duration": f"{META}Duration",
    "fieldsv1": f"{META}FieldsV1",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "intorstring": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "raw": "io.k8s.apimachinery.pkg.runtime.RawExtension",
}
_NAMED_SCHEMAS: dict[str, dict[str, Any]] = {
    _NAMED["time"]: {"type": "string", "format": "date-time"},
    _NAMED["microtime"]: {"type": "string", "format": "date-time"},
    _NAMED["duration"]: {"type": "string"},
    _NAMED["fieldsv1"]: {"type": "object"},
    _NAMED["quantity"]: {"type": "string"},
    _NAMED["intorstring"]: {"type": "string", "format": "int-or-string"},
    _NAMED["raw"]: {"type": "object"},
    PATCH: {"type": "object"},
}
_EITHER: dict[str, list[dict[str, Any]]] = {
    _NAMED["quantity"]: [{"type": "string"}, {"type": "number"}],
    _NAMED["intorstring"]: [{"type": "integer"}, {"type": "string"}],
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between the versions: where schemas stand, and that only 3 knows defaults, enums and oneOf here."""

    schemas_at: str
    version: int

    def ref(self, name: str) -> dict[str, Any]:
        return {"$ref": f"{self.schemas_at}{name}"}


V2 = Dialect("#/definitions/", 2)
V3 = Dialect("#/components/schemas/", 3)


def schemas(dialect: Dialect, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The schemas of these types and of all that they reach, sorted by name."""
    found: dict[str, dict[str, Any]] = {}
    wanted = [*names, *ALWAYS]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        if name in _NAMED_SCHEMAS:
            found[name] = _named(dialect, name)
        elif name.endswith("List") and name not in schema.all_types():
            found[name] = _list(dialect, name.removesuffix("List"))
            wanted += [name.removesuffix("List"), f"{META}ListMeta"]
        else:
            type_ = schema.type_named(name)
            found[name] = _object(dialect, type_)
            wanted += [held for field in type_.fields.values() if (held := _named_by(field))]
    return dict(sorted(found.items()))


def _named_by(field: Field) -> str:
    return field.of or _NAMED.get(field.kind, "")


def _named(dialect: Dialect, name: str) -> dict[str, Any]:
    plain = _NAMED_SCHEMAS[name]
    if dialect.version == 3 and name in _EITHER:
        return {**{key: value for key, value in plain.items() if key == "format"}, "oneOf": _EITHER[name]}
    return plain


def _object(dialect: Dialect, type_: Type) -> dict[str, Any]:
    result: dict[str, Any] = {
        **_described(openapi_words.of(type_.name)),
        "type": "object",
        "properties": {
            name: _property(dialect, field, openapi_words.of(type_.name, name))
            for name, field in sorted(type_.fields.items())
        },
    }
    if required := sorted(name for name, field in type_.fields.items() if field.required):
        result["required"] = required
    if type_.map_type:
        result["x-kubernetes-map-type"] = type_.map_type
    if type_.gvk:
        result["x-kubernetes-group-version-kind"] = [gvk_extension(*gvk) for gvk in type_.gvk]
    return result


def _list(dialect: Dialect, of: str) -> dict[str, Any]:
    type_ = schema.type_named(of)
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "items": {"type": "array", "items": dialect.ref(of)},
            "kind": {"type": "string"},
            "metadata": dialect.ref(f"{META}ListMeta"),
        },
        "required": ["items"],
        "x-kubernetes-group-version-kind": [
            gvk_extension(group, version, f"{kind}List") for group, version, kind in type_.gvk
        ],
    }


def gvk_extension(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _property(dialect: Dialect, field: Field, words: str) -> dict[str, Any]:
    beside = _described(words)
    if dialect.version == 3 and field.default is not None:
        beside["default"] = field.default
    named = _named_by(field)
    item: dict[str, Any] = dialect.ref(named) if named else dict(_LEAVES[field.kind])
    if dialect.version == 3 and field.enum:
        item["enum"] = list(field.enum)
    if field.container == "list":
        beside |= {"type": "array", "items": item}
    elif field.container == "map":
        beside |= {"type": "object", "additionalProperties": item}
    elif named and beside and dialect.version == 3:
        beside["allOf"] = [item]  # OpenAPI 3 ignores whatever stands beside a $ref
    else:
        beside |= item
    extensions = {
        "list-map-keys": list(field.list_map_keys),
        "list-type": field.list_type,
        "map-type": field.map_type,
        "patch-merge-key": field.merge_key,
        "patch-strategy": field.strategy,
    }
    return beside | {f"x-kubernetes-{name}": value for name, value in extensions.items() if value}


def _described(words: str) -> dict[str, Any]:
    return {"description": words} if words else {}
