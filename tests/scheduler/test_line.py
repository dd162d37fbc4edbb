"""Who is looked at next."""

from __future__ import annotations

from everynode.scheduler.line import ByPriority

PRIORITIES = {"low": -5, "first": 0, "second": 0, "high": 2_000_001_000}


def test_the_highest_priority_comes_first_and_of_equals_the_earliest() -> None:
    line = ByPriority(PRIORITIES.__getitem__)
    for key in ("low", "second", "first", "high"):
        line.append(key)
    assert len(line) == 4
    assert [line.popleft() for _ in range(4)] == ["high", "second", "first", "low"]
    assert not line
