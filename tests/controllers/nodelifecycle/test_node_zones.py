from __future__ import annotations

import pytest

from everynode.controllers.nodelifecycle.zones import (
    RATE,
    REDUCED_RATE,
    Eviction,
    Limiter,
    Outage,
    Shift,
    Standing,
    Zones,
    outage_of,
    rate_of,
)


@pytest.mark.parametrize(
    ("ready", "unready", "outage"),
    [
        (0, 0, Outage.NONE),
        (3, 0, Outage.NONE),
        (0, 1, Outage.FULL),
        (1, 2, Outage.NONE),
        (2, 3, Outage.PARTIAL),
        (3, 3, Outage.NONE),
        (45, 55, Outage.PARTIAL),
        (46, 54, Outage.NONE),
        (0, 100, Outage.FULL),
    ],
)
def test_how_much_of_a_zone_is_down(ready: int, unready: int, outage: Outage) -> None:
    assert outage_of(ready, unready) is outage


@pytest.mark.parametrize(
    ("outage", "size", "rate"),
    [
        (Outage.NONE, 1000, RATE),
        (Outage.FULL, 3, RATE),
        (Outage.PARTIAL, 50, 0.0),
        (Outage.PARTIAL, 51, REDUCED_RATE),
    ],
)
def test_the_pace_of_a_zone(outage: Outage, size: int, rate: float) -> None:
    assert rate_of(outage, size) == rate


def test_a_limiter_lets_one_through_and_then_keeps_its_pace() -> None:
    limiter = Limiter(0.1, 0)
    assert [limiter.take(now) for now in (0, 1, 9, 10, 11, 100, 100)] == [True, False, False, True, False, True, False]


def test_a_limiter_that_stood_still_begins_with_a_whole_turn() -> None:
    limiter = Limiter(0.1, 0)
    limiter.swap(0.0, 5)
    assert not limiter.take(1000)
    limiter.swap(0.1, 1000)
    assert not limiter.take(1009)
    assert limiter.take(1010)


def ready(zone: str = "z") -> Standing:
    return Standing(zone, True, True, False)


def failed(zone: str = "z") -> Standing:
    return Standing(zone, True, False, True)


def tainted(zone: str = "z") -> Standing:
    return Standing(zone, True, False, False)


def fleet(count: int, down: int, zone: str = "z", zones: Zones | None = None) -> Zones:
    """A settled zone of `count` nodes, of which the first `down` have failed."""
    zones = zones or Zones()
    for number in range(count):
        zones.put(f"{zone}{number}", ready(zone), 0)
    zones.settle(0)
    for number in range(down):
        zones.put(f"{zone}{number}", failed(zone), 0)
    zones.settle(0)
    return zones


def test_failed_nodes_have_their_turn_one_after_another() -> None:
    zones = fleet(10, 3)
    assert zones.admit(0) == ["z0"]
    assert zones.eviction("z0") is Eviction.DUE
    assert zones.eviction("z1") is Eviction.WAITS
    assert [zones.admit(now) for now in (5, 10, 15, 20)] == [[], ["z1"], [], ["z2"]]
    zones.put("z0", tainted(), 21)
    assert zones.eviction("z0") is Eviction.WAITS
    assert zones.admit(100) == []


def test_who_recovers_or_goes_gives_up_its_turn() -> None:
    zones = fleet(10, 4)
    zones.admit(0)
    zones.put("z1", ready(), 1)
    zones.put("z2", None, 1)
    assert zones.admit(10) == ["z3"]


def test_zones_do_not_wait_for_each_other() -> None:
    zones = fleet(10, 2, "b", fleet(10, 2, "a"))
    assert sorted(zones.admit(0)) == ["a0", "b0"]


def test_a_small_zone_that_is_mostly_down_stops_and_a_large_one_slows() -> None:
    small = fleet(10, 6, "small", fleet(10, 0, "other"))
    assert small.admit(0) == []
    assert small.admit(1000) == []
    small.put("small5", ready("small"), 1000)
    assert small.settle(1000) is Shift.NONE
    assert [small.admit(now) for now in (1009, 1010)] == [[], ["small0"]]
    large = fleet(100, 60, "large")
    assert [large.admit(now) for now in (0, 50, 100)] == [["large0"], [], ["large1"]]


def test_a_zone_that_is_all_down_among_others_goes_on_as_usual() -> None:
    zones = fleet(3, 3, "dead", fleet(3, 0, "alive"))
    assert [zones.admit(now) for now in (0, 10, 20)] == [["dead0"], ["dead1"], ["dead2"]]


def test_nobody_is_tainted_while_no_zone_has_a_ready_node() -> None:
    zones = fleet(3, 2, "b", fleet(3, 2, "a"))
    assert sorted(zones.admit(0)) == ["a0", "b0"]
    for name in ("a2", "b2"):
        zones.put(name, failed(name[0]), 1)
    assert zones.settle(1) is Shift.ALL_DOWN
    assert zones.eviction("a0") is Eviction.OFF
    assert zones.admit(1000) == []
    zones.put("c", failed("c"), 1000)
    assert zones.settle(1000) is Shift.NONE
    assert zones.admit(2000) == []
    zones.put("a2", ready("a"), 2000)
    assert zones.settle(2000) is Shift.SOME_UP
    # Who had its turn, and lost its taint with the outage, waits again.
    assert zones.eviction("a0") is Eviction.WAITS
    assert zones.admit(2009) == []
    assert sorted(zones.admit(2010)) == ["a1", "b1", "c"]


def test_a_cluster_without_nodes_is_not_down() -> None:
    zones = fleet(1, 1)
    assert zones.all_down
    zones.put("z0", None, 1)
    zones.settle(1)
    assert not zones.all_down


def test_an_excluded_node_does_not_count_and_has_its_turn_all_the_same() -> None:
    zones = fleet(3, 0)
    for number in range(10):
        zones.put(f"virtual{number}", Standing("z", False, False, True), 0)
    assert zones.settle(0) is Shift.NONE
    assert zones.admit(0) == ["virtual0"]
    assert zones.admit(10) == ["virtual1"]


def test_a_node_that_moves_to_another_zone_waits_there() -> None:
    zones = fleet(10, 2)
    zones.admit(0)
    zones.put("z1", failed("other"), 1)
    zones.put("here", ready("other"), 1)
    zones.settle(1)
    assert zones.admit(1) == ["z1"]
