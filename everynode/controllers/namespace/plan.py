"""What a terminating namespace says of itself. Pure. Types, reasons and sentences are Kubernetes' own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from everynode.api.core_v1 import NamespaceCondition
from everynode.api.scheme import Resource

_OK = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass(slots=True)
class Remains:
    """What a round of deletion left: objects by resource, objects by the finalizer that holds them, and what went wrong."""

    objects: Counter[Resource] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.objects or self.failures)

    def add(self, resource: Resource, namespace: str, left: Sequence[Sequence[str]], *, overdue: bool) -> None:
        """Counts the objects of one kind, given as the finalizers of each; `overdue`: nothing but finalizers explains them."""
        if not left:
            return
        held_by = Counter(name for finalizers in left for name in finalizers)
        self.objects[resource] += len(left)
        self.finalizers.update(held_by)
        if overdue and not held_by:
            gvr = f"{resource.group}/{resource.version}, Resource={resource.plural}"
            self.failures.append(f"unexpected items still remain in namespace: {namespace} for gvr: {gvr}")


def longest_grace(pods: Iterable[tuple[str, int | None]]) -> int:
    """The seconds that pods (phase, terminationGracePeriodSeconds) may take to end."""
    return max((grace or 0 for phase, grace in pods if phase not in ("Succeeded", "Failed")), default=0)


def conditions(told: Sequence[NamespaceCondition], remains: Remains, now: str) -> list[NamespaceCondition] | None:
    """The namespace's conditions after this round; None if it says all that already."""
    failing = _failing(remains)
    before = {condition.type: condition for condition in told}
    result = [condition for condition in told if condition.type not in _OK]
    for type_, (reason, message) in _OK.items():
        status = "False"
        if type_ in failing:
            status, (reason, message) = "True", failing[type_]
        old = before.get(type_)
        since = old.last_transition_time if old is not None and old.status == status else now
        result.append(
            NamespaceCondition(type=type_, status=status, last_transition_time=since, reason=reason, message=message)
        )
    return None if {condition.type: condition for condition in result} == before else result


def _failing(remains: Remains) -> dict[str, tuple[str, str]]:
    """The conditions that are not well, with reason and message."""
    failing = {}
    if remains.failures:
        listed = ", ".join(sorted(remains.failures))
        failing["NamespaceDeletionContentFailure"] = (
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(remains.failures)} remaining: {listed}",
        )
    if remains.objects:
        counted = sorted(
            f"{resource.plural}.{resource.group} has {count} resource instances"
            for resource, count in remains.objects.items()
        )
        failing["NamespaceContentRemaining"] = (
            "SomeResourcesRemain",
            f"Some resources are remaining: {', '.join(counted)}",
        )
    if remains.finalizers:
        held = sorted(f"{name} in {count} resource instances" for name, count in remains.finalizers.items())
        failing["NamespaceFinalizersRemaining"] = (
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {', '.join(held)}",
        )
    return failing
