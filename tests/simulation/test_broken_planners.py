"""Each property can fail: a controller that is broken on purpose is caught, and by the property that is about it.

Each test puts one wrong piece in the place of a right one and lets the smaller machine run, with a fixed seed and few examples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from everynode.controllers.daemonset import ledger, plan, shell
from everynode.controllers.daemonset.observe import DaemonSetStatus
from everynode.controllers.daemonset.placement import State, Verdict
from everynode.controllers.daemonset.tally import Tally
from tests.simulation.machine import Rollouts
from tests.simulation.stage import NotConverged, NotQuiet
from tests.simulation.witness import BudgetExceeded, OutOfPlace, Violation, WrongStatus

# No shrinking: that it is found is what counts.
FEW = settings(
    derandomize=True,
    max_examples=100,
    stateful_step_count=20,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`broken(what, where, name, wrong)`: with the wrong piece in place the machine must raise that violation."""

    def catch(violation: type[Violation], where: Any, name: str, wrong: Any) -> None:
        monkeypatch.setattr(where, name, wrong)
        with pytest.raises(violation):
            run_state_machine_as_test(Rollouts, settings=FEW)

    return catch


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

    broken(BudgetExceeded, plan.Strategy, "budgets", one_more)


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

    broken(BudgetExceeded, plan, "scaled", all_at_once)


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

    def forgets_to_take_away(self: Tally, verdict: Verdict, one: int) -> None:
        right(self, verdict, one)
        if one < 0 and verdict.available:
            self.available += 1

    broken(WrongStatus, Tally, "_count", forgets_to_take_away)


def test_a_status_of_stale_counts(broken: Callable[..., None]) -> None:
    right, last = shell.status_of, dict[int, DaemonSetStatus]()

    def one_behind(tally: Tally, observed_generation: int, collision_count: int | None) -> DaemonSetStatus:
        now = right(tally, observed_generation, collision_count)
        before = last.get(id(tally), now)
        last[id(tally)] = now
        return msgspec.structs.replace(before, observed_generation=observed_generation)

    broken(WrongStatus, shell, "status_of", one_behind)


def test_misplaced_pods_are_left_where_they_are(broken: Callable[..., None]) -> None:
    broken(NotConverged, plan, "_doomed", lambda tally: iter(()))


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
