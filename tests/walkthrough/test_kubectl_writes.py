"""What kubectl changes in a cluster (labels, taints, patches, replacements, deletions), and what is refused, in what words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.running import Kubectl
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE, NEW
from tests.walkthrough.waiting import eventually


@pytest.fixture
def ds(kubectl: Kubectl, tmp_path: Path) -> Iterator[Kubectl]:
    """kubectl with the page's DaemonSet rolled out; gone afterwards."""
    kubectl("apply", "-f", str(page.write(tmp_path)))
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    yield kubectl
    kubectl("delete", "ds", NAME, *NAMESPACE, "--ignore-not-found")
    kubectl("wait", "--for=delete", "pods", "-l", f"name={NAME}", *NAMESPACE, "--timeout=60s")


def desired(kubectl: Kubectl) -> str:
    return kubectl("get", DS, *NAMESPACE, "-o", "jsonpath={.status.desiredNumberScheduled}")


def test_labels_and_annotations(ds: Kubectl) -> None:
    assert ds("label", DS, "tier=logs", *NAMESPACE) == f"daemonset.apps/{NAME} labeled\n"
    assert "already has a value" in ds.refused("label", DS, "tier=other", *NAMESPACE)
    ds("label", DS, "tier=other", "--overwrite", *NAMESPACE)
    ds("annotate", DS, "note=written", *NAMESPACE)
    metadata = json.loads(ds("get", DS, *NAMESPACE, "-o", "json"))["metadata"]
    assert metadata["labels"]["tier"] == "other"
    assert metadata["annotations"]["note"] == "written"
    ds("label", DS, "tier-", *NAMESPACE)
    assert ds("get", "ds", *NAMESPACE, "-l", "tier", "-o", "name") == ""


def test_a_selector_and_labels_of_nodes_move_pods(ds: Kubectl) -> None:
    patch = '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}'
    ds("patch", DS, *NAMESPACE, "-p", patch)
    eventually(lambda: desired(ds), lambda seen: seen == "0")
    ds("label", "node", "node-00001", "disk=ssd")
    eventually(lambda: desired(ds), lambda seen: seen == "1")
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    where = ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert where == "node-00001"
    ds("label", "node", "node-00001", "disk-")
    eventually(lambda: ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name"), lambda seen: not seen)


def test_taints_and_cordons(ds: Kubectl) -> None:
    ds("taint", "node", "node-00002", "gpu=yes:NoExecute")
    eventually(lambda: desired(ds), lambda seen: seen == "4")
    assert "gpu=yes:NoExecute" in ds("describe", "node", "node-00002")
    ds("taint", "node", "node-00002", "gpu-")
    eventually(lambda: desired(ds), lambda seen: seen == "5")
    assert ds("cordon", "node-00003") == "node/node-00003 cordoned\n"
    assert "Ready,SchedulingDisabled" in ds("get", "node", "node-00003")
    # A daemon pod is not kept away by a cordon.
    victim = ds("get", "pods", *NAMESPACE, "--field-selector", "spec.nodeName=node-00003", "-o", "name").split()[0]
    ds("delete", victim, *NAMESPACE)
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    eventually(
        lambda: ds("get", "pods", *NAMESPACE, "--field-selector", "spec.nodeName=node-00003", "-o", "name").split(),
        lambda seen: len(seen) == 1 and seen != [victim],
    )
    ds("uncordon", "node-00003")
    assert "SchedulingDisabled" not in ds("get", "node", "node-00003")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("strategic", '{"spec":{"template":{"spec":{"containers":[{"name":"fluentd-elasticsearch","image":"%s"}]}}}}'),
        ("merge", '{"spec":{"template":{"metadata":{"annotations":{"image":"%s"}}}}}'),
        ("json", '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"%s"}]'),
    ],
)
def test_patches(ds: Kubectl, kind: str, patch: str) -> None:
    command = ("patch", DS, *NAMESPACE, f"--type={kind}", "-p", patch % NEW)
    assert ds(*command) == f"daemonset.apps/{NAME} patched\n"
    # Once its status is at rest too, the same again changes nothing.
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert ds(*command) == f"daemonset.apps/{NAME} patched (no change)\n"
    template = ds("get", DS, *NAMESPACE, "-o", "jsonpath={.spec.template}")
    assert NEW in template
    # A strategic merge keeps what else the container has.
    assert "/var/log" in template


def test_replace_and_scale(ds: Kubectl, tmp_path: Path) -> None:
    manifest = page.write(tmp_path, minReadySeconds=1)
    assert ds("replace", "-f", str(manifest)) == f"daemonset.apps/{NAME} replaced\n"
    assert ds("get", DS, *NAMESPACE, "-o", "jsonpath={.spec.minReadySeconds}") == "1"
    assert "could not find the requested resource" in ds.refused("scale", DS, "--replicas=2", *NAMESPACE)


def test_what_is_posted_as_protobuf(kubectl: Kubectl) -> None:
    assert kubectl("create", "namespace", "team") == "namespace/team created\n"
    told = kubectl("create", "configmap", "settings", "-n", "team", "--from-literal=colour=red")
    assert told == "configmap/settings created\n"
    assert kubectl("get", "cm", "settings", "-n", "team", "-o", "jsonpath={.data.colour}") == "red"
    kubectl("create", "secret", "generic", "key", "-n", "team", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "robot", "-n", "team")
    eventually(
        lambda: kubectl("get", "sa,cm", "-n", "team", "-o", "name").split(),
        lambda seen: {"serviceaccount/default", "configmap/kube-root-ca.crt"} <= set(seen),
    )
    assert kubectl("delete", "namespace", "team") == 'namespace "team" deleted\n'
    assert "NotFound" in kubectl.refused("get", "namespace", "team")


def test_deleting_pods_brings_new_ones(ds: Kubectl) -> None:
    before = set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split())
    ds("delete", "pods", *NAMESPACE, "-l", f"name={NAME}")
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    after = eventually(
        lambda: set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()),
        lambda seen: len(seen) == 5,
    )
    assert not before & after


def test_cascades(ds: Kubectl, tmp_path: Path) -> None:
    before = set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split())
    ds("delete", DS, *NAMESPACE, "--cascade=orphan")
    assert set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()) == before
    # The same DaemonSet again adopts them without a restart.
    ds("apply", "-f", str(page.write(tmp_path)))
    ds("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    assert set(ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()) == before
    ds("delete", DS, *NAMESPACE, "--cascade=foreground")
    assert ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name") == ""


def test_waiting(ds: Kubectl) -> None:
    told = ds("wait", DS, *NAMESPACE, "--for=jsonpath={.status.numberReady}=5", "--timeout=30s")
    assert told == f"daemonset.apps/{NAME} condition met\n"
    pod = ds("get", "pods", *NAMESPACE, "-l", f"name={NAME}", "-o", "name").split()[0]
    assert ds("wait", pod, *NAMESPACE, "--for=condition=Ready") == f"{pod} condition met\n"
    ds("delete", pod, *NAMESPACE, "--wait=false")
    ds("wait", pod, *NAMESPACE, "--for=delete", "--timeout=30s")


def test_server_side_apply(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = page.write(tmp_path)
    assert kubectl("apply", "--server-side", "-f", str(manifest)) == f"daemonset.apps/{NAME} serverside-applied\n"
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    generation = ("get", DS, *NAMESPACE, "-o", "jsonpath={.metadata.generation}")
    assert kubectl(*generation) == "1"
    assert kubectl("apply", "--server-side", "-f", str(manifest)) == f"daemonset.apps/{NAME} serverside-applied\n"
    assert kubectl(*generation) == "1"
    page.write(tmp_path, minReadySeconds=1)
    kubectl("apply", "--server-side", "-f", str(manifest))
    assert kubectl("get", DS, *NAMESPACE, "-o", "jsonpath={.spec.minReadySeconds}") == "1"
    page.write(tmp_path)
    kubectl("apply", "--server-side", "-f", str(manifest))
    # What its manager does not apply any more is gone.
    assert kubectl("get", DS, *NAMESPACE, "-o", "jsonpath={.spec.minReadySeconds}") == ""
    kubectl("delete", "-f", str(manifest))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"selector": {"matchLabels": {"a": "b"}}}, "`selector` does not match template `labels`"),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}, "Required value: cannot be 0 when maxSurge is 0"),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, "may not be set when maxUnavailable is non-zero"),
        ({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, "must not be greater than 100%"),
        ({"updateStrategy": {"type": "Sometimes"}}, "spec.updateStrategy: Unsupported value: "),
        ({"minReadySeconds": -1}, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({"minReadySeconds": "soon"}, "Go struct field DaemonSetSpec.spec.minReadySeconds of type int32"),
        ({"minreadySeconds": 1}, 'unknown field "spec.minreadySeconds"'),
    ],
)  # fmt: skip
def test_bad_manifests_are_refused_by_the_server(kubectl: Kubectl, tmp_path: Path, change: dict, said: str) -> None:
    manifest = page.read("fluentd-daemonset.yaml")
    manifest["spec"] |= change
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(manifest))
    assert said in kubectl.refused("create", "-f", str(path))
    assert "NotFound" in kubectl.refused("get", DS, *NAMESPACE)


def test_a_selector_never_changes(ds: Kubectl) -> None:
    patch = '{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}}}}}'
    assert "spec.selector: Invalid value: " in ds.refused("patch", DS, *NAMESPACE, "-p", patch)
    assert "field is immutable" in ds.refused("patch", DS, *NAMESPACE, "-p", patch)
