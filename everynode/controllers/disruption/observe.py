"""What the disruption controller reads.

Pods and DaemonSets are read through the DaemonSet controller's views: they have all that is needed here, and whoever asks
for the same view shares its informer. So a cluster without budgets decodes and keeps nothing for this controller.
"""

from __future__ import annotations

import msgspec

from everynode.api.meta_v1 import LabelSelector
from everynode.api.policy_v1 import PodDisruptionBudgetStatus
from everynode.api.views import Identity, View
from everynode.controllers.daemonset.observe import DaemonSet, OwnerReference, Pod
from everynode.values.labels import Selector, from_label_selector

__all__ = ["Budget", "DaemonSet", "OwnerReference", "Pod"]


class Meta(Identity):
    generation: int = 0


class Spec(View):
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: LabelSelector | None = None


class Budget(View):
    """A PodDisruptionBudget."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: PodDisruptionBudgetStatus = msgspec.field(default_factory=PodDisruptionBudgetStatus)

    @property
    def key(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def selector(self) -> Selector:
        """An empty one selects all pods of the namespace, none at all selects none."""
        return from_label_selector(self.spec.selector)
