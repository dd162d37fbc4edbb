"""What is special about each kind when it is written: a Strategy for each Resource, the plain one where nothing is.

A strategy prepares an object that is already decoded and defaulted: it drops what a client may not set, sets what the
server sets, and counts generations. It decides nothing about validity (that is `api/validation`).
"""

from __future__ import annotations

from everynode.api import scheme
from everynode.api.scheme import Resource
from everynode.apiserver.strategies.budget import PodDisruptionBudgetStrategy
from everynode.apiserver.strategies.daemonset import DaemonSetStrategy
from everynode.apiserver.strategies.namespace import NamespaceStrategy
from everynode.apiserver.strategies.node import NodeStrategy
from everynode.apiserver.strategies.plain import Strategy
from everynode.apiserver.strategies.pod import PodStrategy
from everynode.apiserver.strategies.priorityclass import PriorityClassStrategy
from everynode.apiserver.strategies.quota import ResourceQuotaStrategy
from everynode.apiserver.strategies.revision import ControllerRevisionStrategy
from everynode.apiserver.strategies.service import ServiceStrategy


class _LeaseStrategy(Strategy):
    """Who holds a Lease must not be decided by whoever writes last."""

    names_version = True


_PLAIN = Strategy()
_STRATEGIES: dict[Resource, Strategy] = {
    scheme.LEASES: _LeaseStrategy(),
    scheme.PODS: PodStrategy(),
    scheme.NODES: NodeStrategy(),
    scheme.NAMESPACES: NamespaceStrategy(),
    scheme.SERVICES: ServiceStrategy(),
    scheme.DAEMON_SETS: DaemonSetStrategy(),
    scheme.CONTROLLER_REVISIONS: ControllerRevisionStrategy(),
    scheme.PRIORITY_CLASSES: PriorityClassStrategy(),
    scheme.RESOURCE_QUOTAS: ResourceQuotaStrategy(),
    scheme.POD_DISRUPTION_BUDGETS: PodDisruptionBudgetStrategy(),
}


def strategy_of(resource: Resource) -> Strategy:
    """The strategy of a kind."""
    return _STRATEGIES.get(resource, _PLAIN)


__all__ = ["Strategy", "strategy_of"]
