"""create: a new object under a name that is free.

With `generateName` the server draws names until one is free, a bounded number of times. Reviews are answered and not stored.
"""

from __future__ import annotations

from typing import Any

from everynode.api import defaults, scheme, status, validation
from everynode.api.scheme import Resource
from everynode.apiserver import applying, body
from everynode.apiserver.call import Call
from everynode.apiserver.service_addresses import assign_address
from everynode.apiserver.strategies import strategy_of
from everynode.apiserver.writing import ATTEMPTS, Writer, refuse_if_invalid
from everynode.store.contract import Conflict
from everynode.wire.message import Response

# Kubernetes cuts a generateName so that name and suffix fit into a label.
LONGEST_BASE = 63 - 5


async def create(writer: Writer, call: Call) -> Response:
    """Carries out a POST on a collection."""
    return await create_object(writer, call, body.read_object(call, call.resource))


async def create_object(writer: Writer, call: Call, obj: Any) -> Response:
    """Stores a decoded object."""
    resource, metadata = call.resource, obj.metadata
    _check_place(call, resource, metadata)
    base = metadata.generate_name if not metadata.name else ""
    _fill_system_metadata(writer, obj)
    defaults.apply(resource, obj)
    await writer.admission.admit_create(resource, obj)
    if base:
        metadata.name = base[:LONGEST_BASE] + writer.ids.suffix()
    strategy_of(resource).prepare_create(obj)
    if resource is scheme.SERVICES:
        await assign_address(writer.store, writer.ids, obj)
    refuse_if_invalid(resource, metadata.name, validation.on_create(resource, obj))
    applying.drop_unreadable(obj, None)
    for _ in range(ATTEMPTS):
        try:
            return await writer.insert(call, obj)
        except Conflict:
            if not base:
                raise status.already_exists(resource, metadata.name) from None
            metadata.name = base[:LONGEST_BASE] + writer.ids.suffix()
    raise status.generate_name_exhausted(resource, base)


def _check_place(call: Call, resource: Resource, metadata: Any) -> None:
    """The object belongs where the URL says, and is new."""
    if resource.namespaced:
        if metadata.namespace and metadata.namespace != call.target.namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata.namespace = call.target.namespace
        if not metadata.namespace:
            raise status.bad_request("an empty namespace may not be set during creation")
    elif metadata.namespace:
        raise status.bad_request("namespace may not be set on a cluster-scoped object")
    if call.target.name and metadata.name != call.target.name:
        raise status.bad_request(
            f"the name of the object ({metadata.name}) does not match the name on the URL ({call.target.name})"
        )
    if metadata.resource_version not in ("", "0"):
        raise status.bad_request("resourceVersion should not be set on objects to be created")


def _fill_system_metadata(writer: Writer, obj: Any) -> None:
    """What only the server says of a new object."""
    metadata = obj.metadata
    metadata.uid = writer.ids.uid()
    metadata.creation_timestamp = writer.now()
    metadata.resource_version = metadata.self_link = ""
    metadata.generation = 0
    metadata.deletion_timestamp = None
    metadata.deletion_grace_period_seconds = None
