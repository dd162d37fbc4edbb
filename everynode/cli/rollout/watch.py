"""`everynode rollout watch ds/NAME`: the fleet as a grid of squares that change their colour as the rollout passes over it.

It works on any Kubernetes cluster, only reads, and goes on until it is interrupted; the exit status says how the rollout stands
then: 0 done, 3 progressing, 4 blocked.
"""

from __future__ import annotations

import asyncio
import sys

import click

from everynode.cli.target import STATUSES, Failure, Target, of_daemon_set, told


@click.command()
@of_daemon_set
@click.option("--until-done", is_flag=True, help="Ends when the rollout is done.")
def watch(target: Target, until_done: bool) -> None:
    """Show the fleet as a grid that changes colour live."""
    sys.exit(told(_watch(target, until_done)))


async def _watch(target: Target, until_done: bool) -> int:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from everynode.api.status import ApiError
    from everynode.cli.rollout.picture import grid
    from everynode.controllers.daemonset.diagnosis.rollout import Phase
    from everynode.explain.fleet import Pace
    from everynode.explain.looking import looks

    console = Console()
    if not console.is_terminal:
        raise Failure("rollout watch draws on a terminal; rollout status prints lines")
    pace, phase = Pace(), Phase.PROGRESSING
    async with target.connected() as client:
        with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            try:
                async for look in looks(client, target.namespace, target.name):
                    if isinstance(look, ApiError):
                        live.update(Text(f"{look}; trying again"), refresh=True)
                        continue
                    phase = look.diagnosis.phase
                    pace.saw(look.at, look.facts.rules.hash, look.done)
                    live.update(grid(look, pace, *console.size), refresh=True)
                    if until_done and phase is Phase.DONE:
                        break
            except asyncio.CancelledError:
                # Ctrl-C: the way to leave.
                pass
    return STATUSES[phase.value]
