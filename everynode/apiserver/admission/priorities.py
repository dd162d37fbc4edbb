"""Priorities: a new Pod gets that of its PriorityClass, and of PriorityClasses at most one is everybody's default.

The two classes of the system are there from the start and stay.
"""

from __future__ import annotations

from everynode.api import scheme, status
from everynode.api.core_v1 import Pod
from everynode.api.scheduling_v1 import PriorityClass
from everynode.api.validation.priorityclasses import SYSTEM_PRIORITIES
from everynode.apiserver import stored
from everynode.apiserver.admission.naming import called
from everynode.store.contract import Store


async def complete(store: Store, pod: Pod) -> None:
    """Gives the pod its priority; raises 403 if its class is not there, or if it brings along another priority or policy."""
    chosen = await _class_of(store, pod)
    value = chosen.value if chosen is not None else 0
    policy = (chosen.preemption_policy if chosen is not None else None) or "PreemptLowerPriority"
    for word, given, computed in (
        ("integer value of priority", pod.spec.priority, value),
        ("string value of PreemptionPolicy", pod.spec.preemption_policy, policy),
    ):
        if given is not None and given != computed:
            why = (
                f"the {word} ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {computed} from the given PriorityClass name"
            )
            raise status.forbidden(scheme.PODS, called(pod), why)
    pod.spec.priority, pod.spec.preemption_policy = value, policy
    if chosen is not None:
        pod.spec.priority_class_name = chosen.metadata.name


async def check(store: Store, priority_class: PriorityClass) -> None:
    """Raises 403 if this class would be a second default."""
    if not priority_class.global_default:
        return
    default = await _default_class(store)
    if default is not None and default.metadata.name != priority_class.metadata.name:
        why = f"PriorityClass {default.metadata.name} is already marked as default. Only one default can exist"
        raise status.forbidden(scheme.PRIORITY_CLASSES, called(priority_class), why)


def check_deletion(name: str) -> None:
    """Raises 403 for the classes of the system."""
    if name in SYSTEM_PRIORITIES:
        why = "this is a system priority class and cannot be deleted"
        raise status.forbidden(scheme.PRIORITY_CLASSES, name, why)


async def _class_of(store: Store, pod: Pod) -> PriorityClass | None:
    """The class the pod names, else the one marked as everybody's default."""
    name = pod.spec.priority_class_name
    if not name:
        return await _default_class(store)
    entry = await store.get(scheme.PRIORITY_CLASSES.key("", name))
    if entry is None:
        raise status.forbidden(scheme.PODS, called(pod), f"no PriorityClass with name {name} was found")
    found: PriorityClass = stored.decode(scheme.PRIORITY_CLASSES, entry)
    return found


async def _default_class(store: Store) -> PriorityClass | None:
    """Two may have been made in one instant: the lesser counts."""
    page = await store.range(scheme.PRIORITY_CLASSES.prefix, terms=("f:globalDefault=true",))
    classes = [stored.decode(scheme.PRIORITY_CLASSES, entry) for entry in page.entries]
    return min(classes, key=lambda each: each.value, default=None)
