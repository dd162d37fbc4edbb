"""Pods: a client writes the spec, a node writes the status; a deletion gives the pod time to end."""

from __future__ import annotations

from everynode.api.core_v1 import Pod, PodCondition, PodStatus
from everynode.apiserver.strategies.plain import Strategy
from everynode.apiserver.strategies.quality import quality_of_service

DEFAULT_GRACE_SECONDS = 30


class PodStrategy(Strategy):
    def prepare_create(self, new: Pod) -> None:
        new.metadata.generation = 1
        new.status = PodStatus(phase="Pending", qos_class=quality_of_service(new.spec))
        if new.spec.scheduling_gates:
            new.status.conditions = [
                PodCondition(
                    type="PodScheduled",
                    status="False",
                    reason="SchedulingGated",
                    message="Scheduling is blocked due to non-empty scheduling gates",
                )
            ]

    def prepare_update(self, new: Pod, old: Pod) -> None:
        new.status = old.status
        # Given at creation; a manifest that does not speak of them does not take them away.
        if new.spec.priority is None:
            new.spec.priority = old.spec.priority
        if new.spec.preemption_policy is None:
            new.spec.preemption_policy = old.spec.preemption_policy
        if new.spec != old.spec:
            new.metadata.generation = old.metadata.generation + 1

    def prepare_status(self, new: Pod, old: Pod) -> None:
        super().prepare_status(new, old)
        new.status.qos_class = old.status.qos_class

    def grace_seconds(self, obj: Pod, asked: int | None) -> int:
        """0 where no node would notice: the pod is on none, or has ended already."""
        if not obj.spec.node_name or obj.status.phase in ("Failed", "Succeeded"):
            return 0
        seconds = asked
        if seconds is None:
            seconds = obj.spec.termination_grace_period_seconds
        if seconds is None:
            seconds = DEFAULT_GRACE_SECONDS
        return 1 if seconds < 0 else seconds
