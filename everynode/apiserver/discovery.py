"""Discovery: which groups, versions and resources are served, in the old form (a document a group version) and the
aggregated one (a single document), which kubectl asks for first."""

from __future__ import annotations

from functools import cache
from typing import Any

from everynode.api import scheme, status
from everynode.api.scheme import Resource
from everynode.apiserver import media
from everynode.wire.message import Request, Response

AGGREGATED = "APIGroupDiscoveryList"
_SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "binding": ["create"],
    "eviction": ["create"],
    "finalize": ["update"],
}
_SUBRESOURCE_KINDS = {"binding": ("", "v1", "Binding"), "eviction": ("policy", "v1", "Eviction")}


def serve(request: Request) -> Response | None:
    """The answer to a discovery request, or None when the path is none of discovery's."""
    parts = request.path.strip("/").split("/")
    if parts == ["api"] or parts == ["apis"]:
        if _wants_aggregated(request):
            return _aggregated(parts[0] == "api", request)
        return media.document(200, _api_versions() if parts == ["api"] else _group_list())
    if parts[0] == "api" and len(parts) == 2:
        return media.document(200, _resource_list("", parts[1]))
    if parts[0] == "apis" and len(parts) == 2:
        return media.document(200, _group(parts[1]))
    if parts[0] == "apis" and len(parts) == 3:
        return media.document(200, _resource_list(parts[1], parts[2]))
    return None


@cache
def groups() -> dict[str, list[str]]:
    """The versions of each served group, in order; the core group is the empty name."""
    found: dict[str, list[str]] = {}
    for resource in scheme.RESOURCES:
        versions = found.setdefault(resource.group, [])
        if resource.version not in versions:
            versions.append(resource.version)
    return found


def _wants_aggregated(request: Request) -> bool:
    accepted = media.parse(request.headers.get("accept", ""))
    return any(each.parameters.get("as") == AGGREGATED and each.parameters.get("v") == "v2" for each in accepted)


def _api_versions() -> dict[str, Any]:
    return {
        "kind": "APIVersions",
        "versions": groups()[""],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
    }


def _group_list() -> dict[str, Any]:
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group_body(name) for name in groups() if name]}


def _group(name: str) -> dict[str, Any]:
    if not name or name not in groups():
        raise status.no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group_body(name)}


def _group_body(name: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(group: str, version: str) -> dict[str, Any]:
    if version not in groups().get(group, ()):
        raise status.no_such_path()
    listed = []
    for resource in _resources(group, version):
        entry = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": sorted(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        listed.append(entry)
        for subresource in resource.subresources:
            of = _SUBRESOURCE_KINDS.get(subresource, (resource.group, resource.version, resource.kind))
            entry = {
                "name": f"{resource.plural}/{subresource}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": of[2],
                "verbs": _SUBRESOURCE_VERBS[subresource],
            }
            if of[:2] != (resource.group, resource.version):
                # A kind of another group: this is how kubectl drain learns in which version to evict.
                entry |= {"group": of[0], "version": of[1]}
            listed.append(entry)
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def _resources(group: str, version: str) -> list[Resource]:
    return [each for each in scheme.RESOURCES if (each.group, each.version) == (group, version)]


def _aggregated(core: bool, request: Request) -> Response:
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [
                {
                    "version": version,
                    "resources": [_aggregated_resource(each) for each in _resources(name, version)],
                    "freshness": "Current",
                }
                for version in versions
            ],
        }
        for name, versions in groups().items()
        if (not name) is core
    ]
    body = {"kind": AGGREGATED, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}
    response = media.document(200, body)
    response.headers["content-type"] = f"application/json;g=apidiscovery.k8s.io;v=v2;as={AGGREGATED}"
    return response


def _aggregated_resource(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    entry: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_aggregated_subresource(resource, name) for name in resource.subresources]
    return entry


def _aggregated_subresource(resource: Resource, name: str) -> dict[str, Any]:
    group, version, kind = _SUBRESOURCE_KINDS.get(name, (resource.group, resource.version, resource.kind))
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "verbs": _SUBRESOURCE_VERBS[name],
    }
