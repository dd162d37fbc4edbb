"""Background tasks: a failure reaches the parent, a stop ends all."""

from __future__ import annotations

import asyncio

from everynode.base.tasks import Tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("boom")


async def test_the_first_failure_is_told_with_its_cause() -> None:
    tasks = Tasks()
    waiting = asyncio.ensure_future(tasks.failure())
    tasks.start("well", forever())
    tasks.start("ill", fail())
    failure = await asyncio.wait_for(waiting, 1)
    assert str(failure) == "ill failed: ValueError: boom"
    assert isinstance(failure.__cause__, ValueError)
    assert await tasks.failure() is failure
    await tasks.stop()


async def test_a_group_of_one_failure_is_told_by_its_member() -> None:
    async def group() -> None:
        async with asyncio.TaskGroup() as inner:
            inner.create_task(fail())

    tasks = Tasks()
    tasks.start("ill", group())
    assert str(await asyncio.wait_for(tasks.failure(), 1)) == "ill failed: ValueError: boom"


async def test_an_end_is_no_failure() -> None:
    tasks = Tasks()
    tasks.start("short", asyncio.sleep(0))
    tasks.start("well", forever())
    waiting = asyncio.ensure_future(tasks.failure())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()
    assert await tasks.stop() == []


async def test_a_task_that_will_not_end_is_named() -> None:
    ended = asyncio.Event()

    async def stubborn() -> None:
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                continue

    tasks = Tasks()
    tasks.start("stubborn", stubborn())
    await asyncio.sleep(0)
    assert await tasks.stop(within=0.05) == ["stubborn"]
    ended.set()
