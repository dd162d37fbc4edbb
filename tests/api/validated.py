"""What the tests of defaulting and validation share: small well-formed manifests, and a short way to say what is changed.

A change is a dotted path (`spec.containers.0.image`) and the value that is put there; `REMOVED` takes it away.
"""

from __future__ import annotations

import copy
import enum
from typing import Any

import msgspec

from everynode.api import defaults, validation
from everynode.api.scheme import Resource

Manifest = dict[str, Any]


class Removed(enum.Enum):
    """A word whose representation is the same in every process: it is part of the names of tests."""

    REMOVED = "removed"


REMOVED = Removed.REMOVED

STORED = {"resourceVersion": "1", "uid": "a-uid", "creationTimestamp": "2026-01-01T00:00:00Z"}

POD: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": "nginx:1"}]},
}
DAEMON_SET: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "agent", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "main", "image": "agent:1"}]},
        },
    },
}
NODE: Manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}


def edited(manifest: Manifest, changes: dict[str, Any]) -> Manifest:
    """A copy with the changes made; missing objects on the way are added."""
    result = copy.deepcopy(manifest)
    for path, value in changes.items():
        *steps, last = path.split("/") if "/" in path else path.split(".")
        holder: Any = result
        for step in steps:
            holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
        if value is REMOVED:
            del holder[last]
        elif isinstance(holder, list):
            holder[int(last) : int(last) + 1] = [value]
        else:
            holder[last] = value
    return result


def defaulted(resource: Resource, manifest: Manifest) -> Any:
    obj = msgspec.json.decode(msgspec.json.encode(manifest), type=resource.struct)
    defaults.apply(resource, obj)
    return obj


def created(resource: Resource, manifest: Manifest) -> list[str]:
    """What is wrong with creating it, as it stands in the message."""
    return [str(error) for error in validation.on_create(resource, defaulted(resource, manifest))]


def updated(resource: Resource, new: Manifest, old: Manifest) -> list[str]:
    return [str(error) for error in validation.on_update(resource, *_stored(resource, new, old))]


def reported(resource: Resource, new: Manifest, old: Manifest) -> list[str]:
    """What is wrong with the new status."""
    return [str(error) for error in validation.on_status_update(resource, *_stored(resource, new, old))]


def _stored(resource: Resource, *manifests: Manifest) -> list[Any]:
    return [defaulted(resource, manifest | {"metadata": STORED | manifest["metadata"]}) for manifest in manifests]
