"""How long `everynode up` takes to be ready, and what it holds and does when nothing happens."""

from __future__ import annotations

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

NODES = 3
STARTS = 3
IDLE_SECONDS = 10.0


def start(data_dir: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A running `everynode up` and the seconds until it was ready."""
    command = [sys.executable, "-m", "everynode", "up", "--data-dir", str(data_dir), "--listen", "127.0.0.1:0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--nodes", str(NODES)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith(b"everynode is ready"):
        raise SystemExit(f"everynode up said {line!r}")
    return process, time.perf_counter() - began


def stop(process: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    return time.perf_counter() - began


def pss_megabytes(pid: int) -> float:
    """Memory that is this process's own, and its share of what it shares."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
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


if __name__ == "__main__":
    main()
