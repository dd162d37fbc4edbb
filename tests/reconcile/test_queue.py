from __future__ import annotations

import asyncio

from everynode.api.status import unavailable
from everynode.reconcile.queue import Queue
from everynode.reconcile.runner import Runner
from tests.virtual_time import virtually


def now() -> float:
    return asyncio.get_running_loop().time()


async def taken(queue: Queue) -> list[str]:
    """Everything that is ready now, worked off."""
    keys = []
    while len(queue):
        key = await queue.get()
        queue.done(key)
        keys.append(key)
    return keys


def test_a_key_waits_once_and_keys_keep_their_order() -> None:
    async def main() -> None:
        queue = Queue()
        for key in ("b", "a", "b", "c", "a"):
            queue.add(key)
        assert await taken(queue) == ["b", "a", "c"]

    virtually(main())


def test_a_key_added_while_it_is_worked_on_comes_again_but_only_when_done() -> None:
    async def main() -> None:
        queue = Queue()
        queue.add("a")
        key = await queue.get()
        queue.add("a")
        queue.add("a")
        assert len(queue) == 0
        queue.done(key)
        assert await taken(queue) == ["a"]
        assert queue.idle

    virtually(main())


def test_the_earlier_of_two_delays_counts() -> None:
    async def main() -> None:
        queue = Queue()
        queue.add_after("a", 10)
        queue.add_after("a", 3)
        queue.add_after("a", 5)
        assert (await queue.get(), now()) == ("a", 3)
        queue.done("a")
        await asyncio.sleep(100)
        assert len(queue) == 0

    virtually(main())


def test_failures_double_the_delay_up_to_the_longest_until_forgotten() -> None:
    async def main() -> None:
        queue = Queue(first_delay=1, longest_delay=5)
        waits = []
        for _ in range(5):
            before = now()
            queue.add_rate_limited("a")
            queue.done(await queue.get())
            waits.append(now() - before)
        assert waits == [1, 2, 4, 5, 5]
        assert queue.failures("a") == 5
        queue.forget("a")
        before = now()
        queue.add_rate_limited("a")
        await queue.get()
        assert now() - before == 1

    virtually(main())


def test_a_taker_that_is_cancelled_does_not_take_the_wake_up_with_it() -> None:
    async def main() -> None:
        queue = Queue()
        first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
        assert await second == "a"

    virtually(main())


def test_no_key_has_two_workers_and_every_key_gets_done() -> None:
    async def main() -> None:
        queue, working, done = Queue(), set[str](), list[str]()

        async def reconcile(key: str) -> None:
            assert key not in working
            working.add(key)
            await asyncio.sleep(1)
            working.remove(key)
            done.append(key)

        running = asyncio.create_task(Runner("test", queue, reconcile, workers=4).run())
        for _ in range(3):
            for key in "abcd":
                queue.add(key)
            await asyncio.sleep(0.4)
        await asyncio.sleep(10)
        running.cancel()
        # The first round, and one more for each that was added while it was worked on.
        assert sorted(done) == sorted("abcdabcd")

    virtually(main())


def test_a_failed_key_comes_back_whatever_the_failure_was() -> None:
    async def main() -> None:
        queue, outcomes = Queue(), [unavailable("later"), ValueError("a fault"), None]
        finished = asyncio.Event()

        async def reconcile(key: str) -> None:
            outcome = outcomes.pop(0)
            if outcome is not None:
                raise outcome
            finished.set()

        runner = Runner("test", queue, reconcile)
        running = asyncio.create_task(runner.run())
        queue.add("a")
        await finished.wait()
        await asyncio.sleep(1)
        running.cancel()
        assert (runner.refusals, runner.faults, queue.failures("a")) == (1, 1, 0)

    virtually(main())
