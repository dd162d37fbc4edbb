"""The SQLite store: one file, nothing to run, every acknowledged write survives a crash of process or machine.

The journal is an append log: one row a write, keyed by its revision. State and history are both read back from it, so
that a watch resumes over a restart. A commit is one transaction in WAL mode with `synchronous=FULL` (one fsync).

Upkeep rides on commits, a bounded piece each, so that it never holds a write up and a crash never finds it half done.
A row goes when nobody can ask for it any more: what an event replaced, and a deletion itself, once that event has left
the history. `floor` in the meta table is the newest event that has, written in the transaction that first deletes
behind it: every later row is there, and a hole is damage. The newest row never goes, so revisions never go back. Free
pages are given back to the file system when they are many.

The file says whose it is (`application_id`) and which format it has (`user_version`); a newer format is refused by name.
The directory is locked for as long as the store is open.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from everynode.store.contract import Event, FacetsOf, StoreFailed, StoreUnavailable
from everynode.store.journal import FIRST_REVISION, Record
from everynode.store.local import LocalStore
from everynode.store.lock import DirectoryLock

DATABASE_FILE = "store.db"
APPLICATION_ID = 0x45764E6F  # "EvNo"
FORMAT = 1

# Rows deleted with a commit beyond twice its writes. A write makes at most two rows useless (what it replaced, and a
# deletion itself), so a backlog shrinks by this many a commit.
FORGET_ROWS = 64

# Bytes. Pods take 2 to 3 KB: a page of 4 KiB, SQLite's default, holds only one and leaves a quarter of itself empty.
PAGE_BYTES = 8192

# Pages. Free ones are used again by the next writes; only more than this many (16 MiB) are given back to the file
# system, and at most this many with a commit (about a quarter of a millisecond).
FREE_PAGES_KEPT = 2048
FREE_PAGES_RETURNED = 32

# Pages in the write-ahead log before a commit moves them into the database file: bounds the log to about 4 MiB, and
# what one commit has to move to some milliseconds.
CHECKPOINT_PAGES = 512

_SCHEMA = (
    "CREATE TABLE record (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, created INTEGER NOT NULL)",
    "CREATE TABLE meta (floor INTEGER NOT NULL)",
    f"INSERT INTO meta (floor) VALUES ({FIRST_REVISION})",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)


def sqlite_store(data_dir: Path, facets_of: FacetsOf) -> LocalStore:
    """The store under `data_dir` (made if it is not there). Raises StoreUnavailable."""
    journal = SQLiteJournal(data_dir)
    try:
        return LocalStore(journal, facets_of)
    except BaseException:
        journal.close()
        raise


class SQLiteJournal:
    """A `Journal` in one SQLite file."""

    def __init__(self, directory: Path) -> None:
        """Locks the directory and opens its file, making both as needed. Raises StoreUnavailable."""
        _make(directory)
        self._lock = DirectoryLock(directory)
        self._path = directory / DATABASE_FILE
        try:
            self._database = _open(self._path)
            self.floor: int = self._database.execute("SELECT floor FROM meta").fetchone()[0]
        except sqlite3.Error as cause:
            self._lock.release()
            raise StoreUnavailable(f"{self._path} cannot be opened: {cause}") from cause
        except BaseException:
            self._lock.release()
            raise
        self._floor_written = self.floor
        self._useless: deque[int] = deque()

    def load(self) -> Iterator[Record]:
        """See `Journal.load`. Rows that a former process left behind for deletion are noted on the way."""
        floor = self._floor_written
        last: dict[str, int] = {}
        expected = floor + 1
        try:
            rows = self._database.execute("SELECT revision, key, value, created FROM record ORDER BY revision")
            for record in map(Record._make, rows):
                if record.revision > floor:
                    if record.revision != expected:
                        raise StoreUnavailable(f"{self._path} is damaged: revision {expected} is missing")
                    expected += 1
                    yield record
                    continue
                if (replaced := last.pop(record.key, None)) is not None:
                    self._useless.append(replaced)
                if record.value is None:
                    self._useless.append(record.revision)
                else:
                    last[record.key] = record.revision
                yield record
        except sqlite3.Error as cause:
            raise StoreUnavailable(f"{self._path} cannot be read: {cause}") from cause

    def commit(self, events: Sequence[Event]) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", map(_row, events))
            deleted = self._upkeep(FORGET_ROWS + 2 * len(events))
            database.execute("COMMIT")
        except sqlite3.Error as cause:
            if database.in_transaction:
                with suppress(sqlite3.Error):  # the medium is failing; closing it drops the transaction just as well
                    database.execute("ROLLBACK")
            raise StoreFailed(f"{self._path}: {cause}") from cause
        for _ in range(deleted):
            self._useless.popleft()
        self._floor_written = self.floor

    def forget(self, left: Sequence[Event]) -> None:
        for event in left:
            if event.before is not None:
                self._useless.append(event.before.revision)
            if event.after is None:
                self._useless.append(event.revision)
        self.floor = left[-1].revision

    def close(self) -> None:
        with suppress(sqlite3.Error):  # after a failed medium there is nothing left to save
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._database.close()
        self._lock.release()

    def _upkeep(self, rows: int) -> int:
        """Deletes up to `rows` useless rows and gives back some free pages; part of the open transaction."""
        if self.floor != self._floor_written:
            self._database.execute("UPDATE meta SET floor = ?", (self.floor,))
        rows = min(rows, len(self._useless))
        if rows:
            useless = ((revision,) for revision in islice(self._useless, rows))
            self._database.executemany("DELETE FROM record WHERE revision = ?", useless)
            free: int = self._database.execute("PRAGMA freelist_count").fetchone()[0]
            if free > FREE_PAGES_KEPT:
                for _ in range(
                    FREE_PAGES_RETURNED
                ):  # one page a call: Python's driver takes only the pragma's first step
                    self._database.execute("PRAGMA incremental_vacuum(1)")
        return rows


def _row(event: Event) -> tuple[int, str, bytes | None, int]:
    after = event.after
    if after is None:
        return event.revision, event.key, None, event.before.created if event.before else event.revision
    return event.revision, event.key, after.value, after.created


def _make(directory: Path) -> None:
    """Makes the directory, readable by its owner alone (Secrets are in it)."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise StoreUnavailable(f"data directory {directory} cannot be made: {cause.strerror}") from cause


def _open(path: Path) -> sqlite3.Connection:
    """Opens or makes the database file; StoreUnavailable if it is not ours or newer than we are."""
    new = not path.exists()
    if new:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # The lock on the directory keeps others out, so SQLite need not share its log's index with anybody (EXCLUSIVE).
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        _check_format(database, path)
        if new:
            _sync_directory(path.parent)
    except BaseException:
        database.close()
        raise
    return database


def _check_format(database: sqlite3.Connection, path: Path) -> None:
    application: int = database.execute("PRAGMA application_id").fetchone()[0]
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        database.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute("COMMIT")
    elif application != APPLICATION_ID:
        raise StoreUnavailable(f"{path} is not a store of everynode")
    elif version > FORMAT:
        raise StoreUnavailable(
            f"{path} has format {version}, written by a newer everynode; this one reads up to {FORMAT}"
        )


def _sync_directory(directory: Path) -> None:
    """Makes the new file's name survive a loss of power; SQLite does that for its log, not for its database."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
