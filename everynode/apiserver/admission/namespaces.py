"""An object is made in a namespace that is there, and that is not going away."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api import scheme, status
from everynode.api.meta_v1 import StatusCause
from everynode.api.scheme import Resource
from everynode.apiserver.admission.naming import called
from everynode.store.contract import Store

# Namespaces that nobody may delete.
IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class _Ending(msgspec.Struct, rename="camel"):
    deletion_timestamp: str | None = None


class _Namespace(msgspec.Struct):
    metadata: _Ending


_namespace = msgspec.json.Decoder(_Namespace)


async def check(store: Store, resource: Resource, obj: Any) -> None:
    """Raises 404 where there is no such namespace, 403 where it takes nothing any more."""
    namespace = obj.metadata.namespace
    entry = await store.get(scheme.NAMESPACES.key("", namespace))
    if entry is None:
        raise status.not_found(scheme.NAMESPACES, namespace)
    if _namespace.decode(entry.value).metadata.deletion_timestamp is not None:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        refused = status.forbidden(resource, called(obj), why)
        assert refused.status.details is not None
        refused.status.details.causes = [
            StatusCause(
                reason="NamespaceTerminating",
                message=f"namespace {namespace} is being terminated",
                field="metadata.namespace",
            )
        ]
        raise refused
