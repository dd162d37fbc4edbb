"""What the shell holds of one DaemonSet: its ledger and history, the mould of its pods, and the timer of its next moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from everynode.controllers.daemonset.history import History
from everynode.controllers.daemonset.ledger import Ledger
from everynode.controllers.daemonset.observe import DaemonSet
from everynode.controllers.daemonset.plan import Strategy
from everynode.controllers.daemonset.template import PodMould


class Books:
    """One DaemonSet, from the moment its view appears until it is gone. `planned` counts the nodes that planning looked at;
    `refusals` are what the API said against the last creations and deletions; `barred_until` is the loop time before which
    nothing is planned, since the namespace is being ended and takes no pods."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self.ledger = ledger
        self.history = history
        self.mould: PodMould | None = None
        self.planned = 0
        self.refusals: tuple[str, ...] = ()
        self.barred_until = -inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def key(self) -> str:
        return self.ledger.ds.key

    @property
    def examined(self) -> int:
        """How many times a node was looked at, judging and planning."""
        return self.ledger.examined + self.planned

    def took_over(self, new: DaemonSet) -> bool:
        """Takes over a newer view; False if it says nothing that was not known (our own status write)."""
        old, self.ledger.ds = self.ledger.ds, new
        asks_otherwise = (
            new.metadata.generation != old.metadata.generation
            or new.metadata.annotations != old.metadata.annotations
            or new.metadata.deletion_timestamp != old.metadata.deletion_timestamp
            or new.status.collision_count != old.status.collision_count
        )
        if asks_otherwise:
            self.ledger.strategy = Strategy.of(new.spec.update_strategy)
            self.ledger.history_stale = True
            self.ledger.epoch += 1
        return self.took_over_status(new) or asks_otherwise

    def took_over_status(self, view: DaemonSet) -> bool:
        """Takes over the status of a view unless a newer one is known; tells whether it changed."""
        ledger = self.ledger
        revision = int(view.metadata.resource_version or 0)
        if revision <= ledger.status_revision:
            return False
        changed = view.status != ledger.status
        if view.status.observed_generation != ledger.status.observed_generation:
            # Pauses after failures were for the generation before.
            for node in ledger.backoff.nodes():
                ledger.node_changed(node)
        ledger.status, ledger.status_revision = view.status, revision
        return changed

    def arm(self, delay: float, wake: Callable[[Books], None]) -> None:
        self.close()
        if delay < inf:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, delay), wake, self)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
