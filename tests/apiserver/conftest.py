from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from everynode.apiserver.facets import facets
from everynode.store.open import open_store
from tests.apiserver.caller import Caller


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[Caller]:
    """An API server over an empty memory store."""
    store = open_store("memory", tmp_path, facets)
    yield Caller(store)
    await store.close()


@pytest.fixture
async def core(api: Caller) -> str:
    """The path of the core collections of a namespace `default` that is ready for pods."""
    return await api.namespace()
