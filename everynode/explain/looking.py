"""Looks at a rollout again and again, as often as the cluster bears: one look takes up at most a fifth of the time.

A look that fails does not end the looking: the next one may do better. It is handed on, so that somebody can be told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import msgspec

from everynode.api.scheme import DAEMON_SETS
from everynode.api.status import ApiError, not_found
from everynode.client.client import Client
from everynode.controllers.daemonset.diagnosis.facts import Facts
from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis, diagnose
from everynode.controllers.daemonset.placement import State
from everynode.explain.evidence import NoSuchDaemonSet, facts_of
from everynode.explain.gather import gather

# Seconds between two looks at the least, and how many times the last one's duration.
LOOK, REST = 1.0, 4.0


class Look(msgspec.Struct, frozen=True):
    """What was seen at `at` (Unix seconds)."""

    facts: Facts
    diagnosis: Diagnosis
    at: float

    @property
    def done(self) -> int:
        """How many nodes an available pod of the newest template serves."""
        return self.facts.tally.states[State.NEW_AVAILABLE]


async def look(client: Client, namespace: str, name: str) -> Look:
    """One look. Raises ApiError."""
    evidence = await gather(client, namespace, name)
    now = time.time()
    try:
        facts = facts_of(evidence, namespace, name, now)
    except NoSuchDaemonSet as error:
        # It went while we read.
        raise not_found(DAEMON_SETS, name) from error
    return Look(facts, diagnose(facts, now), now)


async def looks(
    client: Client, namespace: str, name: str, deadline: float | None = None
) -> AsyncGenerator[Look | ApiError, None]:
    """One look after another, until the deadline (loop time), one at least. Raises ApiError if the first one fails, and when
    there is nothing (more) to look at."""
    seen = False
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            yield await look(client, namespace, name)
            seen = True
        except ApiError as error:
            if not seen or error.code in (401, 403, 404):
                raise
            yield error
        pause = max(LOOK, REST * (loop.time() - began))
        if deadline is not None:
            if loop.time() >= deadline:
                return
            pause = min(pause, deadline - loop.time())
        await asyncio.sleep(pause)
