"""What stands now: the newest durable entry of every key, in key order, with its terms.

In go Events in revision order; out come entries, pages of ranges, and counts. A page costs what it holds plus a few
bisections, whatever exists beside it; with several terms it costs what carries the rarest of them.

What has stood for longer than the history reaches is kept packed (`packing`); entries unpack themselves when they are read.

A range as of an older revision is the same walk with a set of *undone* writes laid over it (`History.undone`): for
each key under the prefix written since then, the entry that stood before (None: there was none).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from sortedcontainers import SortedList

from everynode.store.contract import Entry, Event, Facets, Page, kind_of
from everynode.store.packing import Patterns
from everynode.store.terms import OrderedKeys, TermIndex, bounds

Undone = Mapping[str, Entry | None]


class State:
    """Entries by key, ordered keys and the term index, changed together by one Event at a time."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._keys: SortedList[str] = SortedList()
        self._terms = TermIndex()
        self._patterns = Patterns()

    def load(self, entries: Iterable[Entry]) -> None:
        """Fills an empty state; one sort and one pass, so that 300,000 entries take a second."""
        ordered = sorted(entries, key=lambda entry: entry.key)
        self._entries = {entry.key: entry for entry in ordered}
        self._keys.update(self._entries)
        self._terms.load(ordered)

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def apply(self, event: Event) -> None:
        key, before, after = event.key, event.before, event.after
        if after is None:
            del self._entries[key]
            self._keys.remove(key)
        else:
            self._entries[key] = after
            if before is None:
                self._keys.add(key)
        self._terms.change(key, before.facets if before else (), after.facets if after else ())

    def settle(self, events: Iterable[Event]) -> None:
        """Packs what still stands of these writes, which the history has let go of."""
        for event in events:
            after = event.after
            if after is not None and self._entries.get(event.key) is after:
                self._entries[event.key] = self.packed(after)

    def packed(self, entry: Entry) -> Entry:
        """The same entry, its value packed if it is worth it."""
        packed = self._patterns.pack(kind_of(entry.key), entry.value)
        if packed is None:
            return entry
        value, pattern = packed
        return Entry(entry.key, value, entry.revision, entry.created, entry.facets, pattern)

    def count(self, prefix: str) -> int:
        low, high = bounds(self._keys, prefix)
        return high - low

    def page(self, prefix: str, terms: Sequence[str], after: str, limit: int, revision: int, undone: Undone) -> Page:
        """See `Store.range`; `revision` is what the page says it is as of, `undone` what makes it so."""
        keys, rest = self._narrowest(terms)
        low, high = bounds(keys, prefix, after)
        if not undone and not rest:
            stop = min(high, low + limit) if limit else high
            return Page([self._entries[key] for key in _span(keys, low, stop)], revision, high - stop)
        matching = (self._entries[key] for key in _span(keys, low, high) if key not in undone)
        if rest:
            matching = (entry for entry in matching if _carries(entry.facets, rest))
        older = sorted(_older(undone, terms, after), key=_key_of)
        merged = heapq.merge(matching, older, key=_key_of)
        entries = list(islice(merged, limit)) if limit else list(merged)
        if not limit:
            return Page(entries, revision, 0)
        if rest:
            return Page(entries, revision, 0 if next(merged, None) is None else 1)
        hidden = sum(1 for key in undone if key > after and self._stands_with(key, terms))
        return Page(entries, revision, high - low - hidden + len(older) - len(entries))

    def _narrowest(self, terms: Sequence[str]) -> tuple[OrderedKeys, Sequence[str]]:
        """The keys of the rarest term, and the other terms; all keys if no term is named."""
        if not terms:
            return self._keys, ()
        rarest = min(terms, key=lambda term: len(self._terms.carrying(term)))
        return self._terms.carrying(rarest), [term for term in terms if term != rarest]

    def _stands_with(self, key: str, terms: Sequence[str]) -> bool:
        entry = self._entries.get(key)
        return entry is not None and _carries(entry.facets, terms)


def _span(keys: OrderedKeys, low: int, high: int) -> Iterator[str]:
    return iter(keys[low:high]) if isinstance(keys, tuple) else keys.islice(low, high)


def _older(undone: Undone, terms: Sequence[str], after: str) -> Iterator[Entry]:
    for key, entry in undone.items():
        if entry is not None and key > after and _carries(entry.facets, terms):
            yield entry


def _carries(facets: Facets, terms: Sequence[str]) -> bool:
    return not terms or all(term in facets for term in terms)


def _key_of(entry: Entry) -> str:
    return entry.key
