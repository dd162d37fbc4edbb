"""`everynode up`: the whole control plane and its simulated nodes, served, in the foreground.

Standard output gets one line, `everynode is ready …`, when requests are served and the nodes are Ready; logs go to standard
error. SIGTERM or SIGINT stops it cleanly with exit status 0, a second one at once. What keeps it from starting, or a part that
fails later, is one line on standard error and exit status 1.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from everynode.assemble.cluster import Cluster
    from everynode.assemble.config import Config

DEFAULT_LISTEN = "127.0.0.1:6443"
# What a second SIGINT or SIGTERM ends with, as a shell tells of an interrupted command.
INTERRUPTED = 130
MOST_NODES = 100_000


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/everynode`, or `~/.local/share/everynode`."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "everynode"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: HOST:PORT, an IPv6 host in brackets."""

    host: str
    port: int

    def url(self) -> str:
        """How this machine's own clients reach it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"https://[{host}]:{self.port}" if ":" in host else f"https://{host}:{self.port}"


class AddressType(click.ParamType[Address]):
    """HOST:PORT on the command line."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            self.fail(f"{value!r} is not HOST:PORT with a port from 0 to 65535", param, ctx)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            self.fail(f"{value!r}: an IPv6 host stands in brackets, as in [::1]:6443", param, ctx)
        return Address(host or "0.0.0.0", int(port))


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where everything is kept.")
@click.option("--listen", type=AddressType(), default=DEFAULT_LISTEN, show_default=True, help="Port 0: a free one.")
@click.option("--store", default="sqlite", show_default=True, metavar="sqlite|memory|etcd://HOST:PORT[,…]")
@click.option("--nodes", type=click.IntRange(0, MOST_NODES), default=3, show_default=True, help="Simulated nodes.")
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="Default: DATA_DIR/kubeconfig.")
@click.option(
    "--simulation",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Rules (YAML) that slow or break the simulated nodes; read again when they change.",
)
def up(
    data_dir: Path | None, listen: Address, store: str, nodes: int, kubeconfig: Path | None, simulation: Path | None
) -> None:
    """Start a control plane and simulated nodes, in the foreground."""
    import uvloop

    from everynode.assemble.config import Config
    from everynode.base import collector, logs

    _take_all_descriptors()
    directory = (data_dir or default_data_dir()).expanduser().absolute()
    logs.configure()
    collector.tune()
    config = Config(
        store=store,
        data_dir=directory,
        nodes=nodes,
        simulation=simulation,
        server_names=(listen.host,),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_serve(config, listen, kubeconfig or directory / "kubeconfig")))


async def _serve(config: Config, listen: Address, kubeconfig: Path) -> int:
    """Serves until a signal or a failure; the exit status."""
    from everynode.apiserver.listener import CannotListen
    from everynode.assemble.cluster import CannotStart, Cluster
    from everynode.assemble.kubeconfig import KubeconfigUnwritable

    stop = _stop_signal()
    try:
        async with Cluster(config) as cluster:
            return await _run(cluster, listen, kubeconfig, stop)
    except (CannotStart, CannotListen, KubeconfigUnwritable) as error:
        return _complain(str(error))


async def _run(cluster: Cluster, listen: Address, kubeconfig: Path, stop: asyncio.Event) -> int:
    """Puts the listener in front of the cluster, tells when all is ready, and waits for the end."""
    from everynode.apiserver.listener import Listener, tls_context
    from everynode.assemble import kubeconfig as kubeconfigs

    pki = cluster.pki
    assert pki is not None, "a cluster that is served has a data directory and so certificates"
    listener = Listener(cluster.api, tls_context(pki.certificate("server"), pki.key("server"), pki.ca))
    try:
        await listener.open(listen.host, listen.port)
        url = Address(listen.host, listener.port).url()
        kubeconfigs.write(kubeconfig, url, pki)
        failure = await _first(cluster, stop, cluster.ready())
        if failure is None and not stop.is_set():
            nodes = cluster.config.nodes
            click.echo(f"everynode is ready at {url} ({nodes} node{'s' * (nodes != 1)}); kubeconfig: {kubeconfig}")
            sys.stdout.flush()
            failure = await _first(cluster, stop)
    finally:
        await listener.close()
    return 0 if failure is None else _complain(failure)


async def _first(cluster: Cluster, stop: asyncio.Event, work: Coroutine[Any, Any, None] | None = None) -> str | None:
    """Waits until `work` is done (without work: for ever), a stop is asked for, or a part fails: then what to say of it."""
    failed = asyncio.ensure_future(cluster.failure())
    waiting = {failed, asyncio.ensure_future(stop.wait())}
    working = asyncio.ensure_future(work) if work is not None else None
    if working is not None:
        waiting.add(working)
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    if failed.done() and not failed.cancelled():
        return str(failed.result())
    if working is not None and working.done() and not working.cancelled():
        working.result()
    return None


def _take_all_descriptors() -> None:
    """A shell allows a program 1,024 open files unless it asks for more; every watch of a client is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_signal() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process where it stands (the store survives that)."""
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    return stop


def _complain(why: str) -> int:
    click.echo(f"everynode: {why}", err=True)
    return 1
