"""Workers that take keys from a queue and reconcile each, again and again until it works.

A failure is never lost: the key comes back after its back-off. What the API refuses (`ApiError`) is everyday and leaves one
line in the log. An API that serves nobody (503: it cannot be reached, or its disk is full) is not the key's fault: whoever
suffers it has told of it, so nothing is said here, and no key waits so long that work goes on late when it is over. Any other
exception is a fault of ours and leaves its traceback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from everynode.api.status import ApiError
from everynode.reconcile.queue import Queue

log = logging.getLogger(__name__)

# Seconds between two tries while the API serves nobody, at most.
LONGEST_OUTAGE_DELAY = 10.0


class Runner:
    """Runs `reconcile(key)` for every key of the queue, `workers` keys at a time."""

    def __init__(
        self, name: str, queue: Queue, reconcile: Callable[[str], Awaitable[None]], *, workers: int = 1
    ) -> None:
        self.name = name
        self.queue = queue
        self.refusals = 0
        self.faults = 0
        self._reconcile = reconcile
        self._workers = workers

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._once(key)
            finally:
                self.queue.done(key)
            # A round that wrote nothing never waited either: others get their turn.
            await asyncio.sleep(0)

    async def _once(self, key: str) -> None:
        try:
            await self._reconcile(key)
        except ApiError as error:
            self.refusals += 1
            if error.code == 503:
                log.debug("%s: %s: %s", self.name, key, error)
                self.queue.add_rate_limited(key, at_most=LONGEST_OUTAGE_DELAY)
            else:
                log.info("%s: %s: %s", self.name, key, error)
                self.queue.add_rate_limited(key)
        except Exception:
            self.faults += 1
            log.exception("%s: %s", self.name, key)
            self.queue.add_rate_limited(key)
        else:
            self.queue.forget(key)
