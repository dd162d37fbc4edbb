"""Who is looked at next."""

from __future__ import annotations

import asyncio

from everynode.reconcile.queue import Queue
from everynode.scheduler.line import ByPriority
from tests.virtual_time import virtually

PRIORITIES = {"low": -5, "first": 0, "second": 0, "high": 2_000_001_000}


def test_the_highest_priority_comes_first_and_of_equals_the_earliest() -> None:
    line = ByPriority(PRIORITIES.__getitem__)
    for key in ("low", "second", "first", "high"):
        line.append(key)
    assert len(line) == 4
    assert [line.popleft() for _ in range(4)] == ["high", "second", "first", "low"]
    assert not line


def test_a_queue_serves_in_the_order_of_its_line_also_what_comes_back_later() -> None:
    async def main() -> None:
        queue = Queue(line=ByPriority(PRIORITIES.__getitem__))
        queue.add_after("high", 1.0)
        for key in ("low", "first", "second"):
            queue.add(key)
        assert await queue.get() == "first"
        queue.add("first")
        await asyncio.sleep(1.5)
        queue.done("first")
        assert [await queue.get() for _ in range(4)] == ["high", "second", "first", "low"]

    virtually(main())
