"""`everynode up` as a process of its own, and what the machine tells of it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.caller import Far
from benchmarks.start import cpu_seconds, stop
from everynode.client import kubeconfig


@dataclass(slots=True)
class Server:
    """A running `everynode up`."""

    process: subprocess.Popen[bytes]
    far: Far

    def megabytes(self, what: str = "VmRSS") -> float:
        found = re.search(rf"^{what}:\s+(\d+) kB", self._file("status").read_text(), re.MULTILINE)
        assert found
        return int(found[1]) / 1024

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def forget_peak(self) -> None:
        """The most memory ever held (VmHWM) is counted anew."""
        self._file("clear_refs").write_text("5")

    def _file(self, name: str) -> Path:
        return Path(f"/proc/{self.process.pid}/{name}")


@asynccontextmanager
async def served(nodes: int) -> AsyncIterator[Server]:
    """`everynode up` with so many simulated nodes, ready."""
    with tempfile.TemporaryDirectory() as scratch:
        process = await asyncio.to_thread(_start, Path(scratch), nodes)
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            if not line.startswith(b"everynode is ready"):
                raise SystemExit(f"everynode up said {line!r}")
            yield Server(process, Far.of(kubeconfig.load(Path(scratch) / "kubeconfig")))
        finally:
            stop(process)


def _start(scratch: Path, nodes: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "everynode", "up", "--data-dir", str(scratch), "--listen", "127.0.0.1:0"]
    with (scratch / "log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--nodes", str(nodes)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
