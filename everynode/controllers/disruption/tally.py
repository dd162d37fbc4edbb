"""The pods of one budget, counted as they come, change and go.

`put` and `drop` are the only ways in. Each touches one pod, so an event costs the same among ten pods and a hundred thousand;
and putting a pod that is known replaces what was known of it, so a count may be begun while events come in. What is counted
is at any moment what a recount of the same pods would give (a property test holds the two equal).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from everynode.controllers.disruption.observe import OwnerReference, Pod


class Member(NamedTuple):
    """What a pod counts for. `controller` is the uid of what controls it, "" for nothing."""

    controller: str
    ready: bool
    terminating: bool

    @property
    def healthy(self) -> bool:
        return self.ready and not self.terminating


# Pods differ in few ways, so a hundred thousand of them share a handful of these.
_member = functools.lru_cache(maxsize=4096)(Member)


class Tally:
    """Counters over the pods that one budget selects."""

    __slots__ = ("by_controller", "controllers", "healthy", "members", "uncontrolled")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.healthy = 0
        self.uncontrolled = 0
        # What controls them, by uid in the order in which the first pod of each came: its name, and how many pods it has.
        self.controllers: dict[str, OwnerReference] = {}
        self.by_controller: dict[str, int] = {}

    def put(self, pod: Pod) -> bool:
        """Counts a pod as it is now; False when that is what was counted already."""
        meta = pod.metadata
        reference = meta.controller
        member = _member(reference.uid if reference is not None else "", pod.ready, pod.terminating)
        if self.members.get(meta.name) == member:
            return False
        self.drop(meta.name)
        self.members[meta.name] = member
        self.healthy += member.healthy
        if reference is None:
            self.uncontrolled += 1
        else:
            self.controllers.setdefault(reference.uid, reference)
            self.by_controller[reference.uid] = self.by_controller.get(reference.uid, 0) + 1
        return True

    def drop(self, name: str) -> bool:
        """Counts a pod no more; False when it was not counted."""
        member = self.members.pop(name, None)
        if member is None:
            return False
        self.healthy -= member.healthy
        if not member.controller:
            self.uncontrolled -= 1
            return True
        left = self.by_controller[member.controller] - 1
        if left:
            self.by_controller[member.controller] = left
        else:
            del self.by_controller[member.controller], self.controllers[member.controller]
        return True

    def a_pod_of(self, controller: str) -> str:
        """The name of one of this controller's pods, to be told of."""
        return next(name for name, member in self.members.items() if member.controller == controller)
