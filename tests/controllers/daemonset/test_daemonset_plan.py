"""What to do next: SEMANTICS 1.2 to 1.4 as tables, and what holds for every plan."""

from __future__ import annotations

import pytest

from everynode.controllers.daemonset.observe import RollingUpdate, UpdateStrategy
from everynode.controllers.daemonset.placement import Cause, judge
from everynode.controllers.daemonset.plan import BURST, Plan, Strategy, make_plan
from everynode.controllers.daemonset.tally import Tally
from tests.controllers.daemonset.daemon_facts import NOW, OLD, node, pod, rules

TAINTED = ("dedicated", "NoSchedule")

# What a letter says of a node and the pods on it.
KINDS = {
    ".": lambda n: (node(n), []),
    "n": lambda n: (node(n), [pod(f"n-{n}", on=n)]),
    "N": lambda n: (node(n), [pod(f"n-{n}", on=n, ready=False)]),
    "o": lambda n: (node(n), [pod(f"o-{n}", OLD, on=n)]),
    "O": lambda n: (node(n), [pod(f"o-{n}", OLD, on=n, ready=False)]),
    "t": lambda n: (node(n), [pod(f"t-{n}", OLD, on=n, terminating=True)]),
    "b": lambda n: (node(n), [pod(f"o-{n}", OLD, on=n), pod(f"n-{n}", on=n, ready=False)]),
    "d": lambda n: (node(n), [pod(f"o-{n}", OLD, on=n), pod(f"n-{n}", on=n)]),
    "l": lambda n: (node(n, {}, TAINTED), [pod(f"o-{n}", OLD, on=n)]),
    "L": lambda n: (node(n, {}, TAINTED), [pod(f"o-{n}", OLD, on=n, ready=False)]),
    "x": lambda n: (node(n, {}, TAINTED), []),
    # Its last write has not been seen yet.
    "u": lambda n: (node(n), [pod(f"o-{n}", OLD, on=n)]),
    "f": lambda n: (node(n), [pod(f"f-{n}", on=n, phase="Failed", ready=False)]),
}


def tally_of(fleet: str, *, surge: bool = False) -> Tally:
    """One letter a node; nodes are called `00`, `01`, ..."""
    tally = Tally()
    for number, letter in enumerate(fleet):
        name = f"{number:02}"
        where, pods = KINDS[letter](name)
        tally.replace(judge(rules(surge=surge), name, where, pods, NOW, ready_since={}, unsettled=letter == "u"))
    return tally


def rolled(fleet: str, max_unavailable: int | str) -> Plan:
    return make_plan(tally_of(fleet), Strategy(True, max_unavailable, 0))


def surged(fleet: str, max_surge: int | str) -> Plan:
    return make_plan(tally_of(fleet, surge=True), Strategy(True, 0, max_surge))


def told(plan: Plan) -> tuple[list[str], list[str]]:
    created = [f"{one.node} {one.cause.name}" for one in plan.creations]
    return created, [f"{one.pod.metadata.name} {one.cause.name}" for one in plan.deletions]


@pytest.mark.parametrize(
    ("fleet", "max_unavailable", "creations", "deletions"),
    [
        ("ooo", 1, [], ["o-00 UPDATE"]),
        ("ooo", 2, [], ["o-00 UPDATE", "o-01 UPDATE"]),
        ("ooo", "34%", [], ["o-00 UPDATE", "o-01 UPDATE"]),
        ("ooo", "1%", [], ["o-00 UPDATE"]),
        ("ooo", 7, [], ["o-00 UPDATE", "o-01 UPDATE", "o-02 UPDATE"]),
        ("nnn", 3, [], []),
        # A node without a pod, with a terminating one, or with a new one that is not available yet, uses up budget.
        ("oo.", 1, ["02 MISSING"], []),
        ("oot", 1, [], []),
        ("ooN", 1, [], []),
        ("ooN", 2, [], ["o-00 UPDATE"]),
        ("oot", 2, [], ["o-00 UPDATE"]),
        # Old and not available: goes whatever the budget says, and uses it up.
        (
            "OOOO",
            1,
            [],
            ["o-00 OLD_UNAVAILABLE", "o-01 OLD_UNAVAILABLE", "o-02 OLD_UNAVAILABLE", "o-03 OLD_UNAVAILABLE"],
        ),
        ("ooO", 1, [], ["o-02 OLD_UNAVAILABLE"]),
        ("ooO", 2, [], ["o-02 OLD_UNAVAILABLE", "o-00 UPDATE"]),
        ("ooNO", 1, [], ["o-03 OLD_UNAVAILABLE"]),
        # In disorder: upkeep first, and no budget for others.
        ("od", 1, [], ["o-01 SURPLUS"]),
        ("od", 2, [], ["o-01 SURPLUS", "o-00 UPDATE"]),
        # A node that is being left: its old pod is a candidate like any other.
        ("lo", 1, [], ["o-00 UPDATE"]),
        ("lo", 2, [], ["o-00 UPDATE", "o-01 UPDATE"]),
        ("ol", 1, [], ["o-01 UPDATE"]),
        ("Lo", 1, [], ["o-00 OLD_UNAVAILABLE"]),
        ("xo", 1, [], ["o-01 UPDATE"]),
        ("f", 1, [], ["f-00 FAILED"]),
        ("uo", 1, [], []),
        ("uo", 2, [], ["o-01 UPDATE"]),
        # The API refuses 0 and 0; the controller takes it as one unavailable.
        ("ooo", 0, [], ["o-00 UPDATE"]),
    ],
)
def test_an_update_without_surge(
    fleet: str, max_unavailable: int | str, creations: list[str], deletions: list[str]
) -> None:
    assert told(rolled(fleet, max_unavailable)) == (creations, deletions)


@pytest.mark.parametrize(
    ("fleet", "max_surge", "creations", "deletions"),
    [
        ("ooo", 1, ["00 SURGE"], []),
        ("ooo", 2, ["00 SURGE", "01 SURGE"], []),
        ("ooo", "34%", ["00 SURGE", "01 SURGE"], []),
        ("nnn", 3, [], []),
        # A new pod that is not available yet uses up surge, one that is frees its node of the old one.
        ("oob", 1, [], []),
        ("oob", 2, ["00 SURGE"], []),
        ("ood", 1, ["00 SURGE"], ["o-02 REPLACED"]),
        # Old and not available: replaced at once, whatever maxSurge says.
        ("OOO", 1, ["00 OLD_UNAVAILABLE", "01 OLD_UNAVAILABLE", "02 OLD_UNAVAILABLE"], []),
        ("Oob", 1, ["00 OLD_UNAVAILABLE"], []),
        # A pod that only terminates does not hold up its successor.
        ("t", 1, ["00 MISSING"], []),
        ("tooo", 1, ["00 MISSING", "01 SURGE"], []),
        # Nodes that are being left: what does not serve goes at once, what serves when enough others do.
        ("Lo", 1, ["01 SURGE"], ["o-00 OLD_UNAVAILABLE"]),
        ("loooo", 1, ["01 SURGE"], ["o-00 MOVED"]),
        ("lN", 1, [], []),
        ("l.", 1, ["01 MISSING"], []),
        ("ln", 1, [], ["o-00 MOVED"]),
        ("uo", 1, [], []),
        ("uo", 2, ["01 SURGE"], []),
        ("uO", 1, ["01 OLD_UNAVAILABLE"], []),
        ("lln.", 1, ["03 MISSING"], ["o-00 MOVED"]),
    ],
)
def test_an_update_with_surge(fleet: str, max_surge: int | str, creations: list[str], deletions: list[str]) -> None:
    assert told(surged(fleet, max_surge)) == (creations, deletions)


def test_on_delete_only_keeps_one_pod_on_every_node() -> None:
    plan = make_plan(tally_of("ooO.f"), Strategy(False))
    assert told(plan) == (["03 MISSING"], ["f-04 FAILED"])


def test_the_strategy_is_read_from_the_spec() -> None:
    def of(kind: str, **rolling: int | str) -> Strategy:
        return Strategy.of(UpdateStrategy(kind, RollingUpdate(**rolling) if rolling else None))

    assert not of("OnDelete").rolling
    assert not of("OnDelete", max_surge=1).surge
    assert of("RollingUpdate", max_unavailable="10%", max_surge=0) == Strategy(True, "10%", 0)
    assert of("RollingUpdate", max_unavailable=0, max_surge="1%").surge
    assert not of("RollingUpdate", max_unavailable=1, max_surge="0%").surge


def many(kind: str, count: int, **options: bool) -> Tally:
    tally = Tally()
    for number in range(count):
        name = f"{number:06}"
        where, pods = KINDS[kind](name)
        tally.replace(judge(rules(**options), name, where, pods, NOW, ready_since={}))
    return tally


def test_a_plan_holds_a_bounded_number_of_actions_and_says_when_there_are_more() -> None:
    missing = make_plan(many(".", BURST + 1), Strategy(True, 1, 0))
    assert (len(missing.creations), missing.more) == (BURST, True)
    broken = make_plan(many("O", BURST + 1), Strategy(True, 1, 0))
    assert (len(broken.deletions), broken.more) == (BURST, True)
    assert not make_plan(many("O", BURST), Strategy(True, 1, 0)).more


def test_planning_looks_at_what_it_acts_on_and_not_at_the_fleet() -> None:
    examined = {count: len(make_plan(many("o", count), Strategy(True, 3, 0)).examined) for count in (10, 1000)}
    assert examined[10] == examined[1000] == 3
    assert not make_plan(many("n", 500), Strategy(True, 3, 0)).examined
    assert len(make_plan(many("O", 1000), Strategy(True, 3, 0)).examined) == BURST + 1


def test_causes_are_sentences() -> None:
    assert all(cause.value and not cause.value.endswith(".") for cause in Cause)
