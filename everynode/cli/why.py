"""`everynode why ds/NAME`: where a DaemonSet's rollout stands, and what holds it, on any Kubernetes cluster. It only reads.

The exit status is the answer for a script: 0 done, 3 progressing, 4 blocked, and 1 when there is none (2 for bad usage).
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everynode.cli.target import STATUSES, Failure, Target, of_daemon_set, told

if TYPE_CHECKING:
    from everynode.explain.evidence import Evidence

# Seconds between two looks of --watch.
LOOK = 2.0


@click.command()
@of_daemon_set
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@click.option(
    "--from",
    "dump",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Reads a dump (kubectl get … -o yaml) instead of a cluster. May be given several times.",
)
@click.option("-w", "--watch", is_flag=True, help="Looks again every other second until the rollout is done.")
def why(target: Target, output: str, dump: tuple[Path, ...], watch: bool) -> None:
    """Tell where a DaemonSet's rollout stands, and what holds it."""
    if dump and watch:
        raise click.UsageError("--watch needs a cluster; a dump (--from) does not change")
    sys.exit(told(_explain_dump(target, dump, output) if dump else _explain_cluster(target, output, watch)))


async def _explain_dump(target: Target, files: tuple[Path, ...], output: str) -> int:
    from everynode.explain.dump import DumpUnusable, read_dump

    try:
        evidence = read_dump(files)
    except DumpUnusable as error:
        raise Failure(str(error)) from error
    target.namespace = target.namespace or "default"
    # A dump is explained as of the moment it was taken.
    return STATUSES[_tell(evidence, target, output, max(file.stat().st_mtime for file in files))]


async def _explain_cluster(target: Target, output: str, watch: bool) -> int:
    from everynode.explain.gather import gather

    async with target.connected() as client:
        while True:
            phase = _tell(await gather(client, target.namespace, target.name), target, output, time.time())
            if not watch or phase == "done":
                return STATUSES[phase]
            await asyncio.sleep(LOOK)
            click.echo()


def _tell(evidence: Evidence, target: Target, output: str, now: float) -> str:
    """Prints the answer; the phase."""
    from everynode.controllers.daemonset.diagnosis.rollout import diagnose
    from everynode.explain.evidence import NoSuchDaemonSet, facts_of
    from everynode.explain.telling import as_data, as_text

    try:
        facts = facts_of(evidence, target.namespace, target.name, now)
    except NoSuchDaemonSet as error:
        raise Failure(str(error)) from error
    diagnosis = diagnose(facts, now)
    if output == "text":
        click.echo(as_text(facts, diagnosis, now), nl=False)
    elif output == "json":
        import json

        click.echo(json.dumps(as_data(facts, diagnosis), indent=2, ensure_ascii=False))
    else:
        import yaml

        click.echo(yaml.safe_dump(as_data(facts, diagnosis), sort_keys=False, allow_unicode=True), nl=False)
    return diagnosis.phase.value
