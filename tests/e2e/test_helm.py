"""helm installs, upgrades, rolls back and uninstalls a chart with a DaemonSet; its releases are Secrets sent as protobuf."""

from __future__ import annotations

from pathlib import Path

from tests.running import Kubectl, Up

MANIFEST = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: "agent:{{ .Values.tag }}"}]}
"""


def test_a_release_from_its_installation_to_its_end(
    cluster: Up, kubectl: Kubectl, programs: Path, tmp_path: Path
) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: agent\nversion: 0.1.0\n")
    (chart / "values.yaml").write_text('tag: "1"\n')
    (chart / "templates" / "daemonset.yaml").write_text(MANIFEST)
    helm = Kubectl(programs / "helm", cluster.kubeconfig, tmp_path)
    image = ("get", "ds", "rel", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.numberAvailable}")
    waiting = ("--wait", "--timeout", "30s")

    assert "STATUS: deployed" in helm("install", "rel", str(chart), *waiting)
    assert kubectl(*image) == "agent:1 5"
    helm("upgrade", "rel", str(chart), "--set", "tag=2", *waiting)
    assert kubectl(*image) == "agent:2 5"
    helm("rollback", "rel", "1", *waiting)
    assert kubectl(*image) == "agent:1 5"
    assert len(helm("history", "rel").splitlines()) == 1 + 3
    helm("uninstall", "rel", "--wait")
    assert kubectl("get", "ds,secrets", "-o", "name") == ""
