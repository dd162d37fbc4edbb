"""What a new object is asked and given before it is validated, beyond what its own kind says.

In the order of Kubernetes' default admission plugins: the namespace must exist and not be ending; a Pod gets its
ServiceAccount, its priority and the tolerations that let it outlive a short failure of its node. The rules only read the store.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api import scheme, status
from everynode.api.core_v1 import Pod, Toleration
from everynode.api.meta_v1 import StatusCause
from everynode.api.scheduling_v1 import PriorityClass
from everynode.api.scheme import Resource
from everynode.apiserver import stored
from everynode.store.contract import Store

# How long a pod stays on a node that went away, unless the pod says otherwise (DefaultTolerationSeconds).
TOLERATION_SECONDS = 300
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
# Namespaces that nobody may delete.
IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})


class _Ending(msgspec.Struct, rename="camel"):
    deletion_timestamp: str | None = None


class _Namespace(msgspec.Struct):
    metadata: _Ending


_namespace = msgspec.json.Decoder(_Namespace)


class Admission:
    """Asks and completes new objects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit_create(self, resource: Resource, obj: Any) -> None:
        """Completes the object in place; raises ApiError when it may not be created."""
        if resource.namespaced and not resource.is_review:
            await self._namespace_takes(resource, _called(obj), obj.metadata.namespace)
        if resource is scheme.PODS:
            await self._service_account(obj)
            await self._priority(obj)
            _tolerate_node_troubles(obj)

    async def _namespace_takes(self, resource: Resource, name: str, namespace: str) -> None:
        entry = await self._store.get(scheme.NAMESPACES.key("", namespace))
        if entry is None:
            raise status.not_found(scheme.NAMESPACES, namespace)
        if _namespace.decode(entry.value).metadata.deletion_timestamp is not None:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            refused = status.forbidden(resource, name, why)
            assert refused.status.details is not None
            refused.status.details.causes = [
                StatusCause(
                    reason="NamespaceTerminating",
                    message=f"namespace {namespace} is being terminated",
                    field="metadata.namespace",
                )
            ]
            raise refused

    async def _service_account(self, pod: Pod) -> None:
        name = pod.spec.service_account_name or pod.spec.service_account or "default"
        pod.spec.service_account_name = pod.spec.service_account = name
        namespace = pod.metadata.namespace
        if await self._store.get(scheme.SERVICE_ACCOUNTS.key(namespace, name)) is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise status.forbidden(scheme.PODS, _called(pod), why)

    async def _priority(self, pod: Pod) -> None:
        chosen = await self._priority_class(pod)
        value = chosen.value if chosen is not None else 0
        policy = (chosen.preemption_policy if chosen is not None else None) or "PreemptLowerPriority"
        given = pod.spec.priority
        if given is not None and given != value:
            why = (
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )
            raise status.forbidden(scheme.PODS, _called(pod), why)
        pod.spec.priority = value
        if pod.spec.preemption_policy is None:
            pod.spec.preemption_policy = policy
        if chosen is not None:
            pod.spec.priority_class_name = chosen.metadata.name

    async def _priority_class(self, pod: Pod) -> PriorityClass | None:
        """The class the pod names, else the one marked as everybody's default."""
        name = pod.spec.priority_class_name
        if name:
            entry = await self._store.get(scheme.PRIORITY_CLASSES.key("", name))
            if entry is None:
                raise status.forbidden(scheme.PODS, _called(pod), f"no PriorityClass with name {name} was found")
            found: PriorityClass = stored.decode(scheme.PRIORITY_CLASSES, entry)
            return found
        page = await self._store.range(scheme.PRIORITY_CLASSES.prefix, terms=("f:globalDefault=true",))
        classes = [stored.decode(scheme.PRIORITY_CLASSES, entry) for entry in page.entries]
        return min(classes, key=lambda each: each.value, default=None)


def _called(obj: Any) -> str:
    """What a refusal calls the object: its name, or the beginning of the one that is yet to be drawn."""
    metadata = obj.metadata
    return str(metadata.name or metadata.generate_name)


def _tolerate_node_troubles(pod: Pod) -> None:
    for key in _NODE_TROUBLES:
        tolerated = any(
            (toleration.key == key or not toleration.key) and toleration.effect in ("NoExecute", "")
            for toleration in pod.spec.tolerations
        )
        if not tolerated:
            pod.spec.tolerations = [
                *pod.spec.tolerations,
                Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=TOLERATION_SECONDS),
            ]
