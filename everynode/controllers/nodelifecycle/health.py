"""When each node was heard of last, and which are overdue. Pure: `now` is the event loop's time, never a wall clock's.

A node is heard of when it renews its Lease or reports its status, at the moment in which we learn of it; what its own clock
says does not matter, nor does ours being set. One that is not heard of within its grace is *silent* until it is.

Hearing of a node costs O(1): nodes with the same grace stand in the order in which they were heard of, so the first of each
such row is the next to be overdue. An *amnesty* gives all a fresh grace: whoever could not listen must not conclude from
silence.
"""

from __future__ import annotations

import math
from collections import OrderedDict

# Seconds: Kubernetes' --node-monitor-grace-period, and --node-startup-grace-period for a node that has never reported Ready.
GRACE, STARTUP_GRACE = 40.0, 60.0


def grace_of(*, reports: bool, lease_duration: int | None) -> float:
    """Seconds of silence that a node may keep; a Lease that is renewed more seldom than usual says so by lasting longer."""
    return max(GRACE if reports else STARTUP_GRACE, float(lease_duration or 0))


class Health:
    """The nodes that are known, and what has been heard of them."""

    def __init__(self) -> None:
        self._rows: dict[float, OrderedDict[str, float]] = {}
        self._graces: dict[str, float] = {}
        self._silent: set[str] = set()
        self._amnesty = -math.inf
        # Nobody is overdue before this.
        self._next = math.inf

    def __contains__(self, name: str) -> bool:
        return name in self._graces

    def hear(self, name: str, grace: float, now: float) -> None:
        """The node is there, or has been heard of; its grace is this from now on."""
        before = self._graces.get(name)
        if before == grace and name not in self._silent:
            row = self._rows[grace]
            row[name] = now
            row.move_to_end(name)
            return
        if before is not None:
            self.forget(name)
        self._graces[name] = grace
        self._rows.setdefault(grace, OrderedDict())[name] = now
        self._next = min(self._next, now + grace)

    def forget(self, name: str) -> None:
        """The node is gone."""
        grace = self._graces.pop(name, None)
        if grace is None:
            return
        if name in self._silent:
            self._silent.remove(name)
            return
        row = self._rows[grace]
        del row[name]
        if not row:
            del self._rows[grace]

    def is_silent(self, name: str) -> bool:
        return name in self._silent

    def amnesty(self, now: float) -> None:
        """Every node has its whole grace again, from now."""
        self._amnesty = now
        for name in sorted(self._silent):
            self.hear(name, self._graces[name], now)

    def overdue(self, now: float) -> list[str]:
        """The nodes that have just become silent."""
        if now <= self._next:
            return []
        found = []
        self._next = math.inf
        for grace, row in list(self._rows.items()):
            while row:
                name, heard = next(iter(row.items()))
                deadline = max(heard, self._amnesty) + grace
                if deadline >= now:
                    self._next = min(self._next, deadline)
                    break
                del row[name]
                found.append(name)
            if not row:
                del self._rows[grace]
        self._silent.update(found)
        return found
