"""What a refusal calls an object that may have no name yet."""

from __future__ import annotations

from typing import Any


def called(obj: Any) -> str:
    """What a refusal calls the object: its name, or the beginning of the one that is yet to be drawn."""
    metadata = obj.metadata
    return str(metadata.name or metadata.generate_name)
