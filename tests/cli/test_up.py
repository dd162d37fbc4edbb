"""`everynode up` from outside: its options, messages, exit statuses and what outlasts it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from everynode.cli.up import default_data_dir
from tests.running import ROOT, Kubectl, Up, command


def failing(*options: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and standard error of an `everynode up` that must not start; it prints nothing on standard output."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(
        command("up", *options), capture_output=True, text=True, timeout=30, cwd=ROOT, env=environment
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_it_is_ready_serves_and_stops(up: Callable[..., Up], programs: Path, tmp_path: Path) -> None:
    running = up("--nodes", "2")
    assert running.ready_line.startswith("everynode is ready")
    assert running.ready_line.count("\n") == 1
    kubectl = Kubectl(programs / "kubectl", running.kubeconfig, tmp_path)
    nodes = kubectl("get", "nodes", "-o", "name").split()
    assert nodes == ["node/node-00000", "node/node-00001"]
    assert running.stop(signal.SIGTERM) == 0
    assert "Traceback" not in running.log


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_the_kubeconfig_is_private_and_complete(up: Callable[..., Up], store: str) -> None:
    running = up("--store", store, "--nodes", "0")
    assert stat.S_IMODE(running.kubeconfig.stat().st_mode) == 0o600
    config = yaml.safe_load(running.kubeconfig.read_text())
    assert config["current-context"] == "everynode"
    for section in ("clusters", "users", "contexts"):
        assert [each["name"] for each in config[section]] == ["everynode"]
    assert config["clusters"][0]["cluster"]["server"] == running.url


def test_everything_is_still_there_after_a_restart(up: Callable[..., Up], programs: Path, tmp_path: Path) -> None:
    first = up("--nodes", "1")
    kubeconfig = first.kubeconfig.read_text().replace(first.url, "")
    kubectl = Kubectl(programs / "kubectl", first.kubeconfig, tmp_path)
    kubectl("create", "configmap", "kept", "--from-literal=a=b")
    uid = kubectl("get", "node", "node-00000", "-o", "jsonpath={.metadata.uid}")
    assert first.stop(signal.SIGINT) == 0
    second = up("--nodes", "1")
    assert second.kubeconfig.read_text().replace(second.url, "") == kubeconfig
    assert kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"
    assert kubectl("get", "node", "node-00000", "-o", "jsonpath={.metadata.uid}") == uid


def test_a_stop_ends_watches_in_time(up: Callable[..., Up], programs: Path, tmp_path: Path) -> None:
    running = up("--nodes", "1")
    kubectl = Kubectl(programs / "kubectl", running.kubeconfig, tmp_path)
    watching = kubectl.start("get", "nodes", "-w", output=tmp_path / "watch")
    while b"node-00000" not in (tmp_path / "watch").read_bytes():
        assert watching.poll() is None
    assert running.stop() == 0
    watching.kill()
    watching.wait()


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_a_data_dir_in_use_is_refused(up: Callable[..., Up], store: str) -> None:
    running = up("--store", store, "--nodes", "0")
    before = running.kubeconfig.read_bytes()
    status, errors = failing("--data-dir", str(running.data_dir), "--store", store, "--listen", "127.0.0.1:0")
    assert status == 1
    assert errors == f"everynode: data directory {running.data_dir} is in use by process {running.pid}\n"
    assert running.kubeconfig.read_bytes() == before


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, errors = failing("--data-dir", str(tmp_path), "--listen", f"127.0.0.1:{port}")
    assert status == 1
    assert errors.splitlines()[-1] == f"everynode: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("etcd://127.0.0.1:2379", "etcd is not supported yet"),
        ("postgres://x", "is not known"),
    ],
)
def test_a_store_that_is_not_supported_is_refused_by_name(tmp_path: Path, store: str, why: str) -> None:
    status, errors = failing("--data-dir", str(tmp_path), "--store", store)
    assert status == 1
    assert errors.startswith("everynode: store ")
    assert why in errors
    assert errors.count("\n") == 1


def test_a_data_dir_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, errors = failing("--data-dir", str(tmp_path / "file" / "below"))
    assert status == 1
    assert errors.startswith(f"everynode: data directory {tmp_path}/file/below")
    assert errors.count("\n") == 1


def test_wrong_simulation_rules_are_refused(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("no: [rules")
    status, errors = failing("--data-dir", str(tmp_path / "data"), "--simulation", str(rules))
    assert status == 1
    assert errors.startswith(f"everynode: simulation {rules}: ")


@pytest.mark.parametrize(
    "options",
    [
        ("--nodes", "-1"),
        ("--nodes", "many"),
        ("--listen", "nowhere"),
        ("--listen", "127.0.0.1:65536"),
        ("--listen", "::1:80"),
        ("--simulation", "/not/there"),
        ("--unknown",),
        ("argument",),
    ],
)
def test_bad_usage_is_exit_status_2(options: tuple[str, ...]) -> None:
    status, errors = failing(*options)
    assert status == 2
    assert "Error:" in errors


def test_a_kubeconfig_that_is_named_keeps_what_it_holds(up: Callable[..., Up], tmp_path: Path) -> None:
    named = tmp_path / "config"
    other = {"name": "work", "cluster": {"server": "https://work.example"}}
    named.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": [other], "current-context": "x"})
    )
    running = up("--nodes", "0", "--kubeconfig", str(named))
    config = yaml.safe_load(named.read_text())
    assert [each["name"] for each in config["clusters"]] == ["work", "everynode"]
    assert config["current-context"] == "everynode"
    assert not running.kubeconfig.exists()


def test_without_a_data_dir_it_uses_the_users_own(
    tmp_path: Path, up: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "everynode"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".local/share/everynode"
