"""The simulation file on disk: read at the start, and again whenever it changes.

A file that is wrong at the start is an error; one that becomes wrong later is logged and the rules before it stay. The file
is looked at once a second, by its time, size and identity (editors put a new file in the place of the old one).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from everynode.agent import rules
from everynode.agent.rules import NO_RULES, Rules, RulesError

log = logging.getLogger(__name__)

# Seconds between two looks at the file.
PERIOD = 1.0
# Bytes; MOST_RULES rules of any sensible length are far below.
LARGEST_FILE = 4 * 1024 * 1024

_Stamp = tuple[int, int, int]


class RuleBook:
    """The rules in force. `changed` is called after each change."""

    def __init__(self, current: Rules = NO_RULES, path: Path | None = None) -> None:
        self.current = current
        self.changed: Callable[[], None] = lambda: None
        self._path = path
        self._stamp: _Stamp | None = None

    @classmethod
    def open(cls, path: Path) -> RuleBook:
        """Reads the file. Raises `RulesError`, whose message begins with the file's name."""
        book = cls(path=path)
        try:
            book._stamp = _stamp(path)
            book.current = _read(path)
        except OSError as error:
            raise RulesError(f"{path}: {error.strerror or error}") from error
        return book

    def look(self) -> None:
        """Reads the file again if it is another than last time."""
        if self._path is None:
            return
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self.current = _read(self._path)
        except OSError as error:
            if self._stamp is not None:
                self._stamp = None
                log.warning("%s: %s; the rules read before stay", self._path, error.strerror or error)
            return
        except RulesError as error:
            log.warning("%s; the rules read before stay", error)
            return
        log.info("%s: read again", self._path)
        self.changed()

    async def run(self) -> None:
        """Looks again and again until cancelled; returns at once when there is no file."""
        while self._path is not None:
            await asyncio.sleep(PERIOD)
            self.look()


def _stamp(path: Path) -> _Stamp:
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Rules:
    if path.stat().st_size > LARGEST_FILE:
        raise RulesError(f"{path}: is larger than {LARGEST_FILE} bytes")
    try:
        return rules.read(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise RulesError(f"{path}: is not UTF-8 text: {error.reason}") from error
    except RulesError as error:
        raise RulesError(f"{path}: {error}") from error
