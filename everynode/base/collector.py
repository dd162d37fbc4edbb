"""Python's garbage collector, set for a process that keeps very much, of which the collector need not know.

Whatever is dropped is freed by its reference count; the collector is there for cycles alone (an exception and its frame, a
connection), of which a rollout over thousands of nodes leaves a dozen. What is kept for each node and pod is views, records,
texts and bytes: structs that cannot be part of a cycle and are not tracked, and containers that hold nothing else, which the
collector itself lets go of; a test counts them. What is left are a few large containers (the store's ordered keys), and a look
at all that is tracked still costs what they hold.

So a full collection that took long is followed by *settling*: what it left is not looked at again, and the next one begins with
nothing. A pause is thereby bounded by what has come since, however much there is. Nothing that has settled is ever looked
through once more: that would be the one long pause. If one of the cycles that lived at that moment, those of requests and
connections, is dropped later, it stays; but there is no next time until as much has come anew, so in a process that does not
grow none are added.

A setting of the whole process, so it is the command that chooses it, not a cluster that may run among others.
"""

from __future__ import annotations

import gc
import time
from typing import Literal

# Containers made, less those freed, before the youngest are looked at: most requests come and go within it.
YOUNG = 12_000
# Looks at the youngest before those that stayed are looked at, and looks at these before a full one: so few that what has come
# between two full ones does not take long.
MIDDLE, FULL = 1, 1
# Seconds. A full collection that took longer would be too long with as much again.
LONG = 0.015


class _Settling:
    """Told of every collection: what a long one leaves settles."""

    def __init__(self) -> None:
        self._began = 0.0

    def __call__(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self._began = time.perf_counter()
        elif time.perf_counter() - self._began > LONG:
            gc.freeze()


def tune() -> None:
    """For this process, from now on; what is there already, modules mostly, has settled. A second call does nothing."""
    if any(isinstance(each, _Settling) for each in gc.callbacks):
        return
    gc.set_threshold(YOUNG, MIDDLE, FULL)
    gc.freeze()
    gc.callbacks.append(_Settling())
