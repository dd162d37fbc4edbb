"""Each warden can fail: an eviction, a scheduler, a quota, a collector or a journal that is broken on purpose is caught.

As in test_broken_planners, on one fixed day on which nothing is found where nothing is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from everynode.apiserver import evicting
from everynode.apiserver.admission import quota
from everynode.controllers.disruption.tally import Tally
from everynode.controllers.podgc import shell as collector
from everynode.controllers.resourcequota import shell as counter
from everynode.scheduler import plan as placing
from everynode.scheduler import preempt
from everynode.store import sqlite
from tests.simulation.stage import Stage, Template
from tests.simulation.violations import (
    Abandoned,
    BudgetExceeded,
    Lost,
    OutOfPlace,
    QuotaExceeded,
    Violation,
    WrongStatus,
    WrongVictim,
)

TWO = ["node-00000", "node-00001"]


def a_crowded_day() -> None:
    """Evictions beyond a budget, pods that want the same room, more pods than a quota has, a node that goes, a crash."""
    stage = Stage(2, durable=True)
    try:
        stage.guard("agent", maxUnavailable=1)
        stage.create("agent", Template(priority="mid"))
        stage.advance(5)
        stage.evict(stage.pods("agent"), grace=5)
        stage.advance(10)
        for name in ("first", "second"):
            stage.bare_pod(f"{name}-port", TWO[0], port=8080, priority="mid", pinned=False)
            stage.bare_pod(f"{name}-large", TWO[0], cpu="2500m", priority="mid", pinned=False)
        stage.advance(5)
        stage.bare_pod("equal", TWO[0], cpu="2500m", priority="mid", pinned=False)
        stage.advance(5)
        stage.bound(pods="8")
        stage.advance(1)
        for number in range(2):
            stage.bare_pod(f"more-{number}", TWO[0], cpu="50m", pinned=False)
        stage.advance(5)
        stage.restart(crash=True)
        stage.delete_node(TWO[1])
        stage.advance(30)
        stage.roll("agent", "good:2")
        stage.rest()
    finally:
        stage.close()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`broken(violation, where, name, wrong)`: with the wrong piece in place the day must end in that violation."""

    def catch(violation: type[Violation], where: Any, name: str, wrong: Any) -> None:
        monkeypatch.setattr(where, name, wrong)
        with pytest.raises(violation):
            a_crowded_day()

    return catch


def test_nothing_is_found_where_nothing_is_broken() -> None:
    a_crowded_day()


def test_evictions_do_not_ask_what_their_budget_allows(broken: Callable[..., None]) -> None:
    broken(BudgetExceeded, evicting, "_check_allowance", lambda budget: None)


def test_a_pod_that_goes_counts_as_healthy(broken: Callable[..., None]) -> None:
    right = Tally.put

    def optimistic(self: Tally, pod: Any) -> bool:
        return False if pod.terminating else right(self, pod)

    broken(WrongStatus, Tally, "put", optimistic)


def test_equals_are_preempted(broken: Callable[..., None]) -> None:
    def equals_too(pod: Any, candidate: Any) -> dict[str, Any]:
        return {each.uid: each.taken for each in candidate.charges if each.taken.priority <= pod.spec.priority}

    broken(WrongVictim, preempt, "_lesser", equals_too)


def test_pods_are_bound_where_there_is_no_room(broken: Callable[..., None]) -> None:
    broken(OutOfPlace, placing, "filter_node", lambda demand, node, room: ())


def test_a_quota_lets_one_more_in(broken: Callable[..., None]) -> None:
    broken(QuotaExceeded, quota, "_refuse_beyond", lambda *judged: None)


def test_a_quota_s_status_is_not_written(broken: Callable[..., None]) -> None:
    broken(WrongStatus, counter, "status_change", lambda quota, tally: None)


def test_pods_of_a_node_that_is_gone_are_forgotten(broken: Callable[..., None]) -> None:
    async def idle(self: collector.PodGarbageCollector, name: str) -> None: ...

    broken(Abandoned, collector.PodGarbageCollector, "_collect_of_node", idle)


def test_pods_of_a_node_that_is_gone_are_collected_at_once(broken: Callable[..., None]) -> None:
    broken(OutOfPlace, collector, "QUARANTINE", 5.0)


def test_what_is_written_is_not_what_is_kept(broken: Callable[..., None]) -> None:
    right = sqlite._row

    def careless(event: Any) -> Any:
        revision, key, value, created, _ = right(event)
        value = value and value.replace(b'"phase":"Running"', b'"phase":"Pending"')
        return revision, key, value, created, sqlite.checksum(revision, key, value, created)

    broken(Lost, sqlite, "_row", careless)
