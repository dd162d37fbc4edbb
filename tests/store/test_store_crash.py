"""kill -9 at any moment: what was acknowledged is there, whole, and revisions never go back."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from everynode.store.sqlite import sqlite_store

TASKS = 8
ROUNDS = 8

# Writes as fast as it can from several tasks at once and tells of each write that was acknowledged: its revision, its
# key, and the number its value repeats (0: a deletion). A line is one write to a pipe, so it is whole or not there.
WRITER = f"""
import asyncio, itertools, os, sys
from pathlib import Path
from everynode.store.local import LocalStore
from everynode.store.sqlite import SQLiteJournal

async def main():
    store = LocalStore(SQLiteJournal(Path(sys.argv[1])), lambda key, value: (), history_events=50)
    numbers = itertools.count(store.revision)

    async def write(task):
        for turn in itertools.count():
            key = f"core/pods/ns/{{task}}-{{turn % 3}}"
            number = 0 if turn % 7 == 0 and await store.get(key) else next(numbers)
            event = await store.write(key, b"%d:" % number * 200 if number else None)
            os.write(1, f"{{event.revision}} {{key}} {{number}}\\n".encode())

    await asyncio.gather(*(write(task) for task in range({TASKS})))

asyncio.run(main())
"""


def write_until_killed(directory: Path, lines: int) -> list[tuple[int, str, int]]:
    """Runs the writer, kills it after that many acknowledgements, and returns all that were given."""
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as told:
        acknowledged = [told.readline() for _ in range(lines)]
        child.kill()
        acknowledged += told.readlines()
    assert child.wait() == -signal.SIGKILL
    return [(int(revision), key, int(number)) for revision, key, number in map(str.split, acknowledged)]


def repeated(number: int) -> bytes:
    return b"%d:" % number * 200


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_acknowledged_write_survives_kill_9(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    standing: dict[str, tuple[int, bytes]] = {}
    newest = 1
    for _ in range(ROUNDS):
        for revision, key, number in write_until_killed(tmp_path, dice.randrange(1, 300)):
            assert revision > newest, "a revision was given twice"
            newest = revision
            standing.pop(key, None)
            if number:
                standing[key] = (revision, repeated(number))

        store = sqlite_store(tmp_path, lambda key, value: ())
        assert store.revision >= newest
        # Some writes became durable and nobody was told any more: at most one for each task. They count, whole.
        untold = await store.watch("", since=newest).next() if store.revision > newest else []
        assert len(untold) <= TASKS
        for event in untold:
            standing.pop(event.key, None)
            if event.after is not None:
                assert event.after.value == repeated(int(event.after.value.partition(b":")[0]))
                standing[event.key] = (event.revision, event.after.value)
        newest = store.revision
        entries = (await store.range("")).entries
        assert {entry.key: (entry.revision, entry.value) for entry in entries} == standing
        await store.close()
