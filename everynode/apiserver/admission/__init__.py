"""What a new object is asked and given before it is validated, beyond what its own kind says.

In the order of Kubernetes' default admission plugins: the namespace must exist and not be ending (`namespaces`); a Pod gets its
ServiceAccount, its priority and the tolerations that let it outlive a short failure of its node (`pods`). The rules only
read the store.
"""

from __future__ import annotations

from typing import Any

from everynode.api import scheme
from everynode.api.scheme import Resource
from everynode.apiserver.admission import namespaces, pods
from everynode.store.contract import Store


class Admission:
    """Asks and completes new objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit_create(self, resource: Resource, obj: Any) -> None:
        """Completes the object in place; raises ApiError when it may not be created."""
        if resource.namespaced and not resource.is_review:
            await namespaces.check(self._store, resource, obj)
        if resource is scheme.PODS:
            await pods.complete(self._store, obj)
