"""What a new Pod is given: its ServiceAccount, its priority, and tolerations that outlive a short failure of its node."""

from __future__ import annotations

from everynode.api import scheme, status
from everynode.api.core_v1 import Pod, Toleration
from everynode.apiserver.admission import priorities
from everynode.apiserver.admission.naming import called
from everynode.store.contract import Store

# How long a pod stays on a node that went away, unless the pod says otherwise (DefaultTolerationSeconds).
TOLERATION_SECONDS = 300
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


async def complete(store: Store, pod: Pod) -> None:
    """Completes the pod in place; raises 403 for one whose account or class is not there."""
    await _service_account(store, pod)
    await priorities.complete(store, pod)
    _tolerate_node_troubles(pod)


async def _service_account(store: Store, pod: Pod) -> None:
    name = pod.spec.service_account_name or pod.spec.service_account or "default"
    pod.spec.service_account_name = pod.spec.service_account = name
    namespace = pod.metadata.namespace
    if await store.get(scheme.SERVICE_ACCOUNTS.key(namespace, name)) is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden(scheme.PODS, called(pod), why)


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
