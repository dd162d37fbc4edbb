from __future__ import annotations

import pytest

from everynode.controllers.nodelifecycle.health import GRACE, STARTUP_GRACE, Health, grace_of


@pytest.mark.parametrize(
    ("reports", "lease_duration", "grace"),
    [(True, None, GRACE), (False, None, STARTUP_GRACE), (True, 10, GRACE), (True, 800, 800), (False, 800, 800)],
)
def test_grace_follows_what_the_node_has_promised(reports: bool, lease_duration: int | None, grace: float) -> None:
    assert grace_of(reports=reports, lease_duration=lease_duration) == grace


def test_a_node_is_silent_once_its_grace_is_over_and_until_it_is_heard_of() -> None:
    health = Health()
    health.hear("a", 40, 0)
    health.hear("b", 40, 1)
    health.hear("slow", 100, 0)
    assert health.overdue(40) == []
    health.hear("a", 40, 30)
    assert health.overdue(41.5) == ["b"]
    assert health.is_silent("b")
    assert not health.is_silent("a")
    assert health.overdue(50) == []
    health.hear("b", 40, 60)
    assert not health.is_silent("b")
    assert health.overdue(71) == ["a"]
    assert sorted(health.overdue(101)) == ["b", "slow"]


def test_another_grace_counts_from_when_it_was_heard_of() -> None:
    health = Health()
    health.hear("a", 60, 0)
    health.hear("a", 40, 30)
    assert health.overdue(69) == []
    assert health.overdue(71) == ["a"]


def test_who_is_gone_is_not_missed() -> None:
    health = Health()
    for name in ("a", "b"):
        health.hear(name, 40, 0)
    health.forget("a")
    assert "a" not in health
    assert health.overdue(41) == ["b"]
    health.forget("b")
    health.forget("b")
    assert health.overdue(1000) == []


def test_an_amnesty_gives_all_a_whole_grace() -> None:
    health = Health()
    health.hear("a", 40, 0)
    health.hear("b", 40, 10)
    assert health.overdue(41) == ["a"]
    health.amnesty(45)
    assert not health.is_silent("a")
    assert health.overdue(84) == []
    health.hear("b", 40, 84)
    assert health.overdue(86) == ["a"]


def test_hearing_of_a_node_looks_at_no_other() -> None:
    """Rows stay in order whatever is heard when, so only the first of each is ever looked at."""
    health = Health()
    for turn in range(5):
        for number in range(100):
            health.hear(f"n{number}", 40 if number % 2 else 80, turn * 10 + number / 100)
    assert health.overdue(80) == []
    assert health.overdue(80.3) == [f"n{number}" for number in range(1, 30, 2)]
