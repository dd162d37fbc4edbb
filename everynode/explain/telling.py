"""A Diagnosis for a person, as one screen of text, and for a program, as plain data.

The text is short: where the rollout stands, its numbers, then each cause with its proof and the command that mends it, most
important first. Times are told as how long ago they were; in data they are RFC 3339.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from everynode.controllers.daemonset.diagnosis.causes import Cause
from everynode.controllers.daemonset.diagnosis.facts import Facts
from everynode.controllers.daemonset.diagnosis.rollout import Diagnosis, Phase, Progress
from everynode.values.timestamps import human_duration, seconds_text

# Causes that fit on a screen, and names of pods or nodes on a line.
MOST_CAUSES, MOST_NAMES = 8, 5


def as_text(facts: Facts, diagnosis: Diagnosis, now: float) -> str:
    """The screen, ending in a newline."""
    meta = facts.ds.metadata
    lines = [f"ds/{meta.name} in {meta.namespace}: {_headline(diagnosis, now)}", f"  {_numbers(diagnosis.progress)}"]
    for cause in diagnosis.causes[:MOST_CAUSES]:
        lines += ["", *_told(cause, now)]
    if len(diagnosis.causes) > MOST_CAUSES:
        lines += ["", f"and {len(diagnosis.causes) - MOST_CAUSES} more causes (-o json tells all)"]
    if facts.unread:
        lines += ["", *(f"not read: {resource}: {why}" for resource, why in facts.unread.items())]
    return "\n".join(lines) + "\n"


def as_data(facts: Facts, diagnosis: Diagnosis) -> dict[str, Any]:
    """The same, whole, for `-o json` and `-o yaml`."""
    meta, progress = facts.ds.metadata, diagnosis.progress
    return {
        "name": meta.name,
        "namespace": meta.namespace,
        "phase": diagnosis.phase.value,
        "progress": {
            "desired": progress.desired,
            "updated": progress.updated,
            "available": progress.available,
            "waiting": progress.waiting,
            "budget": progress.budget,
            "budgetInUse": progress.in_use,
            "startedAt": _time(progress.started),
            "endsAbout": _time(progress.ends),
        },
        "causes": [_cause_data(cause) for cause in diagnosis.causes],
        "unread": dict(facts.unread),
    }


def _cause_data(cause: Cause) -> dict[str, Any]:
    return {
        "kind": cause.kind.value,
        "blocks": cause.blocks,
        "message": cause.sentence,
        "proof": cause.proof,
        "remedy": cause.remedy,
        "advice": list(cause.advice),
        "since": _time(cause.since),
        "until": _time(cause.until),
        "nodes": list(cause.nodes),
        "pods": list(cause.pods),
    }


def _headline(diagnosis: Diagnosis, now: float) -> str:
    match diagnosis.phase:
        case Phase.DONE:
            return "done, every node has an available pod of the newest template"
        case Phase.BLOCKED:
            since = min((cause.since for cause in diagnosis.causes if cause.blocks and cause.since), default=None)
            return "blocked" + (f" for {human_duration(now - since)}" if since else "")
        case Phase.PROGRESSING:
            ends = diagnosis.progress.ends
            return "progressing" + (f", done in about {human_duration(ends - now)} at this pace" if ends else "")


def _numbers(progress: Progress) -> str:
    words = [f"{progress.updated} of {progress.desired} nodes updated", f"{progress.available} available"]
    if progress.waiting:
        words.append(f"{progress.waiting} waiting with their old pod")
    if progress.in_use:
        words.append(f"{progress.in_use} of {progress.budget} that may be unavailable")
    return ", ".join(words)


def _told(cause: Cause, now: float) -> Iterator[str]:
    since = f" (for {human_duration(now - cause.since)})" if cause.since is not None and cause.since <= now else ""
    yield f"{'!' if cause.blocks else '-'} {cause.kind.value}: {cause.sentence}{since}"
    if cause.pods:
        yield f"    pods   {_listed(cause.pods)}"
    if cause.proof:
        yield f"    proof  {cause.proof}"
    if cause.until is not None and cause.until > now:
        yield f"    until  {seconds_text(cause.until)}, in {human_duration(cause.until - now)}"
    if cause.remedy:
        yield f"    mend   {cause.remedy}"
    for line in cause.advice:
        yield f"           {line}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _time(unix: float | None) -> str | None:
    return seconds_text(unix) if unix is not None else None
