"""PodDisruptionBudgets: status is the disruption controller's, the generation counts changes of the spec."""

from __future__ import annotations

from everynode.api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from everynode.apiserver.strategies.plain import Strategy


class PodDisruptionBudgetStrategy(Strategy):
    names_version = True

    def prepare_create(self, new: PodDisruptionBudget) -> None:
        new.status = PodDisruptionBudgetStatus()
        new.metadata.generation = 1

    def prepare_update(self, new: PodDisruptionBudget, old: PodDisruptionBudget) -> None:
        new.status = old.status
        if new.spec != old.spec:
            new.metadata.generation = old.metadata.generation + 1
