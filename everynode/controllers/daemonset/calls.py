"""Many calls to the API side by side, without a long turn of the loop, and what their refusals mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from everynode.api.status import ApiError

# Calls begun in one turn of the loop: a plan may hold 250, and each takes some 0.1 ms to begin.
AT_ONCE = 40


async def all_of(calls: Iterable[Awaitable[None]]) -> list[ApiError]:
    """Makes the calls side by side, begun some at a time, and returns what the API refused; anything else is raised."""
    under_way: list[asyncio.Task[ApiError | None]] = []
    async with asyncio.TaskGroup() as group:
        for call in calls:
            under_way.append(group.create_task(_refusal_of(call)))
            if len(under_way) % AT_ONCE == 0:
                await asyncio.sleep(0)
    return [refusal for one in under_way if (refusal := one.result()) is not None]


async def _refusal_of(call: Awaitable[None]) -> ApiError | None:
    try:
        await call
    except ApiError as error:
        return error
    return None


def namespace_terminating(error: ApiError) -> bool:
    """Whether it says that the namespace is being ended."""
    details = error.status.details
    return details is not None and any(cause.reason == "NamespaceTerminating" for cause in details.causes)
