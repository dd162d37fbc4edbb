"""A rollout in pictures, for a terminal, and in lines, for everything else.

progress(look, pace)          a bar, the nodes by how far they are, the pace, and what holds it
grid(look, pace, size)        every node as a square of its colour, as many as fit; then one stands for several
line(look, pace)              one line of plain text
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from everynode.controllers.daemonset.diagnosis.causes import Cause
from everynode.controllers.daemonset.diagnosis.rollout import Phase
from everynode.explain.fleet import Mark, Pace, marks
from everynode.explain.looking import Look
from everynode.values.timestamps import human_duration

_COLOURS = {
    Mark.UPDATED: "green",
    Mark.UNDER_WAY: "yellow",
    Mark.HELD: "red",
    Mark.WAITING: "blue",
    Mark.LEAVING: "magenta",
}
# Where one square stands for several nodes, it shows what wants looking at most.
_URGENT = (Mark.HELD, Mark.UNDER_WAY, Mark.LEAVING, Mark.WAITING, Mark.UPDATED)
SQUARE = "■"
# Causes that are told below a picture.
MOST_CAUSES = 3
# Cells a bar takes at most.
BAR = 60


def standing(look: Look) -> str:
    """`12 of 40 nodes updated, 3 under way, 25 waiting`."""
    counts = _counts(look)
    words = [f"{counts[Mark.UPDATED]} of {counts.total()} nodes updated"]
    words += [f"{counts[mark]} {mark.value}" for mark in Mark if counts[mark] and mark is not Mark.UPDATED]
    return ", ".join(words)


def speed(look: Look, pace: Pace) -> str:
    """`6 nodes a minute, done in about 4m`; nothing unless it goes on."""
    counts = _counts(look)
    left = counts.total() - counts[Mark.UPDATED]
    ends = look.diagnosis.progress.ends
    if look.diagnosis.phase is not Phase.PROGRESSING or not left:
        return ""
    nodes_a_second, to_go = pace.nodes_a_second, pace.to_go(left)
    if to_go is None and ends is not None and ends > look.at:
        # Too little was watched yet; but since the rollout began, so many nodes have got done.
        to_go = ends - look.at
        nodes_a_second = left / to_go
    return f"{_pace(nodes_a_second)}, done in about {human_duration(to_go)}" if to_go is not None else ""


def causes(look: Look) -> Iterator[str]:
    """What holds it, or some of its nodes, a line each; not what passes by itself."""
    held = look.diagnosis.held
    found = [cause for cause in look.diagnosis.causes if cause.blocks or not held.isdisjoint(cause.nodes)]
    for cause in found[:MOST_CAUSES]:
        yield _cause(cause, look.at)
    if (more := len(found) - MOST_CAUSES) > 0:
        yield f"and {more} more causes: everynode why ds/{look.facts.ds.metadata.name}"


def progress(look: Look, pace: Pace) -> RenderableType:
    """The picture of `rollout status`."""
    counts = _counts(look)
    total = counts.total()
    share = f"{100 * counts[Mark.UPDATED] // total}%" if total else ""
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=total or 1, completed=counts[Mark.UPDATED], width=BAR, complete_style="green"), Text(share)
    )
    return Group(_title(look), bar, *_below(look, pace))


def grid(look: Look, pace: Pace, width: int, height: int) -> RenderableType:
    """The picture of `rollout watch`, as large as the screen."""
    of_nodes = marks(look.facts, look.diagnosis)
    below = list(_below(look, pace))
    columns, rows = max(1, width // 2), max(1, height - len(below) - 3)
    squares, each = squares_of(list(of_nodes.values()), columns * rows)
    lines = [
        Text(" ").join(_square(mark) for mark in squares[at : at + columns]) for at in range(0, len(squares), columns)
    ]
    legend = Text(
        f"a square is {each} nodes, and shows the one that is furthest behind" if each > 1 else "", style="dim"
    )
    return Group(_title(look), Text(""), *lines, legend, *below)


def squares_of(of_nodes: Sequence[Mark], most: int) -> tuple[list[Mark], int]:
    """(the marks to show, at most so many; how many nodes each stands for)."""
    each = max(1, ceil(len(of_nodes) / most))
    groups = (of_nodes[at : at + each] for at in range(0, len(of_nodes), each))
    return [min(group, key=_URGENT.index) for group in groups], each


def _square(mark: Mark) -> Text:
    return Text(SQUARE, style=_COLOURS[mark])


def _title(look: Look) -> Text:
    meta, phase = look.facts.ds.metadata, look.diagnosis.phase
    colour = {Phase.DONE: "green", Phase.PROGRESSING: "yellow", Phase.BLOCKED: "red"}[phase]
    return Text.assemble((f"ds/{meta.name}", "bold"), f" in {meta.namespace}: ", (phase.value, colour))


def _below(look: Look, pace: Pace) -> Iterator[Text]:
    counts = _counts(look)
    parts = [
        Text.assemble((SQUARE, _COLOURS[mark]), f" {counts[mark]} {mark.value}") for mark in Mark if counts.get(mark)
    ]
    yield Text("   ").join(parts)
    if told := speed(look, pace):
        yield Text(told, style="dim")
    for one in causes(look):
        yield Text(one, overflow="fold")


def _counts(look: Look) -> Counter[Mark]:
    return Counter(marks(look.facts, look.diagnosis).values())


def _pace(nodes_a_second: float) -> str:
    for seconds, unit in ((1, "second"), (60, "minute"), (3600, "hour")):
        if nodes_a_second * seconds >= 1:
            return f"{nodes_a_second * seconds:.0f} nodes a {unit}"
    return "less than a node an hour"


def _cause(cause: Cause, now: float) -> str:
    since = f" (for {human_duration(now - cause.since)})" if cause.since is not None and cause.since <= now else ""
    return f"{'!' if cause.blocks else '-'} {cause.kind.value}: {cause.sentence}{since}"
