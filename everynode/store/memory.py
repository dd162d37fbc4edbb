"""The memory store: everything a store promises but survival. For tests, rehearsals and throw-away clusters."""

from __future__ import annotations

from everynode.store.contract import FacetsOf
from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore


def memory_store(facets_of: FacetsOf) -> LocalStore:
    """An empty store that lasts as long as the process."""
    return LocalStore(NoJournal(), facets_of)
