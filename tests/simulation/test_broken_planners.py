"""Each property can fail: a controller that is broken on purpose is caught, and by the property that is about it.

Each test puts one wrong piece in the place of a right one and drives the machine through one fixed, bad day, on which a sound
controller does well. So a test says the same whatever hypothesis would have chosen, and takes a second.

That the machine comes upon such days by itself is shown too: left to chance (with a seed that stays the same, so that no test
depends on luck), it finds each within the number of runs that every change of the code gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, seed, settings

from everynode.controllers.daemonset import ledger, plan, shell
from everynode.controllers.daemonset.observe import DaemonSetStatus
from everynode.controllers.daemonset.placement import State, Verdict
from everynode.controllers.daemonset.tally import Tally
from tests.simulation.machine import AnyWeather, Rollouts
from tests.simulation.recount import Json
from tests.simulation.stage import ON_DELETE, rolling
from tests.simulation.test_machine import PROFILES, run
from tests.simulation.violations import (
    BudgetExceeded,
    NotConverged,
    NotQuiet,
    OutOfPlace,
    Violation,
    WrongStatus,
)

FOUR = [f"node-{index:05d}" for index in range(4)]


def a_bad_day(strategy: Json) -> None:
    """Updates that go well and updates that do not, on nodes with wrong clocks and taints, and then rest."""
    weather = Rollouts()
    try:
        weather.begin(strategy, 5, nodes=4)
        stage = weather.stage
        stage.skew(FOUR[1], -300.0)
        stage.roll("one", "slow:2")
        stage.advance(100)
        for image in ("never:3", "never:4", "good:5", "good:6"):
            stage.roll("one", image)
            stage.advance(50)
        stage.taint(FOUR[3], "NoExecute")
        stage.advance(5)
        stage.taint(FOUR[3], "NoSchedule")
        stage.advance(5)
        stage.taint(FOUR[0], "NoExecute")
        stage.roll("one", "good:7")
        stage.advance(50)
    finally:
        weather.teardown()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`broken(what, where, name, wrong)`: with the wrong piece in place the day must end in that violation."""

    def catch(
        violation: type[Violation],
        where: Any,
        name: str,
        wrong: Any,
        strategy: Json | None = None,
    ) -> None:
        monkeypatch.setattr(where, name, wrong)
        with pytest.raises(violation):
            a_bad_day(strategy or rolling(1))
        with pytest.raises(violation):
            some_weather()

    return catch


def some_weather() -> None:
    """The machine, until it finds something; what it finds is not made smaller."""
    chance = settings(PROFILES["ci"], derandomize=False, phases=[Phase.generate], print_blob=False)
    run(seed(1)(AnyWeather), chance)


@pytest.mark.parametrize("strategy", [rolling(1), rolling("30%"), rolling(0, 1), ON_DELETE], ids=str)
def test_nothing_is_found_where_nothing_is_broken(strategy: Json) -> None:
    a_bad_day(strategy)


def test_one_too_many_unavailable(broken: Callable[..., None]) -> None:
    right = plan.Strategy.budgets

    def one_more(self: plan.Strategy, desired: int) -> tuple[int, int]:
        unavailable, surge = right(self, desired)
        return unavailable + bool(unavailable), surge

    broken(BudgetExceeded, plan.Strategy, "budgets", one_more)


def test_one_too_many_in_a_surge(broken: Callable[..., None]) -> None:
    right = plan.Strategy.budgets

    def one_more(self: plan.Strategy, desired: int) -> tuple[int, int]:
        unavailable, surge = right(self, desired)
        return unavailable, surge + bool(surge)

    broken(BudgetExceeded, plan.Strategy, "budgets", one_more, rolling(0, 1))


def test_old_pods_that_are_not_available_do_not_count(broken: Callable[..., None]) -> None:
    """What Kubernetes did before 1.31 (kubernetes#123232)."""
    counted = tuple(state for state in plan._UNAVAILABLE if state is not State.OLD_UNAVAILABLE)
    broken(BudgetExceeded, plan, "_UNAVAILABLE", counted)


def test_pods_that_have_just_been_deleted_do_not_count(broken: Callable[..., None]) -> None:
    """Planning on a view that does not show one's own writes yet."""
    counted = tuple(state for state in plan._UNAVAILABLE if state not in (State.UNSETTLED, State.BARE))
    broken(BudgetExceeded, plan, "_UNAVAILABLE", counted)


def test_percentages_are_rounded_the_wrong_way_to_all(broken: Callable[..., None]) -> None:
    def all_at_once(value: int | str, total: int, *, round_up: bool) -> int:
        return total if isinstance(value, str) else value

    broken(BudgetExceeded, plan, "scaled", all_at_once, rolling("30%"))


def test_the_node_s_clock_is_believed(broken: Callable[..., None]) -> None:
    """A node whose clock is behind makes its pods available at once."""

    def by_its_clock(self: ledger.Ledger, old: Any, new: Any, now: float) -> None:
        self._ready_since.pop(new.metadata.uid, None)
        if new.ready:
            self._ready_since[new.metadata.uid] = ledger._moment(new.status.ready_changed, now)

    broken(Violation, ledger.Ledger, "_note_ready", by_its_clock)


def test_a_terminating_pod_is_replaced_at_once(broken: Callable[..., None]) -> None:
    right = ledger.judge

    def hasty(rules: Any, name: str, node: Any, pods: Any, now: float, **facts: Any) -> Verdict:
        return right(rules, name, node, [pod for pod in pods if not pod.terminating], now, **facts)

    broken(OutOfPlace, ledger, "judge", hasty)


def test_pods_are_made_twice(broken: Callable[..., None]) -> None:
    right = shell.DaemonSetController._create

    async def twice(self: shell.DaemonSetController, books: Any, node: str) -> None:
        await right(self, books, node)
        await right(self, books, node)

    broken(OutOfPlace, shell.DaemonSetController, "_create", twice)


def test_pods_are_made_on_tainted_nodes(broken: Callable[..., None]) -> None:
    right = ledger.judge

    def regardless(rules: Any, name: str, node: Any, pods: Any, now: float, **facts: Any) -> Verdict:
        verdict = right(rules, name, node, pods, now, **facts)
        return msgspec.structs.replace(verdict, lacks_pod=verdict.lacks_pod or (verdict.should_continue and not pods))

    broken(OutOfPlace, ledger, "judge", regardless)


def test_the_tally_is_off_by_one(broken: Callable[..., None]) -> None:
    right = Tally._count

    def never_takes_away(self: Tally, verdict: Verdict, one: int) -> None:
        right(self, verdict, one)
        if one < 0:
            self.ready += verdict.ready

    broken(WrongStatus, Tally, "_count", never_takes_away)


def test_a_status_of_stale_counts(broken: Callable[..., None]) -> None:
    right, last = shell.status_of, dict[int, DaemonSetStatus]()

    def one_behind(tally: Tally, observed_generation: int, collision_count: int | None) -> DaemonSetStatus:
        now = right(tally, observed_generation, collision_count)
        before = last.get(id(tally), now)
        last[id(tally)] = now
        return msgspec.structs.replace(before, observed_generation=observed_generation)

    broken(WrongStatus, shell, "status_of", one_behind)


def test_a_node_is_forgotten(broken: Callable[..., None]) -> None:
    right = shell.DaemonSetController._create

    async def all_but_one(self: shell.DaemonSetController, books: Any, node: str) -> None:
        if node != FOUR[2]:
            await right(self, books, node)

    broken(NotConverged, shell.DaemonSetController, "_create", all_but_one)


def test_the_second_half_of_an_update_is_forgotten(broken: Callable[..., None]) -> None:
    broken(NotConverged, plan, "_roll", lambda tally, most: iter(()))


def test_an_annotation_is_rewritten_for_ever(broken: Callable[..., None]) -> None:
    right = shell.DaemonSetController._write_status

    async def restless(self: shell.DaemonSetController, books: Any, ds: Any) -> None:
        await right(self, books, ds)
        self._queue.add_after(books.key, 30.0)
        change = {"metadata": {"annotations": {"seen": str(self._clock.now())}}}
        await self._client.patch(shell.DAEMON_SETS, ds.metadata.name, change, ds.metadata.namespace)

    broken(NotQuiet, shell.DaemonSetController, "_write_status", restless)
