"""Reads a kubeconfig: which server, what to trust, and who to be.

In: a file as kubectl reads it, and the name of a context (empty: its current one). Out: a `Connection` with the
certificates themselves, whether they were named by path (relative to the file) or written in it. Understood are client
certificates, bearer tokens and token files; any other way to log in (a password, an exec plugin, an auth provider) and a
proxy are refused by name, for leaving them out would make somebody else of the caller.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(Exception):
    """The file cannot be read, says nothing usable, or asks for something that is not supported."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an API server. `ca`, `certificate` and `key` are PEM; empty ones are not used."""

    server: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    insecure: bool = False
    namespace: str = "default"


_UNSUPPORTED_USER = ("username", "password", "exec", "auth-provider", "as", "as-uid", "as-groups", "as-user-extra")
_UNSUPPORTED_CLUSTER = ("proxy-url", "tls-server-name")


def load(path: Path | str, context: str = "") -> Connection:
    """The connection that a context of the file describes. Raises KubeconfigError."""
    file = Path(path).expanduser()
    try:
        config = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise KubeconfigError(f"{file}: {error.strerror or error}") from error
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{file}: not YAML: {error}") from error
    try:
        return _connection(_mapping(config, "the file"), context, file.parent)
    except KubeconfigError as error:
        raise KubeconfigError(f"{file}: {error}") from error.__cause__


def _connection(config: dict[str, Any], wanted: str, folder: Path) -> Connection:
    wanted = wanted or config.get("current-context") or ""
    if not wanted:
        raise KubeconfigError("no context was named and current-context is not set")
    context = _named(config, "context", wanted)
    cluster = _named(config, "cluster", context.get("cluster", ""))
    user = _named(config, "user", context["user"]) if context.get("user") else {}
    _refuse(cluster, "cluster", _UNSUPPORTED_CLUSTER)
    _refuse(user, "user", _UNSUPPORTED_USER)
    server = cluster.get("server")
    if not server:
        raise KubeconfigError(f'cluster "{context.get("cluster")}" has no server')
    token = user.get("token") or ""
    if not token and user.get("tokenFile"):
        token = _read(folder / user["tokenFile"]).decode().strip()
    return Connection(
        server=server,
        ca=_content(cluster, "certificate-authority", folder),
        certificate=_content(user, "client-certificate", folder),
        key=_content(user, "client-key", folder),
        token=token,
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        namespace=context.get("namespace") or "default",
    )


def _named(config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The entry of `contexts`, `clusters` or `users` with this name."""
    for entry in config.get(f"{kind}s") or ():
        if _mapping(entry, f"an entry of {kind}s").get("name") == name:
            return _mapping(entry.get(kind) or {}, f'{kind} "{name}"')
    raise KubeconfigError(f'there is no {kind} "{name}"')


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KubeconfigError(f"{what} is not a mapping")
    return value


def _refuse(entry: dict[str, Any], kind: str, fields: tuple[str, ...]) -> None:
    for field in fields:
        if entry.get(field):
            raise KubeconfigError(f"{kind}: {field} is not supported")


def _content(entry: dict[str, Any], field: str, folder: Path) -> bytes:
    """What `FIELD-data` holds in base64, or what the file at `FIELD` holds; empty if neither is given."""
    data = entry.get(f"{field}-data")
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise KubeconfigError(f"{field}-data is not base64: {error}") from error
    return _read(folder / entry[field]) if entry.get(field) else b""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror or error}") from error
