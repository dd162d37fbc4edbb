"""DaemonSets: status is the controller's, generations count changes of the spec and of the template."""

from __future__ import annotations

from everynode.api.apps_v1 import DaemonSet, DaemonSetStatus
from everynode.apiserver.strategies.plain import Strategy

# How apps/v1 shows the number that the deprecated API had as spec.templateGeneration; the server alone counts it.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(Strategy):
    def prepare_create(self, new: DaemonSet) -> None:
        new.status = DaemonSetStatus()
        new.metadata.generation = 1
        given = new.metadata.annotations.get(TEMPLATE_GENERATION, "")
        number = int(given) if given.isdigit() else 0
        new.metadata.annotations = {**new.metadata.annotations, TEMPLATE_GENERATION: str(max(number, 1))}

    def prepare_update(self, new: DaemonSet, old: DaemonSet) -> None:
        new.status = old.status
        counted = old.metadata.annotations.get(TEMPLATE_GENERATION, "")
        number = int(counted) if counted.isdigit() else 1
        if new.spec.template != old.spec.template:
            number += 1
        new.metadata.annotations = {**new.metadata.annotations, TEMPLATE_GENERATION: str(number)}
        if new.spec != old.spec:
            new.metadata.generation = old.metadata.generation + 1
