"""`everynode rollout status ds/NAME`: follows a rollout until it is done, on any Kubernetes cluster. It only reads.

On a terminal it draws a progress bar; elsewhere it prints a line whenever something has changed. The exit status is the answer:
0 done, 3 progressing, 4 blocked (the last two only if it does not wait any longer), 1 when there is none.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from everynode.cli.target import STATUSES, Target, of_daemon_set, told
from everynode.cli.timespan import TIMESPAN

if TYPE_CHECKING:
    from everynode.explain.fleet import Pace
    from everynode.explain.looking import Look

    Show = Callable[[Look, Pace], None]


@click.command()
@of_daemon_set
@click.option("-w/-W", "--watch/--no-watch", default=True, show_default=True, help="Waits until the rollout is done.")
@click.option("--timeout", type=TIMESPAN, help="Waits no longer than this (30s, 5m, 2h), and says how it stands then.")
@click.option("--stop-when-blocked", is_flag=True, help="Waits no longer once the rollout is blocked.")
@click.option("--plain", is_flag=True, help="Lines of text only, as without a terminal.")
def status(target: Target, watch: bool, timeout: float | None, stop_when_blocked: bool, plain: bool) -> None:
    """Follow a rollout until it is done, and say what holds it."""
    plain = plain or not sys.stdout.isatty()
    sys.exit(told(_follow(target, 0.0 if not watch else timeout, stop_when_blocked, plain)))


async def _follow(target: Target, timeout: float | None, stop_when_blocked: bool, plain: bool) -> int:
    from everynode.api.status import ApiError
    from everynode.controllers.daemonset.diagnosis.rollout import Phase
    from everynode.explain.fleet import Pace
    from everynode.explain.looking import looks

    pace, phase = Pace(), Phase.PROGRESSING
    deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
    screen, show = _lines() if plain else _picture()
    async with target.connected() as client:
        with screen:
            async for look in looks(client, target.namespace, target.name, deadline):
                if isinstance(look, ApiError):
                    click.echo(f"everynode: {look}; trying again", err=True)
                    continue
                phase = look.diagnosis.phase
                pace.saw(look.at, look.facts.rules.hash, look.done)
                show(look, pace)
                if phase is Phase.DONE or (stop_when_blocked and phase is Phase.BLOCKED):
                    break
    return STATUSES[phase.value]


def _picture() -> tuple[Any, Show]:
    from rich.console import Console
    from rich.live import Live

    from everynode.cli.rollout.picture import progress

    live = Live(console=Console(), auto_refresh=False)
    return live, lambda look, pace: live.update(progress(look, pace), refresh=True)


def _lines() -> tuple[Any, Show]:
    from everynode.cli.rollout.picture import causes, speed, standing

    last: list[object] = []

    def show(look: Look, pace: Pace) -> None:
        # The pace changes all the time, and is no news by itself.
        news = [look.diagnosis.phase, standing(look), *(cause.identity for cause in look.diagnosis.causes)]
        if news == last:
            return
        last[:] = news
        click.echo("; ".join(filter(None, (f"{look.diagnosis.phase.value}: {standing(look)}", speed(look, pace)))))
        for told_cause in causes(look):
            click.echo(f"  {told_cause}")

    return nullcontext(), show
