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


def test_what_outlives_a_full_collection_is_not_looked_at_again() -> None:
    kept = [[number] for number in range(1000)]
    gc.collect()
    assert not gc.get_objects(generation=2)
    assert len(kept) == 1000


def test_a_cycle_that_had_settled_goes_when_as_much_has_settled_anew() -> None:
    link = Link()
    link.other = link
    gc.collect()
    watched = weakref.ref(link)
    del link
    gc.collect()
    assert watched() is not None, "it has settled, so nobody looks at it"
    kept = [[number] for number in range(collector.FEW + 1)]
    gc.collect()
    gc.collect()
    assert watched() is None
    assert len(kept) > collector.FEW


def test_tuning_twice_is_tuning_once() -> None:
    before = len(gc.callbacks)
    collector.tune()
    assert len(gc.callbacks) == before
