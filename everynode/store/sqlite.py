"""The SQLite store: one file, nothing to run, every acknowledged write survives a crash of process or machine.

The journal is an append log: one row a write, keyed by its revision. State and history are both read back from it, so
that a watch resumes over a restart. A commit is one transaction in WAL mode with `synchronous=FULL` (one fsync).

Upkeep rides on commits, a bounded piece on one in several, so that it never holds a write up and a crash never finds it half
done.
A row goes when nobody can ask for it any more: what an event replaced, and a deletion itself, once that event has left
the history. `floor` in the meta table is the newest event that has, written in the transaction that first deletes
behind it: every later row is there, and a hole is damage. The newest row never goes, so revisions never go back. Free
pages are given back to the file system when they are many.

A disk that is full makes SQLite roll the transaction back and says so (SQLITE_FULL): the medium is as sound as before, and
the write after the next may work. Any other error, a failed fsync above all, says that nobody can tell what is on the
medium: the store stops. The directory is locked for as long as the store is open.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import NoneType

from everynode.store.contract import Event, FacetsOf, StoreFailed, StoreFull, StoreUnavailable
from everynode.store.database import checksum, checksum_of_floor, damaged, open_database
from everynode.store.journal import Record
from everynode.store.local import LocalStore
from everynode.store.lock import DirectoryLock

DATABASE_FILE = "store.db"

# Rows deleted with a commit beyond twice its writes. A write makes at most two rows useless (what it replaced, and a
# deletion itself), so a backlog shrinks by this many a commit.
FORGET_ROWS = 64

# Events that leave the history before a commit deletes the rows that are useless by then. Rows of an age lie side by side, so
# that together they dirty a few pages, each alone its own, beside that of the floor: while 3 KB pods are forgotten, commits of
# one small write put 30 KB a write on the disk instead of 65.
FORGET_TOGETHER = 64

# Pages. Free ones are used again by the next writes; only more than this many (16 MiB) are given back to the file
# system, and at most this many with a commit (about half a millisecond; as many as the rows that go with a small one can free).
FREE_PAGES_KEPT = 2048
FREE_PAGES_RETURNED = 64
# And with a commit that deletes nothing, so that a file that was much larger gives its room back within some thousand of them.
FREE_PAGES_BESIDE = 8

# Bytes that a disk which was full must have before writes are taken again: more than a batch of ordinary objects takes,
# so that the first burst does not fill it once more.
ROOM_BYTES = 1024 * 1024


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
            self._database, self.floor = open_database(self._path)
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
            rows = self._database.execute(
                "SELECT revision, key, value, created, checksum FROM record ORDER BY revision"
            )
            for *columns, written in rows:
                record = Record._make(columns)
                if written is not None and not _is_whole(record, written):
                    raise damaged(self._path, f"revision {record.revision} is not what was written")
                if record.revision > floor:
                    if record.revision != expected:
                        raise damaged(self._path, f"revision {expected} is missing")
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
            raise damaged(self._path, cause) from cause

    def commit(self, events: Sequence[Event]) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", map(_row, events))
            deleted = self._upkeep(FORGET_ROWS + 2 * len(events))
            database.execute("COMMIT")
        except sqlite3.Error as cause:
            raise self._rolled_back(cause) from cause
        if deleted is not None:
            for _ in range(deleted):
                self._useless.popleft()
            self._floor_written = self.floor

    def has_room(self) -> bool:
        """Asks the file system, then has the file grow by as much: quotas and reserves are in no number that one could ask.

        The pages stay with the file, free, so that the next writes have them."""
        about = os.statvfs(self._path.parent)
        if about.f_bfree * about.f_frsize < ROOM_BYTES:
            return False
        try:
            self._database.execute("REPLACE INTO room VALUES (1, zeroblob(?))", (ROOM_BYTES,))
            self._database.execute("DELETE FROM room")
        except sqlite3.Error as cause:
            trouble = self._rolled_back(cause)
            if isinstance(trouble, StoreFull):
                return False
            raise trouble from cause
        return True

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

    def _rolled_back(self, cause: sqlite3.Error) -> StoreFull | StoreFailed:
        """Ends the transaction that failed, if SQLite has not, and says what that means for the store."""
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        except sqlite3.Error as worse:
            return StoreFailed(f"{self._path}: {cause}, and {worse} when that was to be undone")
        full = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        return (StoreFull if full else StoreFailed)(f"{self._path}: {cause}")

    def _upkeep(self, rows: int) -> int | None:
        """Deletes up to `rows` useless rows, tells how many, and gives back some free pages; part of the open transaction.

        None, and nothing is deleted, while few events have left the history since the last time."""
        if len(self._useless) < FORGET_TOGETHER and self.floor - self._floor_written < FORGET_TOGETHER:
            self._give_back(FREE_PAGES_BESIDE)
            return None
        if self.floor != self._floor_written:
            self._database.execute(
                "UPDATE meta SET floor = ?, checksum = ?", (self.floor, checksum_of_floor(self.floor))
            )
        rows = min(rows, len(self._useless))
        useless = ((revision,) for revision in islice(self._useless, rows))
        self._database.executemany("DELETE FROM record WHERE revision = ?", useless)
        self._give_back(FREE_PAGES_RETURNED)
        return rows

    def _give_back(self, pages: int) -> None:
        free: int = self._database.execute("PRAGMA freelist_count").fetchone()[0]
        if free > FREE_PAGES_KEPT:
            for _ in range(pages):  # one page a call: Python's driver takes only the pragma's first step
                self._database.execute("PRAGMA incremental_vacuum(1)")


def _row(event: Event) -> tuple[int, str, bytes | None, int, int]:
    after = event.after
    if after is None:
        value, created = None, event.before.created if event.before else event.revision
    else:
        value, created = after.value, after.created
    return event.revision, event.key, value, created, checksum(event.revision, event.key, value, created)


def _is_whole(record: Record, written: int) -> bool:
    """Whether a row is what was written, down to its types: those stand in the file beside the values."""
    if type(record.key) is not str or type(record.value) not in (bytes, NoneType):
        return False
    return checksum(*record) == written


def _make(directory: Path) -> None:
    """Makes the directory, readable by its owner alone (Secrets are in it)."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise StoreUnavailable(f"data directory {directory} cannot be made: {cause.strerror}") from cause
