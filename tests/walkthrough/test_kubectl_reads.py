"""What kubectl shows of a cluster: get in every output, describe, explain, discovery."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.running import Kubectl
from tests.walkthrough import page
from tests.walkthrough.page import DS, NAME, NAMESPACE, OLD
from tests.walkthrough.waiting import eventually


@pytest.fixture(scope="module")
def ds(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl with the page's DaemonSet rolled out."""
    kubectl("apply", "-f", str(page.write(tmp_path_factory.mktemp("manifests"))))
    kubectl("rollout", "status", DS, *NAMESPACE, "--timeout=60s")
    return kubectl


MACHINE = "INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME"
COUNTS = "DESIRED CURRENT READY UP-TO-DATE AVAILABLE"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (("nodes",), "NAME STATUS ROLES AGE VERSION"),
        (("nodes", "-o", "wide"), f"NAME STATUS ROLES AGE VERSION {MACHINE}"),
        (("pods", *NAMESPACE), "NAME READY STATUS RESTARTS AGE"),
        (("pods", *NAMESPACE, "-o", "wide"), "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES"),
        (("pods", "-A"), "NAMESPACE NAME READY STATUS RESTARTS AGE"),
        (("ds", *NAMESPACE), f"NAME {COUNTS} NODE SELECTOR AGE"),
        (("ds", *NAMESPACE, "-o", "wide"), f"NAME {COUNTS} NODE SELECTOR AGE CONTAINERS IMAGES SELECTOR"),
        (("controllerrevisions", *NAMESPACE), "NAME CONTROLLER REVISION AGE"),
        (("events", *NAMESPACE), "LAST SEEN TYPE REASON OBJECT MESSAGE"),
        (("namespaces",), "NAME STATUS AGE"),
        (("cm", *NAMESPACE), "NAME DATA AGE"),
        (("sa", *NAMESPACE), "NAME SECRETS AGE"),
        (("svc",), "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE"),
        (("leases", "-n", "kube-node-lease"), "NAME HOLDER AGE"),
        (("priorityclasses",), "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_columns(ds: Kubectl, what: tuple[str, ...], expected: str) -> None:
    words = ds("get", *what).splitlines()[0].split()
    assert words == expected.split()


def test_rows(ds: Kubectl) -> None:
    nodes = ds("get", "nodes", "--no-headers").splitlines()
    assert [line.split()[:3] for line in nodes] == [[f"node-{n:05}", "Ready", "<none>"] for n in range(5)]
    row = ds("get", "ds", *NAMESPACE, "--no-headers").split()
    assert row[:7] == [NAME, "5", "5", "5", "5", "5", "<none>"]
    pods = ds("get", "pods", *NAMESPACE, "--no-headers").splitlines()
    assert [line.split()[1:4] for line in pods] == [["1/1", "Running", "0"]] * 5
    revision = ds("get", "controllerrevisions", *NAMESPACE, "--no-headers").split()
    assert revision[1:3] == [f"daemonset.apps/{NAME}", "1"]
    assert set(ds("get", "ns", "-o", "name").split()) >= {
        f"namespace/{name}" for name in ("default", "kube-system", "kube-public", "kube-node-lease")
    }


def test_outputs(ds: Kubectl) -> None:
    as_json = json.loads(ds("get", DS, *NAMESPACE, "-o", "json"))
    as_yaml = yaml.safe_load(ds("get", DS, *NAMESPACE, "-o", "yaml"))
    assert as_json == as_yaml
    assert as_json["status"]["numberReady"] == 5
    assert ds("get", DS, *NAMESPACE, "-o", "name") == f"daemonset.apps/{NAME}\n"
    assert ds("get", DS, *NAMESPACE, "-o", "jsonpath={.spec.template.spec.containers[0].image}") == OLD
    custom = ds("get", "pods", *NAMESPACE, "-o", "custom-columns=NODE:.spec.nodeName,PHASE:.status.phase")
    assert sorted(custom.splitlines())[0].split() == ["NODE", "PHASE"]
    assert sorted(custom.splitlines())[1:] == [f"node-{n:05}   Running" for n in range(5)]


def test_selecting_and_sorting(ds: Kubectl) -> None:
    by_label = ds("get", "pods", "-A", "-l", f"name={NAME}", "-o", "name").split()
    assert len(by_label) == 5
    assert ds("get", "pods", "-A", "-l", f"name!={NAME}", "-o", "name") == ""
    by_node = ds("get", "pods", "-A", "--field-selector", "spec.nodeName=node-00003", "-o", "name").split()
    assert len(by_node) == 1
    assert by_node[0] in by_label
    sorted_pods = ds("get", "pods", *NAMESPACE, "--sort-by=.spec.nodeName", "-o", "wide", "--no-headers").splitlines()
    assert [line.split()[6] for line in sorted_pods] == [f"node-{n:05}" for n in range(5)]
    assert len(ds("get", "pods", *NAMESPACE, "--chunk-size=2", "-o", "name").split()) == 5


def test_get_all_and_labels(ds: Kubectl) -> None:
    everything = ds("get", "all", *NAMESPACE)
    assert f"daemonset.apps/{NAME}" in everything
    assert f"pod/{NAME}-" in everything
    assert "service/kubernetes" in ds("get", "all")
    assert "kubernetes.io/hostname=node-00000" in ds("get", "nodes", "--show-labels")


def test_watching(ds: Kubectl, tmp_path: Path) -> None:
    output = tmp_path / "watched"
    watching = ds.start("get", "cm", "-w", "-n", "default", output=output)
    try:
        eventually(output.read_text, lambda text: "kube-root-ca.crt" in text)
        ds("create", "configmap", "seen", "--from-literal=a=b")
        eventually(output.read_text, lambda text: re.search(r"^seen +1 ", text, re.M) is not None)
    finally:
        watching.kill()
        watching.wait()
        ds("delete", "configmap", "seen")
    assert output.read_text().count("NAME") == 1


def test_describe(ds: Kubectl) -> None:
    told = ds("describe", DS, *NAMESPACE)
    for line in (
        f"Name:           {NAME}",
        "Namespace:      kube-system",
        f"Selector:       name={NAME}",
        "Node-Selector:  <none>",
        "Labels:         k8s-app=fluentd-logging",
        "Desired Number of Nodes Scheduled: 5",
        "Current Number of Nodes Scheduled: 5",
        "Number of Nodes Scheduled with Up-to-date Pods: 5",
        "Number of Nodes Scheduled with Available Pods: 5",
        "Number of Nodes Misscheduled: 0",
        "Pods Status:  5 Running / 0 Waiting / 0 Succeeded / 0 Failed",
    ):
        assert line in told.splitlines(), told
    assert "SuccessfulCreate" in told
    assert "daemonset-controller" in told
    assert "Created pod: fluentd-elasticsearch-" in told
    pod = ds("get", "pods", *NAMESPACE, "-o", "name").split()[0]
    told = ds("describe", pod, *NAMESPACE)
    assert re.search(rf"Controlled By:\s+DaemonSet/{NAME}", told)
    assert re.search(r"Successfully assigned kube-system/\S+ to node-", told)
    assert re.search(r"node\.kubernetes\.io/not-ready:NoExecute op=Exists", told)
    told = ds("describe", "node", "node-00001")
    assert re.search(r"Ready\s+True .*kubelet is posting ready status", told)
    assert re.search(rf"kube-system\s+{NAME}-", told)


def test_explain(ds: Kubectl) -> None:
    told = ds("explain", "daemonset", "--recursive")
    assert told.startswith("GROUP:      apps\nKIND:       DaemonSet\nVERSION:    v1\n")
    assert "maxUnavailable\t<IntOrString>" in told
    field = ds("explain", "ds.spec.updateStrategy.rollingUpdate.maxSurge")
    assert "FIELD: maxSurge <IntOrString>" in field


def test_what_is_served(ds: Kubectl) -> None:
    resources = ds("api-resources", "-o", "name").split()
    assert {"pods", "nodes", "daemonsets.apps", "controllerrevisions.apps", "leases.coordination.k8s.io"} <= set(
        resources
    )
    assert set(ds("api-versions").split()) >= {"v1", "apps/v1", "events.k8s.io/v1", "scheduling.k8s.io/v1"}
    version = json.loads(ds("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "37")
    assert "Kubernetes control plane" in ds("cluster-info")
    assert "is running at" in ds("cluster-info")
    assert ds("auth", "can-i", "delete", "ds") == "yes\n"
    assert "everynode-admin" in ds("auth", "whoami")


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("logs",), "is simulated and runs no containers"),
        (("exec",), "is simulated and runs no containers"),
        (("port-forward",), "is simulated and runs no containers"),
        (("top", "pods"), "Metrics API not available"),
    ],
    ids=["logs", "exec", "port-forward", "top"],
)
def test_what_needs_containers_is_refused(ds: Kubectl, verb: tuple[str, ...], said: str) -> None:
    pod = ds("get", "pods", *NAMESPACE, "-o", "name").split()[0]
    rest = {"logs": (pod,), "exec": (pod, "--", "true"), "port-forward": (pod, "0:80"), "top": ()}[verb[0]]
    assert said in ds.refused(*verb, *NAMESPACE, *rest)
