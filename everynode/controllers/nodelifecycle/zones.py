"""How much of each zone has failed, and whose turn it is to be given a NoExecute taint. Pure: `now` is the event loop's time.

The taint makes pods leave, so nodes get it one after another: one in ten seconds for each zone. Where more than half of a zone
is gone at once, it is rather the network that failed than the nodes: a large zone goes on at a tenth of that pace, a small one
stops. Where no zone has a ready node left, the failure is most likely ours: nobody is tainted, and taints that are there go,
until some node is heard of again. (Kubernetes' --node-eviction-rate, --secondary-node-eviction-rate,
--large-cluster-size-threshold and --unhealthy-zone-threshold, with their defaults.)

Putting a node costs O(1); `settle` costs the zones that changed.
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

# Nodes a second: usually, and in a large zone that is partly down.
RATE, REDUCED_RATE = 0.1, 0.01
# A zone with more nodes is large.
LARGE = 50
# A zone is partly down when more than so many of its nodes, and at least this share, are not ready.
FEW, UNHEALTHY = 2, 0.55
# Seconds that are no time to wait for: sums of floats are not exact.
MOMENT = 1e-6


class Outage(enum.Enum):
    """How much of a zone is down."""

    NONE = "most nodes are ready"
    PARTIAL = "most nodes are not ready"
    FULL = "no node is ready"


class Eviction(enum.Enum):
    """Whether a node that is not ready may be given the NoExecute taint."""

    WAITS = "its turn has not come"
    DUE = "its turn has come"
    OFF = "nobody's turn comes while no zone has a ready node"


class Shift(enum.Enum):
    """What has changed for the cluster as a whole."""

    NONE = "nothing"
    ALL_DOWN = "no zone has a ready node any more"
    SOME_UP = "some zone has a ready node again"


class Standing(NamedTuple):
    """What a node is to its zone: whether it counts there, is ready, and waits for the taint."""

    zone: str
    counted: bool
    ready: bool
    waits: bool


def outage_of(ready: int, unready: int) -> Outage:
    """How much of a zone with so many nodes is down."""
    if unready and not ready:
        return Outage.FULL
    if unready > FEW and unready / (ready + unready) >= UNHEALTHY:
        return Outage.PARTIAL
    return Outage.NONE


def rate_of(outage: Outage, size: int) -> float:
    """Nodes a second that are tainted in a zone of this size; one that is down as a whole among others goes on as usual."""
    if outage is Outage.PARTIAL:
        return REDUCED_RATE if size > LARGE else 0.0
    return RATE


class Limiter:
    """Lets one through at once, and each further one a turn of its rate (per second, 0: none) later."""

    __slots__ = ("_next", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._next = now

    def take(self, now: float) -> bool:
        if now < self._next - MOMENT:
            return False
        self._next = self._after(now)
        return True

    def swap(self, rate: float, now: float) -> None:
        """Another rate from now on; who had to wait waits a whole turn of it."""
        if rate != self.rate:
            self.rate = rate
            if now < self._next - MOMENT or not rate:
                self._next = self._after(now)

    def _after(self, now: float) -> float:
        return now + 1 / self.rate if self.rate else math.inf


class _Zone:
    __slots__ = ("limiter", "members", "ready", "unready", "waiting")

    def __init__(self, now: float) -> None:
        self.members = self.ready = self.unready = 0
        self.limiter = Limiter(RATE, now)
        self.waiting: dict[str, None] = {}

    @property
    def outage(self) -> Outage:
        return outage_of(self.ready, self.unready)


class Zones:
    """All nodes by zone."""

    def __init__(self) -> None:
        self._zones: dict[str, _Zone] = {}
        self._standings: dict[str, Standing] = {}
        # Zones with nodes that count, and those of them with ready ones.
        self._counted = self._up = 0
        self._changed: set[str] = set()
        self._asking: dict[str, None] = {}
        self._due: set[str] = set()
        self.all_down = False

    def put(self, name: str, standing: Standing | None, now: float) -> None:
        """The node stands like this now; None: it is gone."""
        before = self._standings.get(name)
        if before == standing:
            return
        if before is not None:
            self._leave(name, before, stays=standing is not None and standing.zone == before.zone)
        if standing is None:
            self._standings.pop(name, None)
            return
        self._standings[name] = standing
        self._join(name, standing, now)

    def eviction(self, name: str) -> Eviction:
        if self.all_down:
            return Eviction.OFF
        return Eviction.DUE if name in self._due else Eviction.WAITS

    def settle(self, now: float) -> Shift:
        """Judges the zones that have changed and sets their pace."""
        if not self._changed:
            return Shift.NONE
        changed, self._changed = sorted(self._changed), set()
        was_down, self.all_down = self.all_down, bool(self._counted) and not self._up
        if self.all_down:
            for zone in changed if was_down else self._zones:
                self._set_rate(zone, 0.0, now)
            for name in sorted(self._due):
                self._ask(self._standings[name].zone, name)
            self._due.clear()
            return Shift.NONE if was_down else Shift.ALL_DOWN
        for zone in self._zones if was_down else changed:
            found = self._zones.get(zone)
            if found is not None:
                self._set_rate(zone, rate_of(found.outage, found.ready + found.unready), now)
        return Shift.SOME_UP if was_down else Shift.NONE

    def admit(self, now: float) -> list[str]:
        """The nodes whose turn has come."""
        admitted = []
        for key in list(self._asking):
            zone = self._zones[key]
            while zone.waiting and zone.limiter.take(now):
                name = next(iter(zone.waiting))
                del zone.waiting[name]
                admitted.append(name)
            if not zone.waiting:
                del self._asking[key]
        self._due.update(admitted)
        return admitted

    def _set_rate(self, key: str, rate: float, now: float) -> None:
        if key in self._zones:
            self._zones[key].limiter.swap(rate, now)

    def _join(self, name: str, standing: Standing, now: float) -> None:
        zone = self._zones.get(standing.zone)
        if zone is None:
            zone = self._zones[standing.zone] = _Zone(now)
        zone.members += 1
        if standing.counted:
            self._count(standing, zone, 1)
        if not standing.waits:
            zone.waiting.pop(name, None)
            self._due.discard(name)
        elif name not in self._due:
            self._ask(standing.zone, name)

    def _ask(self, zone: str, name: str) -> None:
        self._zones[zone].waiting.setdefault(name)
        self._asking[zone] = None

    def _leave(self, name: str, standing: Standing, *, stays: bool) -> None:
        """Takes a node out; one that stays in its zone keeps its place in the row."""
        zone = self._zones[standing.zone]
        zone.members -= 1
        if standing.counted:
            self._count(standing, zone, -1)
        if stays:
            return
        zone.waiting.pop(name, None)
        self._due.discard(name)
        if not zone.members:
            del self._zones[standing.zone]
            self._asking.pop(standing.zone, None)

    def _count(self, standing: Standing, zone: _Zone, step: int) -> None:
        was_counted, was_up = bool(zone.ready + zone.unready), bool(zone.ready)
        if standing.ready:
            zone.ready += step
        else:
            zone.unready += step
        self._counted += bool(zone.ready + zone.unready) - was_counted
        self._up += bool(zone.ready) - was_up
        self._changed.add(standing.zone)
