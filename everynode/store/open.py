"""Opens the store that `--store` names."""

from __future__ import annotations

from pathlib import Path

from everynode.store.contract import FacetsOf, Store, StoreUnavailable
from everynode.store.memory import memory_store
from everynode.store.sqlite import sqlite_store


def open_store(url_or_kind: str, data_dir: Path, facets_of: FacetsOf) -> Store:
    """`sqlite` (under `data_dir`, which is created and locked) or `memory`. Raises StoreUnavailable with one clear line."""
    scheme, is_url, _ = url_or_kind.partition("://")
    if url_or_kind == "memory":
        return memory_store(facets_of)
    if url_or_kind == "sqlite":
        return sqlite_store(data_dir, facets_of)
    if is_url and scheme == "etcd":
        raise StoreUnavailable(f"store {url_or_kind!r}: etcd is not supported yet; use sqlite or memory")
    raise StoreUnavailable(f"store {url_or_kind!r} is not known; use sqlite or memory")
