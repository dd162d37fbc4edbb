"""An object at rest and on its way out.

At rest an object is the JSON its writer's request produced, once, without `metadata.resourceVersion`: the revision is known
only when the write is ordered. On the way out the revision is set in right behind `"metadata":{`, whose place is the same
for every object of a kind because every kind begins `{"kind":…,"apiVersion":…,"metadata":{`. So a get is one
concatenation, a list is a join, and a watch sends the same bytes to everybody.

A kind that is another view of a stored one (`Resource.stored_as`) is converted here, on the way in and on the way out; nobody
above needs to know.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from everynode.api.scheme import Resource
from everynode.apiserver import event_views
from everynode.store.contract import Entry

_encoder = msgspec.json.Encoder()


@cache
def head(resource: Resource) -> bytes:
    """What every stored object of the kind begins with."""
    return f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}","metadata":{{'.encode()


@cache
def decoder(resource: Resource) -> msgspec.json.Decoder[Any]:
    """Decodes a stored object of the kind into its full struct."""
    return msgspec.json.Decoder(resource.struct)


def encode(resource: Resource, obj: Any) -> bytes:
    """The bytes to store: the struct without its resourceVersion."""
    if resource.stored_as:
        return encode(event_views.STORED, event_views.to_core(obj))
    obj.kind, obj.api_version = resource.kind, resource.api_version
    revision, obj.metadata.resource_version = obj.metadata.resource_version, ""
    try:
        return _encoder.encode(obj)
    finally:
        obj.metadata.resource_version = revision


def decode(resource: Resource, entry: Entry) -> Any:
    """The full struct of a stored version, its resourceVersion set."""
    if resource.stored_as:
        return event_views.from_core(decode(event_views.STORED, entry))
    obj = decoder(resource).decode(entry.value)
    obj.metadata.resource_version = str(entry.revision)
    return obj


def with_revision(resource: Resource, value: bytes, revision: int) -> bytes:
    """What a client receives of a stored value."""
    if resource.stored_as:
        core = decoder(event_views.STORED).decode(value)
        core.metadata.resource_version = str(revision)
        return _encoder.encode(event_views.from_core(core))
    start = head(resource)
    return b'%b"resourceVersion":"%d",%b' % (start, revision, value[len(start) :])


def present(resource: Resource, entry: Entry) -> bytes:
    """What a client receives of a stored version."""
    return with_revision(resource, entry.value, entry.revision)


def tree(resource: Resource, entry: Entry) -> dict[str, Any]:
    """A stored version as a JSON tree with its resourceVersion, for a patch to work on."""
    result: dict[str, Any] = msgspec.json.decode(present(resource, entry))
    return result
