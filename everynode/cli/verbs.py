"""A group of verbs, each a module of one package with a click command of its own, loaded when it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Verbs(click.Group):
    """`sentences` holds the sentence that `--help` shows of each verb; its module holds a command of the verb's name."""

    def __init__(self, *, package: str, sentences: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self._package, self._sentences = package, sentences

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._sentences)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._sentences:
            return None
        command = getattr(import_module(f"{self._package}.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self._sentences.items()))
