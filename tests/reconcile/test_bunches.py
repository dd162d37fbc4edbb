"""Bunches against a dict of dicts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everynode.reconcile.bunches import FEW, Bunches

steps = st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 2 * FEW).map(str))


@given(st.lists(steps, max_size=200))
def test_members_are_those_added_and_not_discarded_in_the_order_in_which_they_came(
    taken_steps: list[tuple[bool, str, str]],
) -> None:
    bunches, model = Bunches(), dict[str, dict[str, None]](a={}, b={})
    for adds, term, member in taken_steps:
        if adds:
            bunches.add(term, member)
            model[term][member] = None
        else:
            bunches.discard(term, member)
            model[term].pop(member, None)
        assert list(bunches.of(term)) == list(model[term])
        assert (term in bunches) == bool(model[term])
