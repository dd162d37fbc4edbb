"""The tally of a budget's pods is at any moment what a recount gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everynode.controllers.disruption.observe import Pod
from everynode.controllers.disruption.tally import Tally
from tests.controllers.disruption.budget_facts import owner, pod

NAMES = st.sampled_from(["a", "b", "c", "d"])
OWNERS = st.sampled_from([None, owner("one"), owner("two")])
CHANGES = st.lists(
    st.one_of(
        st.builds(pod, NAMES, OWNERS, ready=st.booleans(), going=st.booleans()),
        NAMES,  # that pod goes
    ),
    max_size=40,
)


def counted(tally: Tally) -> object:
    return (
        tally.members,
        tally.healthy,
        tally.uncontrolled,
        tally.by_controller,
        {uid: reference.name for uid, reference in tally.controllers.items()},
    )


def recount(present: dict[str, Pod]) -> Tally:
    tally = Tally()
    for each in present.values():
        tally.put(each)
    return tally


@given(changes=CHANGES)
def test_a_tally_is_equal_to_a_recount(changes: list[Pod | str]) -> None:
    tally, present = Tally(), dict[str, Pod]()
    for change in changes:
        before = counted(recount(present))
        if isinstance(change, str):
            present.pop(change, None)
            told = tally.drop(change)
        else:
            present[change.metadata.name] = change
            told = tally.put(change)
        now = counted(recount(present))
        assert counted(tally) == now
        assert told == (now != before), "every change that counts is told of, and no other"
    healthy = [each for each in present.values() if each.ready and not each.terminating]
    assert tally.healthy == len(healthy)
    assert tally.uncontrolled + sum(tally.by_controller.values()) == len(tally.members) == len(present)
