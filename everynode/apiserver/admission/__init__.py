"""What a new object is asked and given, beyond what its own kind says.

In the order of Kubernetes' default admission plugins. Before an object is validated, it is completed: the namespace must
exist and not be ending (`namespaces`); a Pod gets the defaults of its namespace (`limits`), its ServiceAccount, its priority
(`priorities`) and the tolerations that let it outlive a short failure of its node (`pods`). When it is valid, and just before
it is stored, it is judged: a PriorityClass against the others (`priorities`), a Pod against the bounds of its namespace
(`limits`), and at last everything against the quotas (`quota`), where it takes what it will use.
"""

from __future__ import annotations

from typing import Any

from everynode.api import scheme
from everynode.api.scheme import Resource
from everynode.apiserver.admission import limits, namespaces, pods, priorities
from everynode.apiserver.admission.quota import NOTHING, Charge, Quotas
from everynode.store.contract import Store


class Admission:
    """Completes and judges what is to be stored."""

    def __init__(self, store: Store, quotas: Quotas) -> None:
        self._store = store
        self._quotas = quotas

    async def admit_create(self, resource: Resource, obj: Any) -> None:
        """Completes the object in place; raises ApiError when it may not be created."""
        if resource.namespaced and not resource.is_review:
            await namespaces.check(self._store, resource, obj)
        if resource is scheme.PODS:
            await limits.complete(self._store, obj)
            await pods.complete(self._store, obj)

    async def charge_create(self, resource: Resource, obj: Any) -> Charge:
        """Judges a valid new object; raises the 403. What it returns is to be released when the write has ended, either way."""
        if resource is scheme.PODS:
            await limits.check(self._store, obj)
        elif resource is scheme.PRIORITY_CLASSES:
            await priorities.check(self._store, obj)
        return await self._quotas.charge(resource, obj)

    async def charge_update(self, resource: Resource, subresource: str, new: Any, old: Any) -> Charge:
        """The same for an update: only Services, and pods that come under another scope, can come to use more."""
        if resource is scheme.PRIORITY_CLASSES:
            await priorities.check(self._store, new)
        uses_more = not subresource and (
            resource is scheme.SERVICES or (resource is scheme.PODS and _has_deadline(new) != _has_deadline(old))
        )
        return await self._quotas.charge(resource, new, old) if uses_more else NOTHING

    def release(self, charge: Charge) -> None:
        """The write that was charged has ended."""
        self._quotas.release(charge)


def _has_deadline(pod: Any) -> bool:
    return pod.spec.active_deadline_seconds is not None
