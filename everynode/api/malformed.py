"""The one error of every reader of request bodies (JSON, YAML, protobuf), and the bound on nesting that they share."""

from __future__ import annotations

# Levels of objects and lists. The deepest of the served kinds needs 15; what reads a body further on is recursive.
MAX_DEPTH = 100


class Malformed(ValueError):
    """A body that cannot be read; the message is one sentence for whoever sent it."""


class TooDeep(Malformed):
    """A body that is nested deeper than `MAX_DEPTH`."""

    def __init__(self) -> None:
        super().__init__(f"exceeded max depth: nested deeper than {MAX_DEPTH} levels")
