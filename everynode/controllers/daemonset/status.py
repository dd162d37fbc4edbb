"""The DaemonSet's status, read off the tally's counters.

Of several pods on a node only the first counts (bound before unbound, then the older one): during a surge that is the old pod,
so `updatedNumberScheduled` lags, as in Kubernetes. `conditions` are not this controller's and are left alone.
"""

from __future__ import annotations

import msgspec

from everynode.controllers.daemonset.observe import DaemonSetStatus
from everynode.controllers.daemonset.tally import Tally


def status_of(tally: Tally, observed_generation: int, collision_count: int | None) -> DaemonSetStatus:
    return DaemonSetStatus(
        current_number_scheduled=tally.current,
        number_misscheduled=tally.misscheduled,
        desired_number_scheduled=tally.desired,
        number_ready=tally.ready,
        observed_generation=observed_generation,
        updated_number_scheduled=tally.updated,
        number_available=tally.available,
        number_unavailable=tally.desired - tally.available,
        collision_count=collision_count,
    )


def status_patch(uid: str, status: DaemonSetStatus) -> bytes:
    """A merge patch of just these fields; `collisionCount` is written elsewhere, under a condition.

    The uid makes the API refuse it for a DaemonSet that was made again under the same name.
    """
    fields = msgspec.to_builtins(status)
    del fields["collisionCount"]
    return msgspec.json.encode({"metadata": {"uid": uid}, "status": fields})
