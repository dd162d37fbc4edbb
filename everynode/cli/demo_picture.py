"""What the demo shows: the words, and a picture of the nodes as the update passes over them.

`Fleet` keeps the facts: one `Row` a node, from what two informers see. A `Stage` shows them. `LiveStage` draws a table that
stays at the foot of the terminal while words and output scroll past above it; `PlainStage`, for pipes and logs, prints a
line whenever something happens to a node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

HASH = "controller-revision-hash"
# A colour for each revision in turn; red and yellow are kept for states.
_COLOURS = ("cyan", "magenta", "green", "blue", "bright_cyan", "bright_magenta", "bright_green")
_FRAMES_PER_SECOND = 12


class PodMeta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    labels: dict[str, str] = {}
    deletion_timestamp: str | None = None


class Container(msgspec.Struct):
    image: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    containers: list[Container] = []


class Waiting(msgspec.Struct):
    reason: str = ""


class State(msgspec.Struct):
    waiting: Waiting | None = None


class ContainerStatus(msgspec.Struct):
    state: State = msgspec.field(default_factory=State)
    ready: bool = False


class PodStatus(msgspec.Struct, rename="camel"):
    phase: str = ""
    container_statuses: list[ContainerStatus] = []


class PodView(msgspec.Struct):
    """The part of a pod that the picture shows."""

    metadata: PodMeta = msgspec.field(default_factory=PodMeta)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def ready(self) -> bool:
        return bool(self.status.container_statuses) and all(one.ready for one in self.status.container_statuses)

    @property
    def state(self) -> str:
        """The STATUS column of `kubectl get pods`, as far as the demo gets."""
        if self.metadata.deletion_timestamp is not None:
            return "Terminating"
        for one in self.status.container_statuses:
            if one.state.waiting is not None:
                return one.state.waiting.reason
        return self.status.phase or "Pending"


class RevisionMeta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}


class RevisionView(msgspec.Struct):
    metadata: RevisionMeta = msgspec.field(default_factory=RevisionMeta)
    revision: int = 0


class Row(NamedTuple):
    """What stands on one node. Without a pod, `pod` is empty."""

    node: str
    pod: str = ""
    revision: int = 0
    image: str = ""
    state: str = ""
    ready: bool = False


class Fleet:
    """The rows of all nodes. `changed` is called with the rows that are others than before."""

    def __init__(self, nodes: list[str], pods: Mapping[str, PodView], revisions: Mapping[str, RevisionView]) -> None:
        self._nodes, self._pods, self._revisions = nodes, pods, revisions
        self._numbers: dict[str, int] = {}
        self.rows = [Row(node) for node in nodes]
        self.changed: Callable[[list[Row]], None] = lambda rows: None
        # While a rollout is watched, the most nodes that were without a ready pod at any moment of it.
        self.watched = False
        self.worst = 0

    @property
    def newest(self) -> int:
        return max((one.revision for one in self._revisions.values()), default=0)

    @property
    def unavailable(self) -> int:
        return sum(not row.ready for row in self.rows)

    def seen(self, *_: object) -> None:
        """A pod or a revision has changed: the rows are worked out anew."""
        # Revisions go before the pods that were made from them; their numbers are remembered.
        self._numbers |= {one.metadata.labels.get(HASH, ""): one.revision for one in self._revisions.values()}
        rows = {node: Row(node) for node in self._nodes}
        # Of two pods on one node the younger is shown, unless it is the only one that is ready.
        for pod in sorted(self._pods.values(), key=lambda one: (one.ready, one.metadata.creation_timestamp or "")):
            if pod.spec.node_name in rows:
                rows[pod.spec.node_name] = Row(
                    pod.spec.node_name,
                    pod.metadata.name,
                    self._numbers.get(pod.metadata.labels.get(HASH, ""), 0),
                    pod.spec.containers[0].image.rpartition(":")[2] if pod.spec.containers else "",
                    pod.state,
                    pod.ready and pod.metadata.deletion_timestamp is None,
                )
        before, self.rows = self.rows, list(rows.values())
        if self.watched:
            self.worst = max(self.worst, self.unavailable)
        different = [row for row, old in zip(self.rows, before, strict=True) if row != old]
        if different:
            self.changed(different)


class Stage(Protocol):
    """Where the demo is shown."""

    def __enter__(self) -> Stage: ...

    def __exit__(self, *_: object) -> None: ...

    def title(self, text: str, below: str) -> None: ...

    def chapter(self, text: str) -> None:
        """Begins a step: one sentence on what it is about."""
        ...

    def say(self, text: str) -> None: ...

    def command(self, text: str) -> None:
        """A command as a person types it."""
        ...

    def output(self, lines: list[str]) -> None:
        """What the command printed."""
        ...

    def picture(self, fleet: Fleet) -> None:
        """Shows this fleet from now on."""
        ...


class PlainStage:
    """Lines of text without colour, movement or wrapping."""

    def __init__(self) -> None:
        self._console = Console(color_system=None, highlight=False, soft_wrap=True, markup=False, emoji=False)
        self._chapters = 0

    def __enter__(self) -> PlainStage:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def title(self, text: str, below: str) -> None:
        self._console.print(text)
        self._console.print(below)

    def chapter(self, text: str) -> None:
        self._chapters += 1
        self._console.print(f"\n{self._chapters}. {text}")

    def say(self, text: str) -> None:
        self._console.print(text)

    def command(self, text: str) -> None:
        self._console.print(f"$ {text}")

    def output(self, lines: list[str]) -> None:
        for line in lines:
            self._console.print(line)

    def picture(self, fleet: Fleet) -> None:
        fleet.changed = self._rows_changed

    def _rows_changed(self, rows: list[Row]) -> None:
        for row in rows:
            words = f"{row.pod}  revision {row.revision or '?'} ({row.image})  {row.state}" if row.pod else "no pod"
            ready = "  ready" if row.ready else ""
            self._console.print(f"    [{row.node}] {words}{ready}")


class LiveStage:
    """A terminal: words above, the picture at the foot."""

    def __init__(self, *, colour: bool) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, no_color=not colour)
        self._live = Live(console=self._console, refresh_per_second=_FRAMES_PER_SECOND)
        self._chapters = 0
        self._spinner = Spinner("dots", style="yellow")

    def __enter__(self) -> LiveStage:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def title(self, text: str, below: str) -> None:
        words = Group(Text(text, style="bold"), Text(below, style="dim"))
        self._console.print(Panel(words, box=box.ROUNDED, border_style="cyan", padding=(0, 2), expand=False))

    def chapter(self, text: str) -> None:
        self._chapters += 1
        self._console.print()
        self._console.print(Rule(Text(f" {self._chapters}  {text} ", style="bold"), align="left", style="dim"))

    def say(self, text: str) -> None:
        self._console.print(Text(text, style="italic bright_black"))

    def command(self, text: str) -> None:
        self._console.print(Text.assemble(("$ ", "bold green"), (text, "bold")), soft_wrap=True)

    def output(self, lines: list[str]) -> None:
        for line in lines:
            self._console.print(_coloured(line), soft_wrap=True)

    def picture(self, fleet: Fleet) -> None:
        fleet.changed = lambda rows: self._live.update(self._draw(fleet))
        self._live.update(self._draw(fleet))

    def _draw(self, fleet: Fleet) -> Group:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), header_style="dim", show_edge=False, expand=False)
        for name, width in (("NODE", 10), ("POD", 27), ("REV", 4), ("IMAGE", 6), ("STATE", 19)):
            table.add_column(name, min_width=width, no_wrap=True)
        for row in fleet.rows:
            table.add_row(Text(row.node, style="bold"), *self._cells(row))
        frame = Panel(
            Group(table, Text(""), self._gauge(fleet)),
            box=box.ROUNDED,
            border_style="bright_black",
            padding=0,
            expand=False,
        )
        return Group(Text(""), frame)

    def _cells(self, row: Row) -> tuple[Text | Table, ...]:
        if not row.pod:
            return Text("—", style="dim"), Text(""), Text(""), Text("no pod", style="dim")
        colour = _COLOURS[(row.revision - 1) % len(_COLOURS)] if row.revision else "white"
        badge = Text.assemble(("██ ", colour), (str(row.revision or "?"), colour))
        return Text(row.pod, style="dim"), badge, Text(row.image, style=colour), self._state(row)

    def _state(self, row: Row) -> Text | Table:
        if row.ready:
            return Text.assemble(("● ", "green"), "Running")
        if "BackOff" in row.state or row.state.startswith("Err"):
            return Text.assemble(("✗ ", "bold red"), (row.state, "red"))
        moving = Table.grid(padding=(0, 1))
        moving.add_row(self._spinner, Text(row.state, style="yellow"))
        return moving

    def _gauge(self, fleet: Fleet) -> Table:
        """How far the newest revision has come, and how many nodes are without."""
        count, newest = len(fleet.rows), fleet.newest
        updated = sum(bool(row.pod) and row.revision == newest for row in fleet.rows)
        line = Table.grid(padding=(0, 2, 0, 0))
        colour = _COLOURS[(newest - 1) % len(_COLOURS)] if newest else "white"
        line.add_row(
            Text("", end=""),
            ProgressBar(total=count, completed=updated, width=22, complete_style=colour, finished_style=colour),
            Text(f"{updated}/{count} updated"),
            Text(f"{count - fleet.unavailable}/{count} available", style="yellow" if fleet.unavailable else "green"),
            Text("maxUnavailable 1", style="dim"),
        )
        return line


def _coloured(line: str) -> Text:
    """A line of output with what matters in it coloured."""
    text = Text(line)
    text.highlight_regex(r"successfully rolled out|\b(created|configured|image updated|rolled back)$", "green")
    text.highlight_regex(r"\bErrImagePull\b|\bImagePullBackOff\b", "red")
    text.highlight_regex(r"^(NAME|REVISION) .*", "dim")
    return text
