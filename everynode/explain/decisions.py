"""Recorded decisions: read from an API server or a file, and told as a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from everynode.api.status import ApiError
from everynode.client.client import Client
from everynode.controllers.daemonset.decisions import CREATE, Action, Decision, Recording, RecordingUnusable
from everynode.values.timestamps import seconds_text

# Nodes that are named of one action; the others are counted.
MOST_NAMES = 5


async def fetch(client: Client, namespace: str, name: str) -> Recording | None:
    """What everynode's controller has recorded; None where nobody has. Raises ApiError."""
    try:
        return read(await client.read(f"/debug/decisions/{namespace}/{name}"))
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def load(file: Path) -> Recording:
    """What `everynode rollout log -o json` printed. Raises RecordingUnusable."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise RecordingUnusable(f"{file}: {error.strerror or error}") from error
    try:
        return read(text)
    except RecordingUnusable as error:
        raise RecordingUnusable(f"{file}: {error}") from error


def read(text: bytes) -> Recording:
    try:
        return msgspec.json.decode(text, type=Recording)
    except msgspec.MsgspecError as error:
        raise RecordingUnusable(f"no recorded decisions (everynode rollout log -o json): {error}") from error


def as_text(recording: Recording) -> str:
    """A table, one line for each kind of action; ends in a newline."""
    rows = [("#", "WHEN", "REVISION", "IN USE", "DECISION")]
    for decision in recording.decisions:
        used, allowed = decision.budget
        first, *others = _told(decision)
        rows.append((str(decision.number), seconds_text(decision.at), decision.revision, f"{used} of {allowed}", first))
        rows += [("", "", "", "", line) for line in others]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4])) for row in rows
    )
    return "\n".join(lines) + "\n"


def _told(decision: Decision) -> Iterator[str]:
    if not decision.actions:
        again = f", {decision.times} times until {seconds_text(decision.until)}" if decision.times > 1 else ""
        yield f"nothing to do{again}"
    for (verb, cause), actions in groupby(decision.actions, lambda action: (action.verb, action.cause)):
        yield f"{verb} {_named(list(actions))}: {cause.value}"
    if decision.more:
        yield "and more, in the next decision"
    for refusal in decision.refusals:
        yield f"refused: {refusal}"


def _named(actions: list[Action]) -> str:
    shown = [one.node if one.verb == CREATE else f"{one.pod} ({one.node})" for one in actions[:MOST_NAMES]]
    more = f" and {len(actions) - MOST_NAMES} more" if len(actions) > MOST_NAMES else ""
    return ", ".join(shown) + more
