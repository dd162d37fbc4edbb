"""`everynode up` on a machine that fails it: damaged files, a failing disk, few descriptors.

What cannot go on says why in one line and ends with exit status 1; what was acknowledged is there when the fault is gone.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_up import failing
from tests.e2e.outside import CUT_OFF, Outside
from tests.running import Up

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def scribble(path: Path, at: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(what)


def overwrite_value(store: Path) -> None:
    scribble(store, store.read_bytes().rindex(b'"kind":"Namespace"'), b'}}}}"kind":"Namespa')


DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no database": ("store.db", lambda path: path.write_bytes(b"x" * 8192), "file is not a database"),
    "cut off": ("store.db", lambda path: path.write_bytes(path.read_bytes()[:9000]), "malformed"),
    "an object": (
        "store.db",
        overwrite_value,
        "is not what was written; put a good copy in its place, or move it away",
    ),
    "a directory": ("store.db", lambda path: (path.unlink(), path.mkdir()), "is not a file"),
    "only the log": ("store.db", lambda path: path.rename(path.with_name("store.db-wal")), "store.db is gone"),
    "certificate": ("pki/server.crt", lambda path: path.write_text("none"), "certificates in"),
    "authority": ("pki/ca.crt", lambda path: path.write_text("none"), "certificates in"),
    "kubeconfig": ("kubeconfig", lambda path: path.write_text("{{{"), "is not YAML; it is left as it is"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_named_in_one_line(up: Callable[..., Up], what: str) -> None:
    running = up("--nodes", "0")
    assert running.stop() == 0
    name, damage, why = DAMAGE[what]
    damage(running.data_dir / name)
    status, errors = failing("--data-dir", str(running.data_dir), "--listen", "127.0.0.1:0")
    assert status == 1
    assert errors.startswith("everynode: ")
    assert why in errors
    assert errors.count("\n") == 1


def test_a_failing_disk_stops_it_and_loses_nothing(up: Callable[..., Up]) -> None:
    running = up("--nodes", "1")
    outside = Outside(running.kubeconfig)
    # No file may grow beyond this: a write that fails for another cause than a full disk (docs/decisions/0005).
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    acknowledged = {}
    with contextlib.suppress(*CUT_OFF):
        for number in range(100):
            body = {"metadata": {"name": f"c{number}"}, "data": {"k": "v" * 50_000}}
            code, answer = outside.call("POST", CONFIG_MAPS, body)
            if code != 201:
                assert (code, answer["reason"]) == (503, "ServiceUnavailable")
                assert "the store has failed" in answer["message"]
                break
            acknowledged[f"c{number}"] = answer["metadata"]["resourceVersion"]
    assert running.wait() == 1
    assert running.log.splitlines()[-1].startswith("everynode: the store failed: ")
    assert "Traceback" not in running.log
    assert 0 < len(acknowledged) < 100
    again = Outside(up("--nodes", "1").kubeconfig)
    items = again.must("GET", CONFIG_MAPS)["items"]
    standing = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}
    standing.pop("kube-root-ca.crt", None)
    assert standing == acknowledged


def test_it_takes_all_the_descriptors_that_it_may_have(up: Callable[..., Up]) -> None:
    """A shell allows 1,024 unless it is asked for more, and every watch is one."""
    mine = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, mine[1]))
    try:
        running = up("--nodes", "0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, mine)
    assert resource.prlimit(running.pid, resource.RLIMIT_NOFILE) == (mine[1], mine[1])
