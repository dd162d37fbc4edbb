"""`everynode up` as a process of its own and the real kubectl in front of it, for tests that look from outside."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
# Far above what a start or a stop takes; a test that waits this long has failed.
START_SECONDS, STOP_SECONDS = 30.0, 5.0


def command(*arguments: str) -> list[str]:
    """The command line of everynode in this environment."""
    return [sys.executable, "-m", "everynode", *arguments]


@dataclass
class Up:
    """One `everynode up`. `start` returns when it has said that it is ready."""

    data_dir: Path
    options: tuple[str, ...] = ()
    ready_line: str = ""
    url: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _errors: IO[str] | None = field(default=None, repr=False)

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    @property
    def log(self) -> str:
        """What it has said on standard error."""
        return self._log_file.read_text()

    @property
    def _log_file(self) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    def start(self) -> Up:
        """Starts it and waits for its ready line."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._errors = self._log_file.open("a")
        arguments = ["up", "--data-dir", str(self.data_dir), *self.options]
        if "--listen" not in self.options:
            arguments += ["--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, cwd=ROOT
        )
        self.ready_line = self._first_line(self._process.stdout)
        if not self.ready_line.endswith("\n"):
            ended = self._process.poll()
            self.kill()
            why = f"ended with {ended}" if ended is not None else f"was not ready in {START_SECONDS:.0f} s"
            raise AssertionError(f"everynode up {why}:\n{self.log}")
        found = re.search(r"https://\S+", self.ready_line)
        assert found, self.ready_line
        self.url = found[0]
        return self

    def _first_line(self, stdout: IO[bytes] | None) -> str:
        """What it says first, up to the end of the line, of its output, or of the time it has."""
        assert stdout is not None
        said, deadline = b"", time.monotonic() + START_SECONDS
        while not said.endswith(b"\n"):
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            part = os.read(stdout.fileno(), 4096)
            if not part:
                break
            said += part
        return said.decode()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, signal_number: int) -> None:
        assert self._process is not None
        self._process.send_signal(signal_number)

    def wait(self) -> int:
        """The exit status of one that ends by itself."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Asks it to stop and waits; the exit status. Fails when that takes longer than is promised."""
        assert self._process is not None
        self._process.send_signal(signal_number)
        try:
            return self._process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL; nothing when it has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if self._errors is not None:
            self._errors.close()
        self.ready_line = ""


class KubectlError(AssertionError):
    """kubectl failed where a test wanted it to work."""


@dataclass(frozen=True)
class Kubectl:
    """The real kubectl (or helm), with a kubeconfig and a home of its own."""

    program: Path
    kubeconfig: Path
    home: Path

    def run(
        self, *arguments: str, stdin: str = "", seconds: float = 60.0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs it to its end, whatever that is."""
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "PATH": os.environ["PATH"], **(env or {})}
        return subprocess.run(
            [str(self.program), *arguments], input=stdin, capture_output=True, text=True, timeout=seconds, env=own
        )

    def __call__(
        self, *arguments: str, stdin: str = "", seconds: float = 60.0, env: dict[str, str] | None = None
    ) -> str:
        """What it prints on standard output; raises when it fails."""
        done = self.run(*arguments, stdin=stdin, seconds=seconds, env=env)
        if done.returncode != 0:
            raise KubectlError(
                f"kubectl {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What it prints on standard error when it fails, as it must."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} worked: {done.stdout}"
        return done.stderr

    def start(self, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """Runs it in the background (`get -w`, `rollout status`), its output in a file."""
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "PATH": os.environ["PATH"]}
        with output.open("wb") as out:
            return subprocess.Popen(
                [str(self.program), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=own
            )
