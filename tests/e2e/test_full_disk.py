"""A disk that is full in the middle of a rollout: what a person sees, and that nothing is lost or left behind.

Writes are refused by name, reads and watches go on, kill -9 changes nothing about it, and when there is room again the rollout
goes on to its end without anybody's help.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import MERGE, Outside
from tests.e2e.test_crash import CONFIG_MAPS, DAEMON_SETS, PODS, Census, daemon_set, node_of
from tests.running import Kubectl, Up

NODES = 6
ROOM = 12 * 1024 * 1024
RULES = "rules:\n- readySeconds: 0.5\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory on a file system of its own that is soon full."""
    place = tmp_path / "data"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class Disk:
    """Fills a file system to the last byte, and empties it."""

    def __init__(self, place: Path) -> None:
        self._ballast = place / "ballast"

    def fill(self) -> None:
        for size in (65536, 1):
            with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
                while file.write(b"x" * size) == size:
                    pass

    def empty(self) -> None:
        self._ballast.unlink()


def write_until_refused(outside: Outside, acknowledged: dict[str, str]) -> str:
    """Creates large objects until the server takes no more; what it says then."""
    for _ in range(1000):
        name = f"c-{len(acknowledged)}"
        body = {"metadata": {"name": name}, "data": {"k": "v" * 50_000}}
        code, answer = outside.call("POST", CONFIG_MAPS, body)
        if code != 201:
            assert (code, answer["reason"]) == (503, "ServiceUnavailable")
            message: str = answer["message"]
            return message
        acknowledged[name] = answer["metadata"]["resourceVersion"]
    raise AssertionError("the disk is never full")


def standing(outside: Outside) -> dict[str, str]:
    """The objects of `write_until_refused` that are there."""
    items = outside.must("GET", CONFIG_MAPS)["items"]
    found = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}
    return {name: revision for name, revision in found.items() if name.startswith("c-")}


def updated(outside: Outside) -> int:
    found = outside.must("GET", f"{DAEMON_SETS}/d")
    told = found["status"]
    current = told.get("observedGeneration") == found["metadata"]["generation"]
    return told.get("updatedNumberScheduled", 0) if current else 0


def until(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def image(version: str) -> dict[str, object]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": version}]}}}}


def test_a_disk_that_is_full_in_the_middle_of_a_rollout(
    disk: Path, tmp_path: Path, programs: Path, up: Callable[..., Up]
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    options = ("--nodes", str(NODES), "--simulation", str(rules))
    running = up(*options, data_dir=disk)
    outside, space = Outside(running.kubeconfig), Disk(disk)
    home = tmp_path / "home"
    home.mkdir()
    own_config = home / "config"
    own_config.write_bytes(running.kubeconfig.read_bytes())
    kubectl = Kubectl(programs / "kubectl", own_config, home)

    manifest = daemon_set("v0")
    manifest["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = 1
    outside.must("POST", DAEMON_SETS, manifest)
    kubectl("rollout", "status", "daemonset/d")
    census = Census(outside, None)
    census.start()

    outside.must("PATCH", f"{DAEMON_SETS}/d", image("v1"), MERGE)
    waiting = kubectl.start("rollout", "status", "daemonset/d", output=tmp_path / "rollout")
    until(lambda: updated(outside) >= 1, "the rollout begins")
    acknowledged: dict[str, str] = {}
    space.fill()
    message = write_until_refused(outside, acknowledged)
    path = disk / "store.db"
    assert message == f"the store takes no writes: {path}: database or disk is full; reads go on"
    told_before = len(running.log.splitlines())

    # What a person sees.
    refused = kubectl.refused("create", "configmap", "more")
    assert refused == f"error: failed to create configmap: {message}\n"
    refused = kubectl.refused("delete", "daemonset", "d")
    assert refused == f"Error from server (ServiceUnavailable): {message}\n"
    red = kubectl.refused("get", "--raw", "/readyz")
    assert f'"[+]ping ok\\n[-]store failed: {path}: database or disk is full\\nreadyz check failed"' in red
    assert kubectl("get", "--raw", "/livez") == "ok"
    assert len(kubectl("get", "nodes", "--no-headers").splitlines()) == NODES
    stuck = updated(outside)
    time.sleep(2)
    assert updated(outside) == stuck < NODES
    assert waiting.poll() is None
    assert standing(outside) == acknowledged
    # It tells of it once, whoever tries whatever how often.
    assert running.log.count("writes are refused until there is room") == 1
    assert len(running.log.splitlines()) - told_before < 5, running.log

    # Nobody writes but the cluster itself.
    space.empty()
    until(lambda: kubectl.run("get", "--raw", "/readyz").returncode == 0, "readyz turns green")
    assert waiting.wait(60) == 0, (tmp_path / "rollout").read_text()
    assert "successfully rolled out" in (tmp_path / "rollout").read_text()
    assert standing(outside) == acknowledged
    kubectl("create", "configmap", "more")
    assert running.log.count("there is room again") == 1
    assert census.is_alive(), "a watch goes on through all of it"
    assert census.crowded == []

    # And now with a crash, and a start, while it is full.
    outside.must("PATCH", f"{DAEMON_SETS}/d", image("v2"), MERGE)
    space.fill()
    write_until_refused(outside, acknowledged)
    running.kill()
    census.join()
    running = up(*options, "--listen", running.url.removeprefix("https://"), data_dir=disk)
    outside = Outside(own_config)
    assert standing(outside) == acknowledged
    space.empty()
    kubectl("rollout", "status", "daemonset/d", seconds=60)
    assert standing(outside) == acknowledged
    pods = outside.must("GET", PODS)["items"]
    assert {(node_of(pod), pod["spec"]["containers"][0]["image"]) for pod in pods} == {
        (f"node-{n:05}", "v2") for n in range(NODES)
    }
    assert len(pods) == NODES
    assert "Traceback" not in running.log
    assert running.stop() == 0
