"""One request on a resource, understood: who asks, for which resource, namespace, name and subresource.

`parse` turns a URL path into a Target or None when the path is not a resource's. Kubernetes' URL layout:
`/api/v1/…` and `/apis/GROUP/VERSION/…`, then `namespaces/NS/` for namespaced kinds, then `PLURAL[/NAME[/SUBRESOURCE]]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from everynode.api import scheme, status
from everynode.api.scheme import Resource
from everynode.wire.message import Request


class User(msgspec.Struct, frozen=True, gc=False):
    """Who asks, with the groups that authorisation looks at."""

    name: str
    groups: tuple[str, ...]


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a resource URL names; empty parts were not given."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(slots=True)
class Call:
    """A request with what was understood of it. `warnings` collects what goes out as Warning headers."""

    request: Request
    user: User
    target: Target
    warnings: list[str] = field(default_factory=list)

    @property
    def resource(self) -> Resource:
        return self.target.resource

    @property
    def dry_run(self) -> bool:
        """True when nothing may be stored; any value but `All` is refused."""
        values = self.request.query.get("dryRun")
        if not values:
            return False
        return check_dry_run(values)

    @property
    def trusted(self) -> bool:
        """Whether the body was made by a part of this program, so that only its types are checked."""
        peer = self.request.peer
        return peer is not None and peer.in_process

    @property
    def field_manager(self) -> str:
        """The manager that managedFields name: the parameter, else the first word of the User-Agent."""
        given = self.request.first("fieldManager")
        return given or self.request.headers.get("user-agent", "unknown").split("/")[0]


def check_dry_run(values: list[str]) -> bool:
    """Whether `dryRun` values ask for a dry run; raises on a value that nobody defined."""
    if any(value != "All" for value in values):
        raise status.bad_request(f'dryRun: Unsupported value: {values}: supported values: "All"')
    return bool(values)


def parse(path: str) -> Target | None:
    """The resource URL understood, or None (an unknown group, kind or shape)."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if "" in rest:
        return None
    namespace = ""
    # `namespaces/NS/status` and `/finalize` belong to the Namespace itself; any other third word is a collection in it.
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in scheme.NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    resource = scheme.named(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced):
        return None
    name, subresource = (*rest[1:], "", "")[:2]
    if name and resource.namespaced and not namespace:
        return None
    return Target(resource, namespace, name, subresource)
