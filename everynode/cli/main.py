"""The command `everynode`."""

from __future__ import annotations

import click

from everynode import __version__
from everynode.cli.verbs import Verbs

VERBS = {
    "demo": "Watch a DaemonSet's rolling update pass over five simulated nodes.",
    "replay": "Make recorded decisions again, and tell what comes out otherwise.",
    "rollout": "Watch, explain, undo and restart the rollout of a DaemonSet.",
    "up": "Start a control plane and simulated nodes, in the foreground.",
    "why": "Tell where a DaemonSet's rollout stands, and what holds it.",
}


@click.group(
    cls=Verbs, package="everynode.cli", sentences=VERBS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="everynode %(version)s")
def main() -> None:
    """One copy of a program on every machine, and its rolling update: the Kubernetes DaemonSet, in Python."""
