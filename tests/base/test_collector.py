"""The tuned collector: what stays is looked at once, and cycles go all the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from everynode.base import collector


class Link:
    """Part of a cycle."""

    def __init__(self) -> None:
        self.other: Link | None = None


@pytest.fixture(autouse=True)
def tuned() -> Iterator[None]:
    """The tuning is the process's: afterwards it is as it was."""
    threshold, callbacks = gc.get_threshold(), list(gc.callbacks)
    collector.tune()
    yield
    gc.callbacks[:] = callbacks
    gc.set_threshold(*threshold)
    gc.unfreeze()


def cycle() -> weakref.ref[Link]:
    one, two = Link(), Link()
    one.other, two.other = two, one
    return weakref.ref(one)


def test_a_cycle_is_collected() -> None:
    dropped = cycle()
    gc.collect()
    assert dropped() is None


def test_what_a_long_collection_left_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "LONG", -1.0)
    kept = [[number] for number in range(1000)]
    gc.collect()
    assert not gc.get_objects(generation=2)
    assert len(kept) == 1000


def test_a_short_collection_settles_nothing_so_that_cycles_go_whenever_they_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collector, "LONG", 1e9)
    link = Link()
    link.other = link
    gc.collect()
    watched = weakref.ref(link)
    del link
    gc.collect()
    assert watched() is None


def test_tuning_twice_is_tuning_once() -> None:
    before = len(gc.callbacks)
    collector.tune()
    assert len(gc.callbacks) == before
