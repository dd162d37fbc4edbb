"""The page, command by command, in its own order, with the real kubectl: create, check, update, watch, undo, clean up."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Kubectl
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE, NEW, OLD
from tests.walkthrough.waiting import eventually

STRATEGY = 'go-template={{.spec.updateStrategy.type}}{{"\\n"}}'


@pytest.fixture
def ds(kubectl: Kubectl, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl with the page's DaemonSet rolled out; gone afterwards."""
    kubectl("apply", "-f", str(page.write(tmp_path)))
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    yield kubectl
    kubectl("delete", "ds", NAME, *NAMESPACE, "--ignore-not-found")
    kubectl("wait", "--for=delete", "pods", "-l", f"name={NAME}", *NAMESPACE, "--timeout=60s")


def images(kubectl: Kubectl) -> list[str]:
    """The images of the DaemonSet's pods that are not ending."""
    template = "{range .items[*]}{.spec.containers[0].image}{'\\n'}{end}"
    return kubectl("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", f"jsonpath={template}").split()


@pytest.mark.parametrize("verb", ["create", "apply"])
def test_creating_the_daemon_set(kubectl: Kubectl, tmp_path: Path, verb: str) -> None:
    assert kubectl(verb, "-f", str(page.write(tmp_path))) == f"daemonset.apps/{NAME} created\n"
    assert kubectl("get", DS, *NAMESPACE, "-o", STRATEGY) == "RollingUpdate\n"
    told = kubectl("rollout", "status", DS, *NAMESPACE)
    assert told.endswith(f'daemon set "{NAME}" successfully rolled out\n')
    assert images(kubectl) == [OLD] * 5
    assert kubectl("delete", "ds", NAME, *NAMESPACE) == f'daemonset.apps "{NAME}" deleted from kube-system namespace\n'
    eventually(lambda: images(kubectl), lambda seen: not seen)


@pytest.mark.parametrize("where", ["client", "server"])
def test_checking_a_manifest_without_creating_it(kubectl: Kubectl, tmp_path: Path, where: str) -> None:
    manifest = str(page.write(tmp_path))
    assert kubectl("apply", "-f", manifest, f"--dry-run={where}", "-o", STRATEGY) == "RollingUpdate\n"
    assert "NotFound" in kubectl.refused("get", DS, *NAMESPACE)


def test_apply_from_a_folder_standard_input_and_a_url(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = page.write(tmp_path)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{manifest.name}"
        assert kubectl("apply", "-f", url).endswith("created\n")
        server.shutdown()
    assert kubectl("apply", "-f", str(tmp_path)).endswith("unchanged\n")
    assert kubectl("apply", "-f", "-", stdin=manifest.read_text()).endswith("unchanged\n")
    assert kubectl("delete", "-f", str(manifest)).startswith(f'daemonset.apps "{NAME}" deleted')


def test_updating_by_apply(ds: Kubectl, tmp_path: Path) -> None:
    update = str(page.write(tmp_path, update=True))
    assert f"{NAME}" in ds.run("diff", "-f", update).stdout
    assert ds("apply", "-f", update) == f"daemonset.apps/{NAME} configured\n"
    assert "successfully rolled out" in ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    limits = "jsonpath={.items[*].spec.containers[0].resources.limits.memory}"
    pods = ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", limits)
    assert pods.split() == ["200Mi"] * 5


def test_updating_by_edit(ds: Kubectl, tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text(f"#!/bin/sh\nsed -i 's#{OLD}#{NEW}#' \"$1\"\n")
    editor.chmod(0o755)
    told = ds("edit", DS, *NAMESPACE, env={"KUBE_EDITOR": str(editor)})
    assert told == f"daemonset.apps/{NAME} edited\n"
    assert "successfully rolled out" in ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert images(ds) == [NEW] * 5
    again = ds.run("edit", DS, *NAMESPACE, env={"KUBE_EDITOR": str(editor)})
    assert "no changes made" in again.stdout + again.stderr


def test_updating_only_the_image_and_watching_it_pass(ds: Kubectl) -> None:
    told = ds("set", "image", DS, f"{NAME}={NEW}", *NAMESPACE)
    assert told == f"daemonset.apps/{NAME} image updated\n"
    lines = ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s").splitlines()
    assert lines[-1] == f'daemon set "{NAME}" successfully rolled out'
    allowed = (
        "Waiting for daemon set spec update to be observed...",
        f'Waiting for daemon set "{NAME}" rollout to finish',
    )
    assert all(line.startswith(allowed) for line in lines[:-1])
    assert images(ds) == [NEW] * 5
    wrong = ds.refused("set", "image", DS, "nobody=x:1", *NAMESPACE)
    assert 'unable to find container named "nobody"' in wrong


def test_history_undo_and_restart(ds: Kubectl) -> None:
    ds("annotate", DS, "kubernetes.io/change-cause=the first", *NAMESPACE)
    ds("set", "image", DS, f"{NAME}={NEW}", *NAMESPACE)
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    history = ds("rollout", "history", DS, *NAMESPACE)
    assert history.splitlines()[:2] == [f"daemonset.apps/{NAME} ", "REVISION  CHANGE-CAUSE"]
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    second = ds("rollout", "history", DS, *NAMESPACE, "--revision=2")
    assert second.startswith(f"daemonset.apps/{NAME} with revision #2\nPod Template:\n")
    assert NEW in second
    assert "unable to find the specified revision" in ds.refused("rollout", "history", DS, *NAMESPACE, "--revision=9")

    dry = ds("rollout", "undo", DS, *NAMESPACE, "--dry-run=client")
    assert dry.startswith(f"daemonset.apps/{NAME} will roll back to Pod Template:")
    assert ds("rollout", "undo", DS, *NAMESPACE, "--dry-run=server") == (
        f"daemonset.apps/{NAME} rolled back (server dry run)\n"
    )
    assert ds("rollout", "undo", DS, *NAMESPACE) == f"daemonset.apps/{NAME} rolled back\n"
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert images(ds) == [OLD] * 5
    numbers = [line.split()[0] for line in ds("rollout", "history", DS, *NAMESPACE).splitlines()[2:] if line]
    assert numbers == ["2", "3"]
    skipped = ds("rollout", "undo", DS, *NAMESPACE, "--to-revision=3")
    assert skipped == f"daemonset.apps/{NAME} skipped rollback (current template already matches revision 3)\n"
    assert ds("rollout", "undo", DS, *NAMESPACE, "--to-revision=2") == f"daemonset.apps/{NAME} rolled back\n"
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert images(ds) == [NEW] * 5
    missing = ds.refused("rollout", "undo", DS, *NAMESPACE, "--to-revision=99")
    assert "unable to find specified revision 99 in history" in missing

    names = ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name")
    assert ds("rollout", "restart", DS, *NAMESPACE) == f"daemonset.apps/{NAME} restarted\n"
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert not set(names.split()) & set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split())
    assert "pausing is not supported" in ds.refused("rollout", "pause", DS, *NAMESPACE)


def test_undo_needs_something_to_go_back_to(ds: Kubectl) -> None:
    assert "no last revision to roll back to" in ds.refused("rollout", "undo", DS, *NAMESPACE)


def test_on_delete_waits_for_a_person(ds: Kubectl) -> None:
    patch = '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
    ds("patch", DS, *NAMESPACE, "--type=merge", "-p", patch)
    ds("set", "image", DS, f"{NAME}={NEW}", *NAMESPACE)
    status = ds.refused("rollout", "status", DS, *NAMESPACE)
    assert "rollout status is only available for RollingUpdate strategy type" in status
    observed = ("get", DS, *NAMESPACE, "-o", "jsonpath={.metadata.generation}={.status.observedGeneration}")
    eventually(lambda: ds(*observed).split("="), lambda seen: seen[0] == seen[1])
    assert images(ds) == [OLD] * 5
    victim = ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()[0]
    ds("delete", victim, *NAMESPACE)
    eventually(lambda: sorted(images(ds)), lambda seen: seen == [OLD] * 4 + [NEW])
