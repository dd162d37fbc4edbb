"""`everynode rollout log ds/NAME`: the latest decisions of everynode's controller about a DaemonSet, each with its reason.

The controller keeps them in memory, so they reach back some thousand actions, and to its start at the most. With `-o json` they
are whole: `everynode replay` makes each of them again.
"""

from __future__ import annotations

import sys

import click

from everynode.cli.target import Failure, Target, of_daemon_set, told


@click.command()
@of_daemon_set
@click.option("--tail", type=click.IntRange(min=1), help="The newest so many decisions only.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def log(target: Target, tail: int | None, output: str) -> None:
    """Show the latest decisions about a DaemonSet, each with its reason."""
    sys.exit(told(_show(target, tail, output)))


async def _show(target: Target, tail: int | None, output: str) -> int:
    import msgspec

    from everynode.explain.decisions import as_text, fetch

    async with target.connected() as client:
        recording = await fetch(client, target.namespace, target.name)
    if recording is None:
        raise Failure(
            f"nobody has recorded decisions about {target.resource} in {target.namespace}: "
            "there is no such DaemonSet, or its controller is not everynode's"
        )
    if tail is not None:
        recording.decisions = recording.decisions[-tail:]
    click.echo(as_text(recording) if output == "text" else msgspec.json.encode(recording) + b"\n", nl=False)
    return 0
