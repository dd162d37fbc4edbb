"""What a new Pod is given: its ServiceAccount, its priority, and tolerations that outlive a short failure of its node."""

from __future__ import annotations

from everynode.api import scheme, status
from everynode.api.core_v1 import Pod, Toleration
from everynode.api.scheduling_v1 import PriorityClass
from everynode.apiserver import stored
from everynode.apiserver.admission.naming import called
from everynode.store.contract import Store

# How long a pod stays on a node that went away, unless the pod says otherwise (DefaultTolerationSeconds).
TOLERATION_SECONDS = 300
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


async def complete(store: Store, pod: Pod) -> None:
    """Completes the pod in place; raises 403 for one whose account or class is not there."""
    await _service_account(store, pod)
    await _priority(store, pod)
    _tolerate_node_troubles(pod)


async def _service_account(store: Store, pod: Pod) -> None:
    name = pod.spec.service_account_name or pod.spec.service_account or "default"
    pod.spec.service_account_name = pod.spec.service_account = name
    namespace = pod.metadata.namespace
    if await store.get(scheme.SERVICE_ACCOUNTS.key(namespace, name)) is None:
        why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise status.forbidden(scheme.PODS, called(pod), why)


async def _priority(store: Store, pod: Pod) -> None:
    chosen = await _priority_class(store, pod)
    value = chosen.value if chosen is not None else 0
    policy = (chosen.preemption_policy if chosen is not None else None) or "PreemptLowerPriority"
    given = pod.spec.priority
    if given is not None and given != value:
        why = (
            f"the integer value of priority ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
        raise status.forbidden(scheme.PODS, called(pod), why)
    pod.spec.priority = value
    if pod.spec.preemption_policy is None:
        pod.spec.preemption_policy = policy
    if chosen is not None:
        pod.spec.priority_class_name = chosen.metadata.name


async def _priority_class(store: Store, pod: Pod) -> PriorityClass | None:
    """The class the pod names, else the one marked as everybody's default."""
    name = pod.spec.priority_class_name
    if name:
        entry = await store.get(scheme.PRIORITY_CLASSES.key("", name))
        if entry is None:
            raise status.forbidden(scheme.PODS, called(pod), f"no PriorityClass with name {name} was found")
        found: PriorityClass = stored.decode(scheme.PRIORITY_CLASSES, entry)
        return found
    page = await store.range(scheme.PRIORITY_CLASSES.prefix, terms=("f:globalDefault=true",))
    classes = [stored.decode(scheme.PRIORITY_CLASSES, entry) for entry in page.entries]
    return min(classes, key=lambda each: each.value, default=None)


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
