"""What is used under one quota at this moment.

A change of one object costs the same however many there are. Pods that become overdue leave by time (`counted.py`): `advance`
takes out those whose moment has come, and `next_moment` tells when that is the next time.

At any moment the sums are those of counting every object anew. `take` and `give_back` bear what is on its way: an object that
was judged and is not stored yet counts already, and is given back when it is stored (and so comes as a change) or refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from everynode.api.quota.counted import NONE, Counted, Usage, count
from everynode.api.quota.rule import Rule
from everynode.api.scheme import Resource
from everynode.values.quantity import Quantity

# Objects by kind and name, and how one is read: a struct or a view, or whatever the caller has of it.
Uncounted = dict[tuple[Resource, str], Any]
Read = Callable[[Resource, Any], Counted]


class Tally:
    """A rule, and what is used under it: `used` has every name that the rule bounds.

    What is there when it begins is counted in pieces by `count_some`; until that has counted it all, the sums lack the rest.
    """

    def __init__(self, rule: Rule, there: Uncounted | None = None, read: Read = count) -> None:
        self.rule = rule
        self._uncounted = there or {}
        self._read = read
        self.used: dict[str, Quantity] = dict.fromkeys(rule.hard, NONE)
        self._overdue: set[str] = set()
        self._due: dict[str, Counted] = {}
        self._moments: list[tuple[float, str]] = []

    def change(self, before: Counted | None, after: Counted | None, now: float) -> bool:
        """An object came, changed or went; tells whether that changed the sums."""
        if before is not None and self._uncounted:
            # As it was at the beginning it needs not be counted any more.
            before = None if self._uncounted.pop((before.resource, before.name), None) is not None else before
        old = self._leave(before) if before is not None and self.rule.counts(before) else {}
        new = self._enter(after, now) if after is not None and self.rule.counts(after) else {}
        if old == new:
            return False
        self.give_back(old)
        self.take(new)
        return True

    def count_some(self, most: int, now: float) -> bool:
        """Counts up to `most` of what was there at the beginning; True when there is nothing left of it."""
        while self._uncounted and most > 0:
            (resource, _), thing = self._uncounted.popitem()
            self.change(None, self._read(resource, thing), now)
            most -= 1
        return not self._uncounted

    def advance(self, now: float) -> bool:
        """Takes out the pods that are overdue by now; tells whether there were any."""
        gone = False
        while self._moments and self._moments[0][0] < now:
            moment, name = heapq.heappop(self._moments)
            counted = self._due.get(name)
            # Whoever changed since has an entry of its own.
            if counted is not None and counted.overdue_at == moment:
                del self._due[name]
                self._overdue.add(name)
                self.give_back(self.rule.share(counted.usage))
                self.take(self.rule.share(counted.residue))
                gone = True
        return gone

    @property
    def next_moment(self) -> float:
        """When a pod may become overdue, in Unix seconds; never, if none will."""
        return self._moments[0][0] if self._moments else inf

    def beyond(self, wanted: Mapping[str, Quantity]) -> list[str]:
        """The names of those amounts for which there is no room, in order."""
        return sorted(name for name, amount in wanted.items() if self.used[name] + amount > self.rule.hard[name])

    def take(self, usage: Usage) -> None:
        """Adds amounts that the rule bounds."""
        for name, amount in usage.items():
            self.used[name] += amount

    def give_back(self, usage: Usage) -> None:
        """Takes off what `take` added."""
        for name, amount in usage.items():
            self.used[name] -= amount

    def _enter(self, counted: Counted, now: float) -> dict[str, Quantity]:
        if counted.overdue_at is None:
            return self.rule.share(counted.usage)
        if counted.overdue_at < now:
            self._overdue.add(counted.name)
            return self.rule.share(counted.residue)
        self._due[counted.name] = counted
        heapq.heappush(self._moments, (counted.overdue_at, counted.name))
        return self.rule.share(counted.usage)

    def _leave(self, counted: Counted) -> dict[str, Quantity]:
        if counted.overdue_at is None:
            return self.rule.share(counted.usage)
        self._due.pop(counted.name, None)
        if counted.name in self._overdue:
            self._overdue.discard(counted.name)
            return self.rule.share(counted.residue)
        return self.rule.share(counted.usage)
