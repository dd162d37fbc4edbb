"""How long `everynode up` takes to be ready, and what it holds and does when nothing happens: with three nodes, and with many.

python -m benchmarks.start [--largest]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import tell
from benchmarks.rollout import BARE_MEGABYTES, NAMESPACE, manifest, rolled_out
from everynode.api.scheme import DAEMON_SETS
from everynode.client.client import Client
from everynode.client.http import HttpHandler
from everynode.client.kubeconfig import load

NODES, MANY, LARGEST = 3, 10_000, 100_000
STARTS = 3
IDLE_SECONDS, MANY_IDLE_SECONDS = 10.0, 20.0
# Seconds that a DaemonSet may take to be everywhere, before the restart that is measured with its pods.
LONGEST_SECONDS = 900.0


def start(data_dir: Path, nodes: int = NODES) -> tuple[subprocess.Popen[bytes], float]:
    """A running `everynode up` and the seconds until it was ready."""
    command = [sys.executable, "-m", "everynode", "up", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--nodes", str(nodes)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(b"everynode is ready"):
        raise SystemExit(f"everynode up said {line!r}")
    return process, time.perf_counter() - began


def stop(process: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.perf_counter() - began


def pss_megabytes(pid: int) -> float:
    """Memory that is this process's own, and its share of what it shares."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def few() -> None:
    """The figures of three nodes."""
    with tempfile.TemporaryDirectory() as scratch:
        firsts, agains, stops = [], [], []
        for number in range(STARTS):
            data_dir = Path(scratch) / str(number)
            for seconds in (firsts, agains):
                process, took = start(data_dir)
                seconds.append(took)
                stops.append(stop(process))
        tell(f"up to ready, {NODES} nodes, SQLite, first start", statistics.median(firsts), "s", 1.0)
        tell(f"up to ready, {NODES} nodes, SQLite, again", statistics.median(agains), "s", 1.0)
        tell("clean stop", max(stops), "s", 5.0)
        process, _ = start(Path(scratch) / "idle")
        before = cpu_seconds(process.pid)
        time.sleep(IDLE_SECONDS)
        tell(f"idle memory (PSS), {NODES} nodes, first start", pss_megabytes(process.pid), "MB", 80.0)
        tell(f"idle CPU, {NODES} nodes", (cpu_seconds(process.pid) - before) / IDLE_SECONDS * 100, "%")
        stop(process)


def many(nodes: int) -> None:
    """The figures of a large fleet: from an empty store, at rest, and from a full one, with a DaemonSet's pods."""
    largest = nodes == LARGEST

    def limit(value: float) -> float | None:
        return value if largest else None

    with tempfile.TemporaryDirectory() as scratch:
        data_dir = Path(scratch) / "many"
        process, seconds = start(data_dir, nodes)
        tell(f"up to ready, {nodes:,} nodes, from empty", seconds, "s", limit(90.0), limit(45.0))
        time.sleep(5)
        before = cpu_seconds(process.pid)
        time.sleep(MANY_IDLE_SECONDS)
        used = (cpu_seconds(process.pid) - before) / MANY_IDLE_SECONDS * 100
        tell(f"heartbeats, {nodes:,} nodes, nothing else: CPU", used, "%", limit(50.0), limit(20.0))
        asyncio.run(_roll_out(data_dir / "kubeconfig", nodes))
        time.sleep(5)
        kilobytes = (pss_megabytes(process.pid) - BARE_MEGABYTES) * 1024 / nodes
        tell(f"memory a node with its pod, {nodes:,} nodes (PSS)", kilobytes, "KB", limit(16.0), limit(12.0))
        stop(process)
        process, seconds = start(data_dir, nodes)
        tell(f"up to ready, {nodes:,} nodes, from a full store", seconds, "s", limit(20.0), limit(8.0))
        stop(process)


async def _roll_out(kubeconfig: Path, nodes: int) -> None:
    handler = HttpHandler(load(kubeconfig))
    client = Client(handler)
    try:
        await client.create(DAEMON_SETS, manifest("10%"), NAMESPACE)
        async with asyncio.timeout(LONGEST_SECONDS):
            await rolled_out(client, nodes)
    finally:
        await handler.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--largest", action="store_true", help=f"also with {LARGEST:,} nodes")
    largest = arguments.parse_args().largest
    few()
    for nodes in (MANY, LARGEST) if largest else (MANY,):
        many(nodes)


if __name__ == "__main__":
    main()
