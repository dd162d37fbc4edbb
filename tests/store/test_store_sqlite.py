"""What the SQLite store promises beyond the contract: restarts, one owner, a bounded file, loud failure."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from everynode.store import sqlite as sqlite_module
from everynode.store.contract import Compacted, StoreFailed, StoreFull, StoreUnavailable
from everynode.store.local import LocalStore
from everynode.store.open import open_store
from everynode.store.sqlite import DATABASE_FILE, FORGET_ROWS, FORGET_TOGETHER, SQLiteJournal
from tests.store.facet_words import terms_in
from tests.store.filling import until_writable

A, B = "core/pods/ns/a", "core/pods/ns/b"


def opened(directory: Path, history_events: int = 100) -> LocalStore:
    return LocalStore(SQLiteJournal(directory), terms_in, history_events=history_events)


def ask(directory: Path, statement: str) -> list[int]:
    """Runs a statement on the file of a closed store; the first column of what it answers."""
    with closing(sqlite3.connect(directory / DATABASE_FILE, isolation_level=None)) as database:
        return [row[0] for row in database.execute(statement)]


def rows(directory: Path) -> list[int]:
    return ask(directory, "SELECT revision FROM record ORDER BY revision")


async def test_a_watch_resumes_over_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    events = [
        await store.write(A, b"x:1"),
        await store.write(A, b"y:2"),
        await store.write(B, b"z:"),
        await store.write(B, None),
    ]
    await store.close()
    store = opened(tmp_path)
    assert (store.revision, store.count("core/pods/")) == (5, 1)
    assert await store.watch("core/pods/", since=1).next() == events
    assert (await store.range("core/pods/", terms=["x"], revision=2)).entries == [events[0].after]
    await store.close()


@pytest.fixture
def tidy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is useless is deleted with the next commit."""
    monkeypatch.setattr(sqlite_module, "FORGET_TOGETHER", 1)


@pytest.mark.usefixtures("tidy")
async def test_revisions_go_on_though_the_newest_writes_were_deletions(tmp_path: Path) -> None:
    for restarts in range(4):
        store = opened(tmp_path, history_events=0)
        assert (store.revision, store.count("")) == (1 + 4 * restarts, 0)
        for key in (A, B):
            await store.write(key, b"")
            await store.write(key, None)
        await store.close()
        assert len(rows(tmp_path)) <= 2


async def test_rows_are_deleted_together_and_wait_for_that_in_a_bounded_number(tmp_path: Path) -> None:
    store = opened(tmp_path, history_events=4)
    journal, left = store._journal, []
    for n in range(4 * FORGET_TOGETHER):
        await store.write(A, str(n).encode())
        left.append(journal._database.execute("SELECT count(*) FROM record").fetchone()[0])
    assert max(left) <= 4 + 1 + FORGET_TOGETHER + 1
    falls = [now for before, now in pairwise(left) if now < before]
    assert 3 <= len(falls) <= 4, "each commit that deletes has much to delete"
    await store.close()


async def test_a_restart_after_many_creations_finds_no_longer_history_than_it_keeps(tmp_path: Path) -> None:
    store = opened(tmp_path, history_events=4)
    for n in range(300):
        await store.write(f"core/pods/ns/{n}", b":")
    await store.close()
    journal = SQLiteJournal(tmp_path)
    assert journal.floor >= store.revision - 4 - FORGET_TOGETHER - 1
    journal.close()


@pytest.mark.usefixtures("tidy")
async def test_rows_nobody_can_ask_for_are_deleted(tmp_path: Path) -> None:
    store = opened(tmp_path, history_events=4)
    for n in range(20):
        await store.write(A, str(n).encode())
    await store.write(A, None)
    for n in range(20):
        await store.write(B, str(n).encode())
    newest = store.revision
    await store.close()
    # The history, the row its first event replaced, and one that the last write made useless and the next would delete.
    assert len(rows(tmp_path)) <= 4 + 1 + 1
    store = opened(tmp_path, history_events=4)
    assert (store.revision, (await store.get(B)).value, await store.get(A)) == (newest, b"19", None)
    await store.close()


async def test_rows_left_over_by_a_longer_history_go_in_bounded_steps(tmp_path: Path) -> None:
    store = opened(tmp_path, history_events=10_000)
    await asyncio.gather(*(store.write(A, str(n).encode()) for n in range(500)))
    await store.close()
    store = opened(tmp_path, history_events=10)
    for step in range(1, 4):
        await store.write(B, str(step).encode())
        await store.close()
        assert 500 + step - step * (FORGET_ROWS + 2) <= len(rows(tmp_path)) < 500 - (step - 1) * FORGET_ROWS
        store = opened(tmp_path, history_events=10)
        assert (await store.get(A)).value == b"499"
        with pytest.raises(Compacted):
            store.watch("", since=store.revision - 11)
        assert len(await store.watch("", since=store.revision - 10).next()) == 10
    await store.close()


async def test_free_pages_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "FREE_PAGES_KEPT", 10)
    store = opened(tmp_path, history_events=10)
    names = [f"core/pods/ns/{n}" for n in range(300)]
    await asyncio.gather(*(store.write(name, b":" + b"x" * 8000) for name in names))
    await store.close()
    full = (tmp_path / DATABASE_FILE).stat().st_size
    store = opened(tmp_path, history_events=10)
    for name in names:
        await store.write(name, None)
    await store.close()
    assert full > 2_400_000
    assert (tmp_path / DATABASE_FILE).stat().st_size < 400_000


async def test_a_second_opener_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreUnavailable, match=r"data directory .* is in use by process \d+$"):
        opened(tmp_path)
    await store.close()
    await opened(tmp_path).close()


async def test_a_newer_format_a_strange_file_and_rubbish_are_refused_by_name(tmp_path: Path) -> None:
    await opened(tmp_path).close()
    ask(tmp_path, "PRAGMA user_version = 7")
    for _ in range(2):  # a refusal lets go of the lock
        with pytest.raises(StoreUnavailable, match=r"format 7, written by a newer everynode"):
            opened(tmp_path)
    ask(tmp_path, "PRAGMA application_id = 1")
    with pytest.raises(StoreUnavailable, match="not a store of everynode"):
        opened(tmp_path)
    (tmp_path / DATABASE_FILE).write_bytes(b"rubbish" * 2000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        opened(tmp_path)


async def test_a_hole_in_the_log_is_damage(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for n in range(4):
        await store.write(A, str(n).encode())
    await store.close()
    ask(tmp_path, "DELETE FROM record WHERE revision = 3")
    with pytest.raises(StoreUnavailable, match="damaged: revision 3 is missing"):
        open_store("sqlite", tmp_path, terms_in)


async def test_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    store = opened(directory)
    await store.write(A, b"")
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o077 for path in directory.iterdir()} == {
        "lock": 0,
        DATABASE_FILE: 0,
        f"{DATABASE_FILE}-wal": 0,
    }
    await store.close()


async def test_open_store_names_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="etcd is not supported yet"):
        open_store("etcd://localhost:2379", tmp_path, terms_in)
    for kind in ("redis://localhost", "postgres", "memory://x"):
        with pytest.raises(StoreUnavailable, match="is not known"):
            open_store(kind, tmp_path, terms_in)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        open_store("sqlite", file, terms_in)
    await open_store("memory", tmp_path, terms_in).close()


Limit = Callable[[int], None]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Sets how many pages the database may have: SQLite's own SQLITE_FULL."""
    real, opened = sqlite3.connect, []

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        opened.append(real(*args, **kwargs))
        return opened[-1]

    def limit(most: int) -> None:
        opened[-1].execute(f"PRAGMA max_page_count = {most}")

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr("everynode.store.local.ROOM_SECONDS", 0.001)
    return limit


BIG = b":" + b"x" * 200_000


@pytest.mark.usefixtures("tidy")
async def test_a_full_disk_refuses_writes_until_it_has_room(
    tmp_path: Path, pages: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "ROOM_BYTES", 400_000)
    store = opened(tmp_path, history_events=4)
    pages(40)
    kept = [await store.write(A, b":%d" % n) for n in range(10)]
    watch = store.watch("", since=store.revision - 1)
    for _ in range(3):
        with pytest.raises(StoreFull, match=r"store\.db: database or disk is full"):
            await asyncio.gather(store.write(B, b":small"), store.write(A, BIG), store.write(A, BIG))
        await asyncio.sleep(0.02)
        assert store.full is not None, "there is room for a small write, but not for a batch"
    pages(1000)
    await until_writable(store)
    after = [await store.write(A, BIG), await store.write(B, b":small")]
    assert [event.revision for event in after] == [12, 13]
    assert await watch.next() == [kept[-1], *after]
    await store.close()
    # What the history no longer needs goes as if nothing had been: the four in it, what the first replaced, one to come.
    assert len(rows(tmp_path)) <= 4 + 1 + 1
    store = opened(tmp_path, history_events=4)
    assert (store.revision, (await store.get(A)).value, (await store.get(B)).value) == (13, BIG, b":small")
    await store.close()


async def test_what_was_acknowledged_on_a_full_disk_survives_without_a_clean_end(tmp_path: Path, pages: Limit) -> None:
    store = opened(tmp_path / "a")
    pages(40)
    first = await store.write(A, b":kept")
    with pytest.raises(StoreFull):
        await store.write(A, BIG * 2)
    (tmp_path / "b").mkdir()
    for file in (tmp_path / "a").glob("store.db*"):
        shutil.copy(file, tmp_path / "b")
    again = opened(tmp_path / "b")
    assert await again.watch("", since=1).next() == [first]
    await again.close()
    await store.close()


@pytest.fixture
def failing_disk() -> Iterator[Callable[[int], None]]:
    """Lets no file of this process grow beyond so many bytes: an I/O error, as far as SQLite can tell."""
    mine = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, mine[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, mine)


async def test_a_failed_commit_fails_who_waits_and_every_later_call(
    tmp_path: Path, failing_disk: Callable[[int], None]
) -> None:
    store = opened(tmp_path)
    failed = asyncio.ensure_future(store.failed())
    watch = store.watch("")
    first = await store.write(A, b":kept")
    assert await watch.next() == [first]
    waiting = asyncio.ensure_future(watch.next())
    failing_disk(100_000)
    outcomes = await asyncio.gather(
        store.write(A, BIG), store.write(A, BIG), store.write(A, b"", expect=99), return_exceptions=True
    )
    failing_disk(-1)
    assert [type(outcome) for outcome in outcomes] == [StoreFailed, StoreFailed, StoreFailed]
    assert "I/O error" in str(outcomes[0])
    assert isinstance(outcomes[0].__cause__, sqlite3.Error)
    assert await failed is outcomes[0]
    with pytest.raises(StoreFailed):
        await waiting
    for call in (store.write(B, b""), store.get(A), store.range("")):
        with pytest.raises(StoreFailed, match="I/O error"):
            await call
    await store.close()
    store = opened(tmp_path)
    assert (store.revision, (await store.get(A)).value) == (2, b":kept")
    await store.close()


async def test_an_error_nobody_foresaw_stops_the_store_too(tmp_path: Path) -> None:
    class Broken(SQLiteJournal):
        def commit(self, events: object) -> None:
            raise RuntimeError("a bug")

    store = LocalStore(Broken(tmp_path), terms_in)
    with pytest.raises(StoreFailed, match="a bug"):
        await store.write(A, b"")
    await store.close()
