"""`everynode why ds/NAME`: where a DaemonSet's rollout stands, and what holds it, on any Kubernetes cluster. It only reads.

The exit status is the answer for a script: 0 done, 3 progressing, 4 blocked, and 1 when there is none (2 for bad usage).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from everynode.controllers.daemonset.diagnosis.facts import Facts
    from everynode.explain.evidence import Evidence

STATUSES = {"done": 0, "progressing": 3, "blocked": 4}
# Seconds between two looks of --watch.
LOOK = 2.0


class _Failure(Exception):
    """One line for standard error."""


class DaemonSetName(click.ParamType[str]):
    """ds/NAME, daemonset/NAME, or NAME."""

    name = "ds/NAME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        kind, slash, name = str(value).rpartition("/")
        if slash and kind.lower() not in ("ds", "daemonset", "daemonsets", "daemonset.apps", "daemonsets.apps"):
            self.fail(f"{value!r} is not a DaemonSet: ds/NAME", param, ctx)
        if not name:
            self.fail(f"{value!r} names no DaemonSet: ds/NAME", param, ctx)
        return name


@click.command()
@click.argument("daemon_set", type=DaemonSetName(), metavar="ds/NAME")
@click.option("-n", "--namespace", help="Default: the context's.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="Default: $KUBECONFIG or ~/.kube/config."
)
@click.option("--context", default="", help="The kubeconfig's context. Default: its current one.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@click.option(
    "--from",
    "dump",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Reads a dump (kubectl get … -o yaml) instead of a cluster. May be given several times.",
)
@click.option("-w", "--watch", is_flag=True, help="Looks again every other second until the rollout is done.")
def why(
    daemon_set: str,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str,
    output: str,
    dump: tuple[Path, ...],
    watch: bool,
) -> None:
    """Tell where a DaemonSet's rollout stands, and what holds it."""
    if dump and watch:
        raise click.UsageError("--watch needs a cluster; a dump (--from) does not change")
    try:
        if dump:
            phase = _explain_dump(dump, namespace or "default", daemon_set, output)
        else:
            phase = asyncio.run(_explain_cluster(kubeconfig, context, namespace, daemon_set, output, watch))
    except _Failure as failure:
        click.echo(f"everynode: {failure}", err=True)
        sys.exit(1)
    sys.exit(STATUSES[phase])


def _explain_dump(files: tuple[Path, ...], namespace: str, name: str, output: str) -> str:
    from everynode.explain.dump import DumpUnusable, read_dump

    try:
        evidence = read_dump(files)
    except DumpUnusable as error:
        raise _Failure(str(error)) from error
    # A dump is explained as of the moment it was taken.
    return _tell(evidence, namespace, name, output, max(file.stat().st_mtime for file in files))


async def _explain_cluster(
    kubeconfig: Path | None, context: str, namespace: str | None, name: str, output: str, watch: bool
) -> str:
    from everynode.api.status import ApiError
    from everynode.client.client import Client
    from everynode.client.http import HttpHandler
    from everynode.client.kubeconfig import KubeconfigError, load
    from everynode.explain.gather import gather

    path = kubeconfig or Path(os.environ.get("KUBECONFIG") or "~/.kube/config")
    try:
        connection = load(path, context)
    except KubeconfigError as error:
        raise _Failure(str(error)) from error
    handler = HttpHandler(connection)
    client = Client(handler, user_agent="everynode-why")
    where = namespace or connection.namespace
    try:
        while True:
            phase = _tell(await gather(client, where, name), where, name, output, time.time())
            if not watch or phase == "done":
                return phase
            await asyncio.sleep(LOOK)
            click.echo()
    except ApiError as error:
        raise _Failure(str(error)) from error
    finally:
        await handler.close()


def _tell(evidence: Evidence, namespace: str, name: str, output: str, now: float) -> str:
    """Prints the answer; the phase."""
    from everynode.controllers.daemonset.diagnosis.rollout import diagnose
    from everynode.explain.evidence import NoSuchDaemonSet, facts_of
    from everynode.explain.telling import as_data, as_text

    try:
        facts: Facts = facts_of(evidence, namespace, name, now)
    except NoSuchDaemonSet as error:
        raise _Failure(str(error)) from error
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
