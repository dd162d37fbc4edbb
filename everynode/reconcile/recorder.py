"""Tells people what happened to an object: writes Events, without ever holding up or failing whoever reports.

`event` correlates at once (`correlation`) and returns; `run` writes what is waiting, a few at a time. An Event that occurs
again before it was written is written once, with its count. The queue is bounded: beyond it new events are dropped and
counted. While the API cannot be reached everything waits and is tried again; what the API refuses is given up.
"""

from __future__ import annotations

import asyncio
import logging
import random

from everynode.api.core_v1 import Event, EventSource, ObjectReference
from everynode.api.meta_v1 import ObjectMeta
from everynode.api.scheme import EVENTS
from everynode.api.status import ApiError
from everynode.base.clock import Clock
from everynode.client.client import Client, ClientUnreachable
from everynode.reconcile.correlation import Correlator, Occurrence
from everynode.values.timestamps import seconds_text

log = logging.getLogger(__name__)

# Events waiting to be written; client-go's recorder drops beyond the same number.
WAITING = 1000
# Written at the same time, so that they share a commit.
AT_ONCE = 32
# Tries of one event while the API is unreachable, and the seconds between them.
TRIES, PAUSE = 12, 10.0


class Recorder:
    """Records events in the name of one component (`daemonset-controller`), on one host if it has one."""

    def __init__(
        self, client: Client, component: str, *, clock: Clock, host: str = "", dice: random.Random | None = None
    ) -> None:
        self._client = client
        self._component, self._host = component, host
        self._clock = clock
        self._dice = dice or random.SystemRandom()
        self._correlator = Correlator()
        self._waiting: dict[Occurrence, None] = {}
        self._some = asyncio.Event()
        self.dropped = 0

    def event(self, regarding: ObjectReference, type: str, reason: str, message: str) -> None:
        """Something happened to `regarding`; `type` is Normal or Warning."""
        occurrence = self._correlator.observe(regarding, type, reason, message, self._clock.now())
        if occurrence is None:
            return
        if len(self._waiting) >= WAITING and occurrence not in self._waiting:
            self.dropped += 1
            return
        self._waiting[occurrence] = None
        self._some.set()

    async def run(self) -> None:
        """Writes what is waiting, until cancelled."""
        while True:
            await self._some.wait()
            batch = list(self._waiting)[:AT_ONCE]
            for occurrence in batch:
                del self._waiting[occurrence]
            if not self._waiting:
                self._some.clear()
            written = await asyncio.gather(*(self._write(occurrence) for occurrence in batch))
            if not all(written):
                await asyncio.sleep(PAUSE * self._dice.random())

    async def _write(self, occurrence: Occurrence) -> bool:
        """Creates or counts up one Event; False if the API could not be reached and it waits again."""
        occurrence.tries += 1
        try:
            if not (occurrence.written and await self._count_up(occurrence)):
                await self._create(occurrence)
        except ClientUnreachable as error:
            if occurrence.tries >= TRIES:
                log.warning("event %s is given up: %s", occurrence.name, error)
                return True
            self._waiting.setdefault(occurrence)
            self._some.set()
            return False
        except ApiError as error:
            # An object that is just going takes its events with it (a namespace that terminates refuses them).
            log.debug("event %s was refused: %s", occurrence.name, error)
        occurrence.tries = 0
        return True

    async def _count_up(self, occurrence: Occurrence) -> bool:
        """Writes the new count; False if the Event has expired meanwhile."""
        change = {
            "count": occurrence.count,
            "lastTimestamp": seconds_text(occurrence.last),
            "message": occurrence.message,
        }
        try:
            await self._client.patch(EVENTS, occurrence.name, change, occurrence.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    async def _create(self, occurrence: Occurrence) -> None:
        try:
            await self._client.create(EVENTS, self._event(occurrence), occurrence.namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # Another component spoke of the same object in the same instant.
            self._correlator.rename(occurrence, self._clock.now())
            await self._client.create(EVENTS, self._event(occurrence), occurrence.namespace)
        occurrence.written = True

    def _event(self, occurrence: Occurrence) -> Event:
        return Event(
            kind="Event",
            api_version="v1",
            metadata=ObjectMeta(name=occurrence.name, namespace=occurrence.namespace),
            involved_object=occurrence.regarding,
            reason=occurrence.reason,
            message=occurrence.message,
            source=EventSource(component=self._component, host=self._host),
            first_timestamp=seconds_text(occurrence.first),
            last_timestamp=seconds_text(occurrence.last),
            count=occurrence.count,
            type=occurrence.type,
            reporting_component=self._component,
            reporting_instance=self._host,
        )
