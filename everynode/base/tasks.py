"""Background tasks with a parent: whatever fails in the background reaches whoever started it.

`Tasks.start` names a task and keeps it; `failure()` waits for the first one that fails and hands its cause on; `stop()`
cancels all, newest first, and waits for them a bounded time. A task that simply ends is done and forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from everynode.base.limits import STOP_TASKS_SECONDS


class BackgroundFailure(Exception):
    """A background task failed; `name` is the task's, `__cause__` what it raised."""

    def __init__(self, name: str, cause: BaseException) -> None:
        while isinstance(cause, BaseExceptionGroup) and len(cause.exceptions) == 1:
            # A group of one says nothing that its only member does not say better.
            cause = cause.exceptions[0]
        super().__init__(f"{name} failed: {type(cause).__name__}: {cause}")
        self.name = name
        self.__cause__ = cause


class Tasks:
    """The background tasks of one owner."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], str] = {}
        self._failed: asyncio.Future[BackgroundFailure] | None = None
        self._first: BackgroundFailure | None = None

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Runs `work` until it ends or `stop` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running[task] = name
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        name = self._running.pop(task)
        if task.cancelled():
            return
        cause = task.exception()
        if cause is None or self._first is not None:
            return
        self._first = BackgroundFailure(name, cause)
        if self._failed is not None and not self._failed.done():
            self._failed.set_result(self._first)

    async def failure(self) -> BackgroundFailure:
        """Waits for the first failure of any task; never returns while all are well."""
        if self._first is None:
            self._failed = self._failed or asyncio.get_running_loop().create_future()
            return await asyncio.shield(self._failed)
        return self._first

    async def stop(self, within: float = STOP_TASKS_SECONDS) -> list[str]:
        """Cancels every task and waits for them at most `within` seconds; the names of those that did not end."""
        tasks = list(reversed(self._running))
        for task in tasks:
            task.cancel()
        if not tasks:
            return []
        _, late = await asyncio.wait(tasks, timeout=within)
        return [self._running[task] for task in late if task in self._running]
