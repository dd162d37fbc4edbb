"""PriorityClasses: what matters of one never changes, so its generation stays at 1."""

from __future__ import annotations

from everynode.api.scheduling_v1 import PriorityClass
from everynode.apiserver.strategies.plain import Strategy


class PriorityClassStrategy(Strategy):
    def prepare_create(self, new: PriorityClass) -> None:
        new.metadata.generation = 1
