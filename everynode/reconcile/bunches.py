"""Who belongs together: the members of each term, in the order in which they came.

Most terms have a handful of members (the pods of a node, the dependents of a node), a few very many (the pods of a DaemonSet).
So a few are a tuple, a fifth of the smallest dict and nothing to the garbage collector; beyond `FEW` they are a dict. Adding
and taking away cost the same whatever the number of terms and members.
"""

from __future__ import annotations

from collections.abc import Collection

# Members. Copying a tuple of so many costs less than a dict weighs.
FEW = 16


class Bunches:
    """term → members, all of them texts. A term without members is not there."""

    def __init__(self) -> None:
        self._members: dict[str, tuple[str, ...] | dict[str, None]] = {}

    def __contains__(self, term: str) -> bool:
        return term in self._members

    def of(self, term: str) -> Collection[str]:
        """The members of a term; not to be kept over a change of them."""
        return self._members.get(term, ())

    def add(self, term: str, member: str) -> None:
        """Nothing changes if it is a member already."""
        members = self._members.get(term, ())
        if isinstance(members, dict):
            members[member] = None
        elif member not in members:
            more = (*members, member)
            self._members[term] = more if len(more) <= FEW else dict.fromkeys(more)

    def discard(self, term: str, member: str) -> None:
        """Nothing changes if it is no member."""
        members = self._members.get(term, ())
        if isinstance(members, dict):
            members.pop(member, None)
        else:
            members = self._members[term] = tuple(each for each in members if each != member)
        if not members:
            self._members.pop(term, None)
