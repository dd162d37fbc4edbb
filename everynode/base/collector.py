"""Python's garbage collector, tuned for a process that keeps very much and makes few cycles.

Whatever is dropped is freed by its reference count; the collector is there for cycles alone (an exception and its frame), and
by default it looks at all that lives again and again, so that its work grows with the fleet. Here what outlives a full
collection is *settled* and not looked at again: a collection costs what came since the last one. So that a cycle among
what has settled is not kept for ever, all is looked through once more each time as much has settled anew.

A setting of the whole process, so it is the command that chooses it, not a cluster that may run among others.
"""

from __future__ import annotations

import gc
from typing import Literal

# Containers made, less those freed, before the youngest are looked at: most requests come and go within it.
YOUNG = 10_000
# Looks at the youngest before those that stayed are looked at, and looks at these before a full one: 300,000 containers,
# some 20 ms if all of them stayed.
MIDDLE, FULL = 10, 3
# Settled containers up to which nobody looks through them again: a process with few nodes has as many.
FEW = 200_000


class _Settling:
    """Told of every collection: what a full one leaves settles, until as much has settled anew as there was."""

    def __init__(self) -> None:
        self._settled = 0
        self._enough = FEW
        self._thawed = False

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        if phase != "stop" or info["generation"] != 2:
            return
        left = len(gc.get_objects(generation=2))
        gc.freeze()
        if self._thawed:
            self._settled, self._enough = left, max(FEW, 2 * left)
        else:
            self._settled += left
        self._thawed = self._settled > self._enough
        if self._thawed:
            # The next full collection looks at everything.
            gc.unfreeze()


def tune() -> None:
    """For this process, from now on; what is there already, modules mostly, has settled. A second call does nothing."""
    if any(isinstance(each, _Settling) for each in gc.callbacks):
        return
    gc.set_threshold(YOUNG, MIDDLE, FULL)
    gc.freeze()
    gc.callbacks.append(_Settling())
