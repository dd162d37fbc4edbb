"""What a DaemonSet is given that did not say it: one pod at a time, and ten revisions kept.

Neither the selector nor the labels are taken from the template: apps/v1 wants them written down.
"""

from __future__ import annotations

from everynode.api.apps_v1 import DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from everynode.api.defaults.pods import default_pod_spec

REVISION_HISTORY_LIMIT = 10


def default_daemon_set(daemon_set: DaemonSet) -> None:
    spec = daemon_set.spec
    _default_strategy(spec.update_strategy)
    if spec.revision_history_limit is None:
        spec.revision_history_limit = REVISION_HISTORY_LIMIT
    default_pod_spec(spec.template.spec)


def _default_strategy(strategy: DaemonSetUpdateStrategy) -> None:
    if not strategy.type:
        strategy.type = "RollingUpdate"
    if strategy.type != "RollingUpdate":
        return
    if strategy.rolling_update is None:
        strategy.rolling_update = RollingUpdateDaemonSet()
    # Also when only maxSurge was given: it is for validation to say that both may not be set.
    if strategy.rolling_update.max_unavailable is None:
        strategy.rolling_update.max_unavailable = 1
    if strategy.rolling_update.max_surge is None:
        strategy.rolling_update.max_surge = 0
