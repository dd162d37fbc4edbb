"""Nodes come up tainted: nothing is scheduled on a node before it has reported that it is ready."""

from __future__ import annotations

from everynode.api.core_v1 import Node, NodeStatus, Taint
from everynode.apiserver.strategies.plain import Strategy

NOT_READY = "node.kubernetes.io/not-ready"


class NodeStrategy(Strategy):
    def prepare_create(self, new: Node) -> None:
        if not any(taint.key == NOT_READY and taint.effect == "NoSchedule" for taint in new.spec.taints):
            new.spec.taints = [*new.spec.taints, Taint(key=NOT_READY, effect="NoSchedule")]
        if new.status is None:
            new.status = NodeStatus()
