"""Values at rest are kept packed, and nobody who reads them can tell."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.store.journal import NoJournal
from everynode.store.local import LocalStore
from everynode.store.packing import FITS, LEAST, SERVES, Pattern, Patterns
from everynode.store.sqlite import SQLiteJournal
from tests.store.facet_words import terms_in

KIND = "core/pods/"
COMMON = " ".join(str(number * number) for number in range(400))


def like(number: int) -> bytes:
    """One of many values of 2 KB that differ in a few places."""
    return f"a:{number} {COMMON} and again {number}".encode()


def noise(seed: int) -> bytes:
    """A value that is like no other."""
    return random.Random(seed).randbytes(2 * LEAST)


@given(st.binary(max_size=100_000), st.binary(max_size=100_000))
def test_every_value_is_had_back_whatever_the_pattern(text: bytes, value: bytes) -> None:
    for window in (12, 15):
        pattern = Pattern(text, window)
        assert pattern.unpack(pattern.pack(value)) == value


def test_a_value_like_the_one_before_becomes_a_tenth() -> None:
    patterns = Patterns()
    assert patterns.pack(KIND, like(0)) is None
    packed = patterns.pack(KIND, like(1))
    assert packed is not None
    assert len(packed[0]) * 10 < len(like(1))
    assert packed[1].unpack(packed[0]) == like(1)


def test_what_is_short_or_like_no_other_stays_as_it_is() -> None:
    patterns = Patterns()
    assert [patterns.pack(KIND, value) for value in (b"short", noise(1), noise(2), noise(3))] == [None] * 4


def test_a_kind_that_becomes_another_has_another_pattern() -> None:
    patterns = Patterns()
    patterns.pack(KIND, noise(0))
    outcomes = [patterns.pack(KIND, like(number)) for number in range(2 * SERVES)]
    assert outcomes[-1] is not None
    assert len(outcomes[-1][0]) * 10 < len(like(0))


def test_values_that_come_in_turns_do_not_each_become_a_pattern() -> None:
    patterns = Patterns()
    kinds = [noise(1) + COMMON.encode(), COMMON.encode() + noise(2)]
    outcomes = [patterns.pack(KIND, kinds[number % 2]) for number in range(100 * SERVES)]
    distinct = {id(outcome[1]) for outcome in outcomes if outcome is not None}
    assert len(distinct) <= 100


async def test_what_the_history_let_go_of_is_kept_packed_and_read_as_it_was_written() -> None:
    store = LocalStore(NoJournal(), terms_in, history_events=10)
    watch = store.watch("")
    for number in range(100):
        await store.write(f"core/pods/a/{number:03}", like(number))
    page = await store.range("core/pods/", terms=["a"])
    assert [entry.value for entry in page.entries] == [like(number) for number in range(100)]
    plain = [entry for entry in page.entries if entry.pattern is None]
    # Those of the history, and the pattern itself.
    assert [entry.key[-3:] for entry in plain] == ["000", *[f"{number:03}" for number in range(90, 100)]]
    assert all(len(entry.stored) * FITS < len(entry.value) for entry in page.entries if entry.pattern is not None)
    await store.write("core/pods/a/005", None)
    gone = (await watch.next())[-1]
    assert gone.before is not None
    assert gone.before.value == like(5)
    assert (await store.range("core/pods/", revision=store.revision - 1)).entries == page.entries


async def test_what_is_loaded_is_packed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everynode.store.sqlite.FORGET_TOGETHER", 1)
    store = LocalStore(SQLiteJournal(tmp_path), terms_in, history_events=10)
    for number in range(100):
        await store.write(f"core/pods/a/{number:03}", like(number))
    before = (await store.range("")).entries
    await store.close()
    store = LocalStore(SQLiteJournal(tmp_path), terms_in, history_events=10)
    after = (await store.range("")).entries
    assert after == before
    assert sum(len(entry.stored) for entry in after) < 20 * len(like(0))
    await store.close()
