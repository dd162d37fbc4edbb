"""The page's manifests as files of a test, in our own writing: the same objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import everynode

MANIFESTS = Path(everynode.__file__).parent / "cli" / "manifests"
NAME = "fluentd-elasticsearch"
DS = f"ds/{NAME}"
NAMESPACE = ("-n", "kube-system")
OLD = "quay.io/fluentd_elasticsearch/fluentd:v2.5.2"
NEW = "quay.io/fluentd_elasticsearch/fluentd:v2.6.0"


def read(name: str) -> dict[str, Any]:
    """A packaged manifest."""
    manifest: dict[str, Any] = yaml.safe_load((MANIFESTS / name).read_text())
    return manifest


def write(folder: Path, *, update: bool = False, **changes: Any) -> Path:
    """The manifest (or its update) as a file; `changes` are set in the spec."""
    path = folder / ("fluentd-daemonset-update.yaml" if update else "fluentd-daemonset.yaml")
    manifest = read(path.name)
    manifest["spec"] |= changes
    path.write_text(yaml.safe_dump(manifest))
    return path
