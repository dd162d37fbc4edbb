"""Waiting for what comes about by itself, in tests that look from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Far above what anything here takes; a test that waits this long has failed.
SECONDS = 30.0


def eventually(look: Callable[[], T], expected: Callable[[T], bool]) -> T:
    """Looks again and again until what is seen is as expected; raises AssertionError with what was seen last."""
    deadline = time.monotonic() + SECONDS
    while True:
        seen = look()
        if expected(seen):
            return seen
        assert time.monotonic() < deadline, f"still, after {SECONDS:.0f} s:\n{seen}"
        time.sleep(0.1)
