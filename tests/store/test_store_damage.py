"""A data file that is damaged, anywhere and in any way: refused in one line, or read as it was; never by halves."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from everynode.store.contract import Event, StoreUnavailable
from everynode.store.database import FORMAT, PAGE_BYTES
from everynode.store.local import LocalStore
from everynode.store.sqlite import DATABASE_FILE, SQLiteJournal
from tests.running import ROOT
from tests.store.facet_words import terms_in

LOG_FILE = f"{DATABASE_FILE}-wal"
HISTORY = 20
REFUSED = r"store\.db is damaged: .*; put a good copy in its place, or move it away to begin anew$"

Contents = tuple[int, list[object], list[Event]]


def opened(directory: Path) -> LocalStore:
    journal = SQLiteJournal(directory)
    try:
        return LocalStore(journal, terms_in, history_events=HISTORY)
    except StoreUnavailable:
        journal.close()
        raise


async def contents(directory: Path) -> Contents:
    """All that the store in a directory says: revision, what stands, and the history."""
    store = opened(directory)
    try:
        past = await store.watch("", since=store.revision - HISTORY).next()
        return store.revision, list((await store.range("")).entries), past
    finally:
        await store.close()


async def written(directory: Path, dice: random.Random) -> None:
    """A store of some dozen pages: small values and large, replaced and deleted."""
    store = opened(directory)
    for first in range(0, 150, 10):
        names = dice.sample(range(30), 10)
        there = {entry.key for entry in (await store.range("")).entries}
        writes = []
        for n, name in enumerate(names, start=first):
            key, size = f"core/pods/ns/{name}", dice.choice((10, 10, 1500, 6000))
            goes = key in there and dice.random() < 0.1
            writes.append(store.write(key, None if goes else b"app=%d:" % n + dice.randbytes(size).hex().encode()))
        await asyncio.gather(*writes)
    await store.close()


@pytest.fixture
async def sound(tmp_path: Path) -> Path:
    directory = tmp_path / "sound"
    await written(directory, random.Random(3))
    return directory


def copied(directory: Path, name: str = "copy") -> Path:
    return shutil.copytree(directory, directory.with_name(name), dirs_exist_ok=True)


async def refused_or_as_it_was(directory: Path, was: Contents) -> bool:
    """Whether it was refused; fails when it was read as anything else than it was."""
    try:
        found = await contents(directory)
    except StoreUnavailable as error:
        told = str(error)
    else:
        assert found == was
        return False
    assert "\n" not in told
    assert "move it away" in told
    return True


async def test_a_flipped_bit_anywhere(sound: Path) -> None:
    was, dice = await contents(sound), random.Random(5)
    whole = (sound / DATABASE_FILE).read_bytes()
    copy = copied(sound)
    refusals = 0
    for _ in range(100):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        (copy / DATABASE_FILE).write_bytes(flipped)
        refusals += await refused_or_as_it_was(copy, was)
    assert refusals > 30


async def test_a_lost_page_anywhere(sound: Path) -> None:
    was, dice = await contents(sound), random.Random(5)
    whole = (sound / DATABASE_FILE).read_bytes()
    pages = len(whole) // PAGE_BYTES
    copy = copied(sound)
    refusals = 0
    for page in range(pages):
        lost = bytearray(whole)
        instead = dice.choice((bytes(PAGE_BYTES), whole[2 * PAGE_BYTES : 3 * PAGE_BYTES], dice.randbytes(PAGE_BYTES)))
        lost[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = instead
        (copy / DATABASE_FILE).write_bytes(lost)
        refusals += await refused_or_as_it_was(copy, was)
    assert refusals > pages / 2


@pytest.mark.parametrize("length", [0, 1, 100, 4096, PAGE_BYTES, 5 * PAGE_BYTES, -PAGE_BYTES])
async def test_a_file_that_is_cut_off(sound: Path, length: int) -> None:
    file = sound / DATABASE_FILE
    os.truncate(file, length if length >= 0 else file.stat().st_size + length)
    with pytest.raises(StoreUnavailable, match=REFUSED):
        opened(sound)


async def test_no_file_under_its_name(sound: Path) -> None:
    file = sound / DATABASE_FILE
    file.unlink()
    for make in (file.mkdir, lambda: os.mkfifo(file), lambda: file.symlink_to("/dev/zero")):
        make()
        with pytest.raises(StoreUnavailable, match=r"store\.db is not a file; "):
            opened(sound)
        file.rmdir() if file.is_dir() else file.unlink()


AS_SOMEBODY_ELSE = """
import os
from pathlib import Path
from everynode.store.contract import StoreUnavailable
from everynode.store.sqlite import SQLiteJournal
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    SQLiteJournal(Path())
except StoreUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("mode", "mode_of_file", "why"),
    [
        (0o777, 0, "store.db cannot be opened: Permission denied"),
        (0o777, 0o444, "store.db cannot be opened: Permission denied"),
        (0, 0o666, "data directory . cannot be made: Permission denied"),
    ],
)
def test_a_file_that_may_not_be_used(tmp_path: Path, mode: int, mode_of_file: int, why: str) -> None:
    """Tried as somebody whom the mode holds back, since it does not hold back root."""
    SQLiteJournal(tmp_path).close()
    (tmp_path / "lock").chmod(0o666)
    (tmp_path / DATABASE_FILE).chmod(mode_of_file)
    tmp_path.chmod(mode)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", AS_SOMEBODY_ELSE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    tmp_path.chmod(0o700)
    assert told.stdout == f"{why}\n"


def crashed(store: LocalStore, directory: Path) -> Path:
    """What a crash leaves of an open store: the file and its log."""
    copy = directory.with_name("crashed")
    copy.mkdir(exist_ok=True)
    for file in directory.glob(f"{DATABASE_FILE}*"):
        shutil.copy(file, copy)
    return copy


async def test_a_log_without_its_file_and_a_file_without_its_log(sound: Path) -> None:
    was = await contents(sound)
    store = opened(sound)
    await store.write("core/pods/ns/a", b":more")
    left = crashed(store, sound)
    await store.close()
    (left / LOG_FILE).rename(left / "aside")
    assert await contents(left) == was
    (left / "aside").rename(left / LOG_FILE)
    (left / DATABASE_FILE).unlink()
    with pytest.raises(StoreUnavailable, match=r"store\.db is gone, but its log store\.db-wal is there; "):
        opened(left)
    assert (left / LOG_FILE).stat().st_size, "the log is left alone"


async def test_the_log_of_another_file(sound: Path, tmp_path: Path) -> None:
    was = await contents(sound)
    other = tmp_path / "other"
    await written(other, random.Random(4))
    store = opened(other)
    for n in range(30):
        await store.write(f"core/pods/ns/{n}", b":other")
    left = crashed(store, other)
    await store.close()
    shutil.copy(left / LOG_FILE, sound)
    assert await refused_or_as_it_was(sound, was)


async def test_a_file_of_the_first_format_is_brought_up(tmp_path: Path) -> None:
    """Its records have no checksum and are read as they are; new ones have one."""
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as database:
        for statement in (
            "CREATE TABLE record (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, created INTEGER NOT NULL)",
            "CREATE TABLE meta (floor INTEGER NOT NULL)",
            "INSERT INTO meta (floor) VALUES (1)",
            "PRAGMA application_id = 0x45764E6F",
            "PRAGMA user_version = 1",
            "INSERT INTO record VALUES (2, 'core/pods/ns/a', x'3a', 2)",
        ):
            database.execute(statement)
    for restart in range(2):
        store = opened(tmp_path)
        assert (await store.get("core/pods/ns/a")).value == b":"
        await store.write(f"core/pods/ns/{restart}", b":new")
        await store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as database:
        checksums = [row[0] is None for row in database.execute("SELECT checksum FROM record ORDER BY revision")]
        assert database.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    assert checksums == [True, False, False]


CHANGES: dict[str, str] = {
    "value": "UPDATE record SET value = x'3a3a' WHERE revision = 100",
    "key": "UPDATE record SET key = 'core/pods/ns/other' WHERE revision = 100",
    "created": "UPDATE record SET created = 3 WHERE revision = 100",
    "deletion": "UPDATE record SET value = NULL WHERE revision = 100",
    "type": "UPDATE record SET value = 'text' WHERE revision = 100",
    "number": "UPDATE record SET key = 7 WHERE revision = 100",
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_record_that_was_changed_by_another_hand(tmp_path: Path, what: str) -> None:
    store = LocalStore(SQLiteJournal(tmp_path), terms_in)
    for n in range(120):
        await store.write(f"core/pods/ns/{n}", b":%d" % n)
    await store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as database:
        database.execute(CHANGES[what])
    with pytest.raises(StoreUnavailable, match=r"damaged: revision 100 is not what was written"):
        opened(tmp_path)


def test_a_first_start_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    for leftover in (f"{DATABASE_FILE}.new", f"{DATABASE_FILE}.new-wal", f"{DATABASE_FILE}.new-journal"):
        (tmp_path / leftover).write_bytes(b"half")
    SQLiteJournal(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", DATABASE_FILE]
