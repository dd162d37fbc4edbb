"""The command `everynode`. Each verb is a module of this package with a click command of its own, loaded when it is typed."""

from __future__ import annotations

from importlib import import_module

import click

from everynode import __version__

# Verb, and the sentence that `everynode --help` shows of it; the verb's module holds a command of the same name.
VERBS = {
    "demo": "Watch a DaemonSet's rolling update pass over five simulated nodes.",
    "up": "Start a control plane and simulated nodes, in the foreground.",
    "why": "Tell where a DaemonSet's rollout stands, and what holds it.",
}


class _Verbs(click.Group):
    """Loads a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command = getattr(import_module(f"everynode.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="everynode %(version)s")
def main() -> None:
    """One copy of a program on every machine, and its rolling update: the Kubernetes DaemonSet, in Python."""
