"""`everynode rollout …`: the rollout of one DaemonSet, on any Kubernetes cluster."""

from __future__ import annotations

import click

from everynode.cli.verbs import Verbs

VERBS = {
    "log": "Show the latest decisions about a DaemonSet, each with its reason.",
    "status": "Follow a rollout until it is done, and say what holds it.",
    "watch": "Show the fleet as a grid that changes colour live.",
}


@click.group(cls=Verbs, package="everynode.cli.rollout", sentences=VERBS)
def rollout() -> None:
    """Watch, explain, undo and restart the rollout of a DaemonSet."""
