"""The FacetsOf of the store's tests."""

from __future__ import annotations

from everynode.store.contract import Facets


def terms_in(key: str, value: bytes) -> Facets:
    """A value is its terms, separated by spaces, then a colon and anything."""
    return tuple(value.partition(b":")[0].decode().split())
