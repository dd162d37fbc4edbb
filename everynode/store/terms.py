"""Which keys carry a term: the index behind selectors.

In go a key's facets before and after a write; out comes, for a term, the ordered keys that carry it. Most terms are
carried by a handful of keys (a node's name, an owner's uid), a few by very many (`app=…`). So few keys are a plain
tuple, small and left alone by the garbage collector; beyond `TUPLE_KEYS` they become a SortedList, where adding and
removing cost O(log n). Both are ordered, so that a prefix or a page is found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from sortedcontainers import SortedList

from everynode.store.contract import Entry, Facets

OrderedKeys = tuple[str, ...] | SortedList[str]

# Keys. Copying a tuple of 32 costs less than the smallest SortedList weighs (about 600 bytes).
TUPLE_KEYS = 32


class TermIndex:
    """term → ordered keys."""

    def __init__(self) -> None:
        self._keys: dict[str, OrderedKeys] = {}

    def load(self, entries: Iterable[Entry]) -> None:
        """Fills an empty index from entries in key order, in one pass."""
        carried: dict[str, list[str]] = {}
        for entry in entries:
            for term in entry.facets:
                carried.setdefault(term, []).append(entry.key)
        for term, keys in carried.items():
            self._keys[term] = tuple(keys) if len(keys) <= TUPLE_KEYS else SortedList(keys)

    def carrying(self, term: str) -> OrderedKeys:
        return self._keys.get(term, ())

    def change(self, key: str, before: Facets, after: Facets) -> None:
        """Moves a key from the terms it carried to those it carries now."""
        if before is after:
            return
        for term in before:
            if term not in after:
                self._drop(term, key)
        for term in after:
            if term not in before:
                self._add(term, key)

    def _add(self, term: str, key: str) -> None:
        keys = self._keys.get(term, ())
        if not isinstance(keys, tuple):
            keys.add(key)
        elif len(keys) < TUPLE_KEYS:
            at = bisect_left(keys, key)
            self._keys[term] = (*keys[:at], key, *keys[at:])
        else:
            self._keys[term] = SortedList((*keys, key))

    def _drop(self, term: str, key: str) -> None:
        keys = self._keys[term]
        if isinstance(keys, tuple):
            at = bisect_left(keys, key)
            keys = self._keys[term] = keys[:at] + keys[at + 1 :]
        else:
            keys.remove(key)
        if not keys:
            del self._keys[term]


def bounds(keys: OrderedKeys, prefix: str, after: str = "") -> tuple[int, int]:
    """The positions (from, up to) of the keys that start with `prefix` and are greater than `after`."""
    if isinstance(keys, tuple):
        low = bisect_right(keys, after) if after >= prefix else bisect_left(keys, prefix)
        high = bisect_left(keys, end_of(prefix)) if prefix else len(keys)
    else:
        low = keys.bisect_right(after) if after >= prefix else keys.bisect_left(prefix)
        high = keys.bisect_left(end_of(prefix)) if prefix else len(keys)
    return low, max(low, high)


def end_of(prefix: str) -> str:
    """The smallest string greater than every key that starts with `prefix` (not empty)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
