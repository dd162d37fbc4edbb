"""What the verbs about one DaemonSet have in common: which one is meant, on which cluster, and how they fail.

@click.command()
@of_daemon_set
def verb(target: Target) -> None:
    sys.exit(told(work(target)))        # `work` is a coroutine function's call; a Failure is told, with status 1

async with target.connected() as client: ...    # `target.namespace` is settled from here on
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from everynode.client.client import Client

# What the exit status says of a rollout; 1 is said when there is no answer, 2 of bad usage.
STATUSES = {"done": 0, "progressing": 3, "blocked": 4}
NO_ANSWER = 1

F = TypeVar("F", bound=Callable[..., Any])


class Failure(Exception):
    """One line for standard error: the verb cannot do what it was asked for."""


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


@dataclass(slots=True)
class Target:
    """One DaemonSet of one cluster. `namespace` is empty until a connection has said which one the context has."""

    name: str
    namespace: str = ""
    kubeconfig: Path | None = None
    context: str = ""

    @property
    def resource(self) -> str:
        """As kubectl calls it in its messages."""
        return f"daemonset.apps/{self.name}"

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Client, None]:
        """A client of the cluster. Raises Failure, also for what the API refuses while the client is in use."""
        from everynode.api.status import ApiError
        from everynode.client.client import Client
        from everynode.client.http import HttpHandler
        from everynode.client.kubeconfig import KubeconfigError, load

        path = self.kubeconfig or Path(os.environ.get("KUBECONFIG") or "~/.kube/config")
        try:
            connection = load(path, self.context)
        except KubeconfigError as error:
            raise Failure(str(error)) from error
        self.namespace = self.namespace or connection.namespace
        handler = HttpHandler(connection)
        try:
            yield Client(handler, user_agent="everynode-cli")
        except ApiError as error:
            raise Failure(str(error)) from error
        finally:
            await handler.close()


def of_daemon_set(command: F) -> F:
    """Gives a command the argument ds/NAME and the options that say where it is, handed on as `target`."""

    @click.argument("daemon_set", type=DaemonSetName(), metavar="ds/NAME")
    @click.option("-n", "--namespace", default="", help="Default: the context's.")
    @click.option(
        "--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="Default: $KUBECONFIG or ~/.kube/config."
    )
    @click.option("--context", default="", help="The kubeconfig's context. Default: its current one.")
    @functools.wraps(command)
    def aimed(daemon_set: str, namespace: str, kubeconfig: Path | None, context: str, **options: Any) -> Any:
        return command(target=Target(daemon_set, namespace, kubeconfig, context), **options)

    return aimed  # type: ignore[return-value]  # click wraps it, and keeps what it was called with


def told(work: Coroutine[Any, Any, int]) -> int:
    """Runs it; its exit status, or that of no answer once the failure has been told."""
    try:
        return asyncio.run(work)
    except Failure as failure:
        click.echo(f"everynode: {failure}", err=True)
        return NO_ANSWER
