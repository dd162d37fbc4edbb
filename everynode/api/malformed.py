"""The one error of every reader of request bodies (JSON, YAML, protobuf), and the bounds that they share."""

from __future__ import annotations

# Levels of objects and lists. The deepest of the served kinds needs 15; what reads a body further on is recursive.
MAX_DEPTH = 100
# Objects and lists in one body. The body's own bound leaves room for a million empty ones, and each becomes a struct of up
# to a kilobyte; a body of 3 MB with anything in its objects has fewer than this.
MAX_OBJECTS = 100_000


class Malformed(ValueError):
    """A body that cannot be read; the message is one sentence for whoever sent it."""


class TooDeep(Malformed):
    """A body that is nested deeper than `MAX_DEPTH`."""

    def __init__(self) -> None:
        super().__init__(f"exceeded max depth: nested deeper than {MAX_DEPTH} levels")


class TooManyObjects(Malformed):
    """A body with more than `MAX_OBJECTS` objects and lists, however small they are."""

    def __init__(self) -> None:
        super().__init__(f"more than {MAX_OBJECTS} objects and lists in one body")
