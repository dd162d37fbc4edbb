"""Reads the struct types of Kubernetes' Go API packages: names, json and protobuf tags, markers; nothing else.

In: directories of the Go modules k8s.io/api and k8s.io/apimachinery. Out: `GoType`s by their full OpenAPI name
(`io.k8s.api.core.v1.PodSpec`). The parser knows just the shape that gofmt gives these files: one field a line, its tag in
backquotes, its markers (`// +listType=map`) in the comment lines right above it. Whatever it does not know, it refuses.
Every protobuf number is checked against the package's generated.proto.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

# Go types of other packages that are values rather than structs, and what the tables call them.
LEAVES = {
    "string": "string",
    "bool": "bool",
    "int32": "int32",
    "int64": "int64",
    "uint32": "int64",
    "float64": "double",
    "k8s.io/apimachinery/pkg/types.UID": "string",
    "k8s.io/apimachinery/pkg/types.NodeName": "string",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "microtime",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "duration",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "fieldsv1",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intorstring",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "raw",
}

_IMPORT = re.compile(r'^\s+(?:(\w+) )?"([^"]+)"$')
_TYPE = re.compile(r"^type (\w+) (=\s*)?(\S+)( \{)?")
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?(\S+)\s+`([^`]*)`")
_TAG = re.compile(r'(\w+):"([^"]*)"')
_MARKER = re.compile(r"^\s*// \+([\w:]+)(?:=(.*))?$")
_CONSTANT = re.compile(r'^\s+\w+\s+(\w+)\s*=\s*"([^"]*)"')
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.M | re.S)
_NUMBER = re.compile(r"^\s+(?:optional|repeated|map<[^>]*>)[^=]*= (\d+)", re.M)


@dataclass
class GoField:
    """One field. `json` is empty for an inlined struct; `number` is 0 for what protobuf does not carry."""

    json: str
    kind: str
    of: str
    container: str
    pointer: bool
    omitempty: bool
    omitzero: bool
    number: int
    markers: dict[str, list[str]]
    merge_key: str
    strategy: str
    enum: tuple[str, ...] = ()


@dataclass
class GoType:
    name: str
    package: str
    fields: list[GoField] = field(default_factory=list)


class Packages:
    """All packages read so far; a struct of another package is read when it is first asked for."""

    def __init__(self, api: Path, apimachinery: Path) -> None:
        self._roots = {"k8s.io/api/": api, "k8s.io/apimachinery/": apimachinery}
        self._packages: dict[str, _Package] = {}

    def struct(self, path: str, name: str) -> GoType:
        return self._package(path).struct(name)

    def of_full_name(self, full_name: str) -> GoType:
        """`io.k8s.api.core.v1.Pod` to its type."""
        parts = full_name.split(".")
        return self.struct("/".join([".".join(reversed(parts[:2])), *parts[2:-1]]), parts[-1])

    def _package(self, path: str) -> _Package:
        if path not in self._packages:
            root = next(prefix for prefix in self._roots if path.startswith(prefix))
            self._packages[path] = _Package(path, self._roots[root] / path.removeprefix(root), self)
        return self._packages[path]

    def resolve(self, path: str, name: str) -> tuple[str, str, str, tuple[str, ...]]:
        """What a Go type name stands for: (kind, full name of the struct, container, enum)."""
        if f"{path}.{name}" in LEAVES:
            return LEAVES[f"{path}.{name}"], "", "", ()
        return self._package(path).resolve(name)


class _Package:
    def __init__(self, path: str, directory: Path, packages: Packages) -> None:
        self.path = path
        self.prefix = full_name(path, "")
        self._packages = packages
        text = (directory / "types.go").read_text()
        self._lines = re.sub(r"^\s*/\*.*?\*/", "", text, flags=re.M | re.S).splitlines()
        self._imports: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._starts: dict[str, int] = {}
        self._enums: set[str] = set()
        self._constants: dict[str, list[str]] = {}
        self._numbers = {
            message: {int(number) for number in _NUMBER.findall(body)}
            for message, body in _MESSAGE.findall((directory / "generated.proto").read_text())
        }
        self._scan()

    def _scan(self) -> None:
        marked = False
        for at, line in enumerate(self._lines):
            if found := _IMPORT.match(line):
                self._imports[found[1] or found[2].rsplit("/", 1)[-1]] = found[2]
            elif found := _TYPE.match(line):
                if found[3] == "struct":
                    self._starts[found[1]] = at
                else:
                    self._named[found[1]] = found[3]
                    if marked:
                        self._enums.add(found[1])
            elif found := _CONSTANT.match(line):
                self._constants.setdefault(found[1], []).append(found[2])
            marked = line.startswith("//") and (marked or line.strip() == "// +enum")

    def struct(self, name: str) -> GoType:
        result = GoType(self.prefix + name, self.path)
        markers: dict[str, list[str]] = {}
        for line in self._lines[self._starts[name] + 1 :]:
            if line == "}":
                return result
            if found := _MARKER.match(line):
                markers.setdefault(found[1], []).append((found[2] or "").strip())
            elif line.strip().startswith("//"):
                continue
            elif found := _FIELD.match(line):
                result.fields.append(self._field(name, found[1], found[2], found[3], markers))
                markers = {}
            elif line.strip():
                raise ValueError(f"{self.path}: {name}: unknown line {line!r}")
        raise ValueError(f"{self.path}: {name} does not end")

    def _field(self, owner: str, go_name: str | None, text: str, tag: str, markers: dict[str, list[str]]) -> GoField:
        tags = dict(_TAG.findall(tag))
        json, *flags = tags["json"].split(",")
        number = int(tags["protobuf"].split(",")[1]) if "protobuf" in tags else 0
        if number and number not in self._numbers.get(owner, ()):
            raise ValueError(f"{self.path}: {owner}.{go_name}: {number} is not in generated.proto")
        if not json and go_name:
            raise ValueError(f"{self.path}: {owner}.{go_name} has no name in JSON")
        kind, of, container, enum = self.resolve(text.removeprefix("*"))
        return GoField(
            json=json,
            kind=kind,
            of=of,
            container=container,
            pointer=text.startswith("*"),
            omitempty="omitempty" in flags,
            omitzero="omitzero" in flags,
            number=number,
            markers=markers,
            merge_key=tags.get("patchMergeKey", ""),
            strategy=tags.get("patchStrategy", ""),
            enum=enum,
        )

    def resolve(self, text: str) -> tuple[str, str, str, tuple[str, ...]]:
        if text in LEAVES:
            return LEAVES[text], "", "", ()
        if text == "[]byte":
            return "bytes", "", "", ()
        if text.startswith("[]"):
            return self._held(text.removeprefix("[]"), "list")
        if found := re.match(r"map\[\w+\](.*)", text):
            return self._held(found[1], "map")
        if "." in text:
            alias, name = text.split(".")
            return self._packages.resolve(self._imports[alias], name)
        if f"{self.path}.{text}" in LEAVES:
            return LEAVES[f"{self.path}.{text}"], "", "", ()
        if text in self._starts:
            return "object", self.prefix + text, "", ()
        kind, of, container, enum = self.resolve(self._named[text])
        if text in self._enums:
            enum = tuple(sorted(set(self._constants.get(text, []))))
        # A named list of strings is a message of its own in protobuf (`message ExtraValue { repeated string items = 1; }`).
        if (kind, container) == ("string", "list"):
            return "strings", "", "", ()
        return kind, of, container, enum

    def _held(self, text: str, container: str) -> tuple[str, str, str, tuple[str, ...]]:
        kind, of, inner, enum = self.resolve(text)
        if inner:
            raise ValueError(f"{self.path}: {text} is a {inner} inside a {container}")
        return kind, of, container, enum


def full_name(path: str, name: str) -> str:
    """`k8s.io/api/core/v1`, `Pod` to `io.k8s.api.core.v1.Pod`."""
    host, *rest = path.split("/")
    return ".".join([*reversed(host.split(".")), *rest, name])
