"""The SQLite file itself: made whole or not at all, brought up to today's format, and looked over before it is read.

In goes a path, out comes a connection to a file that is ours, of a format that we read, and sound in its structure. What is
not is refused as StoreUnavailable, in one line that says what can be done; a damaged file is never half read:

- a new file gets its name only when it is whole, so an empty or strange one under that name is damage, not a beginning;
- `quick_check` walks every page once (2 µs a record; loading one costs several times that), so pages that are lost, cut off,
  zeroed, doubled, or of another database's log, are noticed even where reading on would just find fewer records;
- a record carries a checksum of its own (`checksum`), since SQLite does not notice when bits inside a value change.

Format 1 had no checksums: its records are read as they are, and those written since have one.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from zlib import crc32

from everynode.store.contract import StoreUnavailable
from everynode.store.journal import FIRST_REVISION

APPLICATION_ID = 0x45764E6F  # "EvNo"
FORMAT = 2

# Bytes. Pods take 2 to 3 KB: a page of 4 KiB, SQLite's default, holds only one and leaves a quarter of itself empty.
PAGE_BYTES = 8192

# Pages in the write-ahead log before a commit moves them into the database file: bounds the log to about 4 MiB, and
# what one commit has to move to some milliseconds.
CHECKPOINT_PAGES = 512

_SCHEMA = (
    "CREATE TABLE record (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, created INTEGER NOT NULL)",
    "CREATE TABLE meta (floor INTEGER NOT NULL)",
    f"INSERT INTO meta (floor) VALUES ({FIRST_REVISION})",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
# From the format before, each one's statements; a new file goes the same road.
_FORMATS = {
    2: (
        "ALTER TABLE record ADD COLUMN checksum INTEGER",
        "ALTER TABLE meta ADD COLUMN checksum INTEGER",
        "CREATE TABLE room (one INTEGER PRIMARY KEY, zeros BLOB)",
    ),
}

# What can be done about a file that cannot be read.
_REMEDY = "put a good copy in its place, or move it away to begin anew"


def damaged(path: Path, what: object) -> StoreUnavailable:
    """The refusal of a damaged file."""
    return StoreUnavailable(f"{path} is damaged: {what}; {_REMEDY}")


def checksum(revision: int, key: str, value: bytes | None, created: int) -> int:
    """What a record's `checksum` has to be (1 µs for a pod)."""
    kind = "-" if value is None else "="
    return crc32(value or b"", crc32(f"{revision} {created} {kind} {key}".encode()))


def checksum_of_floor(floor: int) -> int:
    """What the meta table's `checksum` has to be."""
    return crc32(str(floor).encode())


def open_database(path: Path) -> tuple[sqlite3.Connection, int]:
    """Opens the file at `path`, made if it is not there, and tells the newest revision that has left its history.

    Nobody else may have it open. Raises StoreUnavailable."""
    try:
        if not os.path.lexists(path):
            _make(path)
        elif not path.is_file():
            raise StoreUnavailable(f"{path} is not a file; {_REMEDY}")
        elif (size := path.stat().st_size) < PAGE_BYTES:
            raise damaged(path, f"it has {size} bytes")
        # SQLite would only say that it is unable to, or find a file that it may not write later on.
        os.close(os.open(path, os.O_RDWR))
        return _checked(_connect(path), path)
    except OSError as cause:
        raise StoreUnavailable(f"{path} cannot be opened: {cause.strerror}") from cause
    except sqlite3.Error as cause:
        if cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise damaged(path, cause) from cause
        raise StoreUnavailable(f"{path} cannot be opened: {cause}") from cause


def _checked(database: sqlite3.Connection, path: Path) -> tuple[sqlite3.Connection, int]:
    """The connection, if what it leads to is ours and sound (closed otherwise), and the floor."""
    try:
        _check_format(database, path)
        _check_structure(database, path)
        return database, _read_floor(database, path)
    except BaseException:
        database.close()
        raise


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that has written nothing yet, so that what is there can be read on a full disk."""
    # The lock on the directory keeps others out, so SQLite need not share its log's index with anybody (EXCLUSIVE).
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not path.stat().st_size:
            database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except BaseException:
        database.close()
        raise
    return database


def _make(path: Path) -> None:
    """Makes an empty store under another name, and gives it its own when it is all there."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise StoreUnavailable(f"{path} is gone, but its log {log.name} is there; {_REMEDY}, the log with it")
    unfinished = path.with_name(f"{path.name}.new")
    for leftover in path.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    database = _connect(unfinished)
    try:
        database.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            database.execute(statement)
        _upgrade(database, 1)
        database.execute("COMMIT")
    finally:
        # The last connection moves the log into the file and takes it away.
        database.close()
    os.rename(unfinished, path)
    _sync_directory(path.parent)


def _check_format(database: sqlite3.Connection, path: Path) -> None:
    application: int = database.execute("PRAGMA application_id").fetchone()[0]
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreUnavailable(f"{path} is not a store of everynode; {_REMEDY}")
    if version > FORMAT:
        raise StoreUnavailable(
            f"{path} has format {version}, written by a newer everynode; this one reads up to {FORMAT}"
        )
    if version < FORMAT:
        database.execute("BEGIN IMMEDIATE")
        _upgrade(database, version)
        database.execute("COMMIT")


def _upgrade(database: sqlite3.Connection, version: int) -> None:
    """From one format to today's; part of the open transaction."""
    for newer in range(version + 1, FORMAT + 1):
        for statement in _FORMATS[newer]:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _check_structure(database: sqlite3.Connection, path: Path) -> None:
    told: str = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if told != "ok":
        raise damaged(path, " ".join(told.replace("*** in database main ***", "").split()))


def _read_floor(database: sqlite3.Connection, path: Path) -> int:
    rows = database.execute("SELECT floor, checksum FROM meta").fetchall()
    if len(rows) != 1 or type(rows[0][0]) is not int or rows[0][1] not in (None, checksum_of_floor(rows[0][0])):
        raise damaged(path, "how far its history goes is not what was written")
    floor: int = rows[0][0]
    return floor


def _sync_directory(directory: Path) -> None:
    """Makes the new file's name survive a loss of power; SQLite does that for its log, not for its database."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
