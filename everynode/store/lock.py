"""One process at a time in a data directory.

The lock is the kernel's (flock on a file in the directory), so it goes when its process goes, however that ends; a
leftover file means nothing. The file tells who holds it, for the one line the second comer prints.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from everynode.store.contract import StoreUnavailable

LOCK_FILE = "lock"


class DirectoryLock:
    """Holds `directory` from construction to `release`. Raises StoreUnavailable."""

    def __init__(self, directory: Path) -> None:
        try:
            self._fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as cause:
            raise StoreUnavailable(f"data directory {directory} cannot be used: {cause.strerror}") from cause
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            by = f" by process {holder}" if holder else ""
            raise StoreUnavailable(f"data directory {directory} is in use{by}") from cause
        with suppress(OSError):  # a full disk: the next comer is not told who holds it, that is all
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)
