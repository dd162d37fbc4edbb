"""Writes the kubeconfig with which an administrator reaches the cluster.

A file that holds other clusters (someone named their own `~/.kube/config`) keeps them; what is called `everynode` in it is
replaced and becomes the current context. Mode 0600, replaced at once.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from everynode.assemble.pki import Pki, write_file

NAME = "everynode"

# In the order, and with the names, that people know from their own.
_ALONE = """\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
"""


class KubeconfigUnwritable(Exception):
    """The file is there and is no kubeconfig, or it cannot be written. One clear line."""


def write(path: Path, server: str, pki: Pki) -> None:
    """Writes or completes the file at `path` for `server` (https://HOST:PORT). Raises KubeconfigUnwritable."""
    text = _ALONE.format(
        name=NAME,
        server=server,
        ca=_embedded(pki.ca),
        certificate=_embedded(pki.certificate("admin")),
        key=_embedded(pki.key("admin")),
    )
    try:
        before = path.read_text() if path.exists() else ""
        if before and not _is_ours_alone(before):
            text = _merged(path, before, text)
        if text == before:
            # A start on a full disk has nothing to write.
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigUnwritable(f"kubeconfig {path} cannot be written: {error}") from error


def _embedded(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()


def _is_ours_alone(text: str) -> bool:
    """Whether an earlier run of ours wrote the whole file, which saves reading it as YAML."""
    frame = _ALONE.format(name=NAME, server="", ca="", certificate="", key="").splitlines()
    lines = text.splitlines()
    return len(lines) == len(frame) and all(line.startswith(part) for line, part in zip(lines, frame, strict=True))


def _merged(path: Path, before: str, ours: str) -> str:
    """What was there, with our cluster, user and context in place of those of the same name."""
    import yaml

    try:
        document = yaml.safe_load(before)
    except yaml.YAMLError as error:
        raise KubeconfigUnwritable(f"kubeconfig {path} is there and is not YAML; it is left as it is") from error
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise KubeconfigUnwritable(f"{path} is there and is not a kubeconfig; it is left as it is")
    mine: dict[str, Any] = yaml.safe_load(ours)
    for section in ("clusters", "users", "contexts"):
        others = [each for each in document.get(section) or [] if each.get("name") != NAME]
        document[section] = others + mine[section]
    document["current-context"] = NAME
    return yaml.safe_dump(document, sort_keys=False)
