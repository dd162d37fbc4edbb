"""`everynode replay FILE`: makes recorded decisions again, without any cluster, and says whether they come out the same.

FILE is what `everynode rollout log ds/NAME -o json` printed, of this or another day, cluster or version. Exit status: 0 if all
are the same, 5 if one is not, 1 if the file cannot be used.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everynode.cli.target import NO_ANSWER

OTHERWISE = 5


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--decision", "number", type=int, help="Only the one with this number.")
def replay(file: Path, number: int | None) -> None:
    """Make recorded decisions again, and tell what comes out otherwise."""
    from everynode.controllers.daemonset import decisions
    from everynode.explain.decisions import load

    try:
        recording = load(file)
        chosen = [one for one in recording.decisions if number in (None, one.number)]
        if not chosen:
            which = f"decision {number}" if number is not None else "any decision"
            raise decisions.RecordingUnusable(f"{file}: {which} is not in it")
        otherwise = {one.number: decisions.replay(recording, one) for one in chosen}
    except decisions.RecordingUnusable as error:
        click.echo(f"everynode: {error}", err=True)
        sys.exit(NO_ANSWER)
    for one in chosen:
        for difference in otherwise[one.number]:
            click.echo(f"decision {one.number}: {difference}")
    different = sum(1 for differences in otherwise.values() if differences)
    whose = f"ds/{recording.name} in {recording.namespace}, recorded by everynode {recording.everynode}"
    click.echo(f"{len(chosen)} decisions about {whose}: " + (f"{different} differ" if different else "all the same"))
    sys.exit(OTHERWISE if different else 0)
