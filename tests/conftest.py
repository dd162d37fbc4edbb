"""Fixtures for tests that run everynode and kubectl as a person does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import ROOT, Kubectl, Up


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder that holds the real kubectl and helm; fetched when they are not there."""
    done = subprocess.run([sys.executable, str(ROOT / "tools/kubectl.py")], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts `everynode up` with the options given, on a data directory of this test; ended with the test."""
    running: list[Up] = []

    def start(*options: str, data_dir: Path | None = None) -> Up:
        one = Up(data_dir or tmp_path / "data", options)
        running.append(one)
        return one.start()

    yield start
    for one in running:
        one.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `everynode up --nodes 5` for all tests of a file."""
    one = Up(tmp_path_factory.mktemp("cluster") / "data", ("--nodes", "5")).start()
    yield one
    one.kill()


@pytest.fixture(scope="module")
def kubectl(cluster: Up, programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl against `cluster`."""
    return Kubectl(programs / "kubectl", cluster.kubeconfig, tmp_path_factory.mktemp("home"))
