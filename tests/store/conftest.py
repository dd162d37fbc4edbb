"""Every backend that has to keep the store's contract, opened the same way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from everynode.store.journal import Journal, NoJournal
from everynode.store.local import LocalStore
from everynode.store.sqlite import SQLiteJournal
from tests.store.facet_words import terms_in
from tests.store.filling import Filling

OpenStore = Callable[..., LocalStore]


@pytest.fixture
def media() -> list[Filling]:
    """The media of the stores that were opened, in their order."""
    return []


@pytest.fixture(params=["memory", "sqlite"])
async def open_local(request: pytest.FixtureRequest, tmp_path: Path, media: list[Filling]) -> AsyncIterator[OpenStore]:
    """Opens stores of one kind with the bounds a test wants, each in a directory of its own."""
    opened: list[LocalStore] = []

    def open_one(**bounds: int) -> LocalStore:
        journal: Journal = NoJournal()
        if request.param == "sqlite":
            journal = SQLiteJournal(tmp_path / str(len(opened)))
        media.append(Filling(journal))
        opened.append(LocalStore(media[-1], terms_in, **bounds))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def store(open_local: OpenStore) -> LocalStore:
    return open_local()
