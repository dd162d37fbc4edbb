"""The operations of the served resources: paths, methods, parameters, bodies, answers; the same for OpenAPI 2 and 3.

In: `scheme.RESOURCES`. Out: `PathItem`s, which `openapi_v2` and `openapi_v3` write down in their dialect. kubectl reads off
these whether a kind can be patched with dryRun and fieldValidation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from everynode.api import schema
from everynode.api.scheme import Resource
from everynode.apiserver.openapi_schemas import META, PATCH

PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
# Every parameter in a query: its type and our words for it.
PARAMETERS = {
    "allowWatchBookmarks": ("boolean", "Send bookmarks in a watch: events that only carry a resourceVersion."),
    "continue": ("string", "Where an earlier list with a limit ended."),
    "dryRun": ("string", "All: check everything and store nothing."),
    "fieldManager": ("string", "The name under which fields are owned."),
    "fieldSelector": ("string", "Only objects whose fields match."),
    "fieldValidation": ("string", "Ignore, Warn or Strict: what happens to unknown and duplicate fields."),
    "force": ("boolean", "Take over fields that another manager owns. Only for server-side apply."),
    "gracePeriodSeconds": ("integer", "Seconds that the object has to end by itself."),
    "labelSelector": ("string", "Only objects whose labels match."),
    "limit": ("integer", "The most objects in one answer."),
    "orphanDependents": ("boolean", "The older way to say propagationPolicy."),
    "pretty": ("string", "true: the answer is indented."),
    "propagationPolicy": ("string", "Orphan, Background or Foreground: what becomes of dependents."),
    "resourceVersion": ("string", "How fresh the answer must be, or where a watch begins."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant in a list."),
    "sendInitialEvents": ("boolean", "Begin a watch with all objects there are."),
    "timeoutSeconds": ("integer", "Seconds after which the answer ends."),
    "watch": ("boolean", "Send changes as they happen instead of a list."),
}
PATH_PARAMETERS = {"name": "The object's name.", "namespace": "The object's namespace."}

_READ = ("pretty",)
_SELECT = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch")
_LIST = ("allowWatchBookmarks", *_SELECT, "pretty", "sendInitialEvents", "timeoutSeconds", "watch")
_WRITE = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_PATCH = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "pretty", "propagationPolicy")
_DELETE_MANY = tuple(sorted({*_DELETE, *_SELECT, "timeoutSeconds"}))
_STATUS = f"{META}Status"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path. `body` and `answer` are full names of schemas, empty for none."""

    method: str
    action: str
    id: str
    kind: tuple[str, str, str]
    query: tuple[str, ...]
    answer: str
    body: str = ""
    codes: tuple[int, ...] = (200,)


@dataclass(frozen=True, slots=True)
class PathItem:
    path: str
    parameters: tuple[str, ...]  # those in the path
    operations: tuple[Operation, ...]


def paths(resource: Resource) -> Iterator[PathItem]:
    """All paths of one resource."""
    root = resource.path()
    of = _Operations(resource)
    scope = ("namespace",) if resource.namespaced else ()
    collection = f"{root.removesuffix(resource.plural)}namespaces/{{namespace}}/{resource.plural}" if scope else root
    yield PathItem(collection, scope, tuple(of.collection()))
    if resource.namespaced and "list" in resource.verbs:
        yield PathItem(root, (), (of.list(everywhere=True),))
    if "get" in resource.verbs:
        yield PathItem(f"{collection}/{{name}}", ("name", *scope), tuple(of.one()))
    for subresource in resource.subresources:
        yield PathItem(f"{collection}/{{name}}/{subresource}", ("name", *scope), tuple(of.sub(subresource)))


class _Operations:
    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._kind = (resource.group, resource.version, resource.kind)
        self._type = schema.for_kind(*self._kind).name
        group = (resource.group or "core").split(".")[0]
        self._group = group.capitalize() + resource.version.capitalize()

    def collection(self) -> Iterator[Operation]:
        verbs = self._resource.verbs
        if "list" in verbs:
            yield self.list(everywhere=False)
        if "create" in verbs:
            yield self._operation("post", "create", _WRITE, self._type, self._type, codes=(200, 201, 202))
        if "deletecollection" in verbs:
            yield self._operation(
                "delete", "deleteCollection", _DELETE_MANY, _STATUS, f"{META}DeleteOptions", action="deletecollection"
            )

    def list(self, everywhere: bool) -> Operation:
        suffix = "ForAllNamespaces" if everywhere else ""
        return self._operation("get", "list", _LIST, f"{self._type}List", action="list", suffix=suffix)

    def one(self) -> Iterator[Operation]:
        verbs = self._resource.verbs
        yield self._operation("get", "read", _READ, self._type)
        if "update" in verbs:
            yield self._operation("put", "replace", _WRITE, self._type, self._type, codes=(200, 201))
        if "patch" in verbs:
            yield self._operation("patch", "patch", _PATCH, self._type, PATCH, codes=(200, 201))
        if "delete" in verbs:
            yield self._operation("delete", "delete", _DELETE, _STATUS, f"{META}DeleteOptions", codes=(200, 202))

    def sub(self, subresource: str) -> Iterator[Operation]:
        suffix = subresource.capitalize()
        if subresource in ("binding", "eviction"):
            posted = schema.type_named(suffix).name
            yield self._operation("post", "create", _WRITE, posted, posted, suffix=suffix, codes=(200, 201, 202))
            return
        if subresource != "finalize":
            yield self._operation("get", "read", _READ, self._type, suffix=suffix)
            yield self._operation("patch", "patch", _PATCH, self._type, PATCH, suffix=suffix, codes=(200, 201))
        yield self._operation("put", "replace", _WRITE, self._type, self._type, suffix=suffix, codes=(200, 201))

    def _operation(
        self,
        method: str,
        verb: str,
        query: tuple[str, ...],
        answer: str,
        body: str = "",
        *,
        action: str = "",
        suffix: str = "",
        codes: tuple[int, ...] = (200,),
    ) -> Operation:
        scope = "Namespaced" if self._resource.namespaced and suffix != "ForAllNamespaces" else ""
        name = f"{verb}{self._group}{scope}{self._resource.kind}{suffix}"
        kind = schema.type_named(answer).gvk[0] if suffix in ("Binding", "Eviction") else self._kind
        return Operation(method, action or method, name, kind, query, answer, body, codes)
