"""Reads a dump: what `kubectl get … -o yaml` or `-o json` printed, one object, a List, or several documents in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from everynode.explain.evidence import Evidence

_KINDS = {
    "DaemonSet": "daemon_sets",
    "ControllerRevision": "revisions",
    "Pod": "pods",
    "Node": "nodes",
    "Event": "events",
    "PodDisruptionBudget": "budgets",
}
_NEEDED = ("DaemonSet", "Pod", "Node")


class DumpUnusable(Exception):
    """A file cannot be read, or holds nothing that could be explained."""


def read_dump(files: Iterable[Path]) -> Evidence:
    """The objects of all files together; kinds that say nothing of a rollout are passed over. Raises DumpUnusable."""
    evidence = Evidence()
    for file in files:
        for one in _objects(file):
            field = _KINDS.get(one.get("kind", ""))
            if field is not None:
                getattr(evidence, field).append(msgspec.json.encode(one))
    if not evidence.daemon_sets:
        raise DumpUnusable(
            "there is no DaemonSet in the dump (kubectl get ds,pods,nodes,controllerrevisions,events -o yaml)"
        )
    for kind, field in _KINDS.items():
        if not getattr(evidence, field):
            evidence.unread[kind] = "none in the dump" + (
                "; the answer rests on what is there" if kind in _NEEDED else ""
            )
    return evidence


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DumpUnusable(f"{file}: {error}") from error
    try:
        documents = [msgspec.json.decode(text)] if text.lstrip().startswith("{") else list(_yaml(text))
    except (yaml.YAMLError, msgspec.DecodeError) as error:
        raise DumpUnusable(f"{file}: neither JSON nor YAML: {error}") from error
    for document in documents:
        if not isinstance(document, dict):
            continue
        items = document.get("items")
        if isinstance(items, list):
            kind = str(document.get("kind", "")).removesuffix("List")
            yield from ({"kind": kind, **item} for item in items if isinstance(item, dict))
        else:
            yield document


def _yaml(text: str) -> Iterator[Any]:
    # The C loader, where PyYAML has it, is ten times as fast; times stay text, as they are in JSON.
    yield from yaml.load_all(text, Loader=_Loader)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # one of two classes
    """Reads YAML as JSON would be read: a time is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
