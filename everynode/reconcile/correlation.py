"""Decides what becomes of an event: a new Event, one more count of a known one, part of a combined one, or nothing.

The rules are client-go's (tools/record): the same event about the same object is counted, not repeated; ten that differ only
in their message within ten minutes are combined into one; and one source may speak about one object 25 times, then once
every five minutes. Pure: time comes in as an argument. What is remembered is bounded, the longest unused goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from everynode.api.core_v1 import ObjectReference

# Records kept of each sort.
REMEMBERED = 4096
# Distinct messages from which on they are combined, and the seconds of silence after which counting starts anew.
SIMILAR, SIMILAR_WITHIN = 10, 600.0
# Events a source may send about one object at once, and the seconds after which it may send one more.
BURST, REFILL = 25, 300.0

V = TypeVar("V")


@dataclass(slots=True, eq=False)
class Occurrence:
    """One Event object, as often as it has occurred so far. `written` is False until the API has it."""

    name: str
    namespace: str
    regarding: ObjectReference
    type: str
    reason: str
    message: str
    count: int
    first: float
    last: float
    written: bool = False
    tries: int = 0


@dataclass(slots=True)
class _Similar:
    last: float
    messages: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class _Remembered(Generic[V]):
    """A bounded map that forgets what was longest unused."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: tuple[str, ...], value: V) -> None:
        self._values[key] = value
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)


class Correlator:
    """Correlates the events of one source."""

    def __init__(self) -> None:
        self._occurrences: _Remembered[Occurrence] = _Remembered()
        self._similar: _Remembered[_Similar] = _Remembered()
        self._buckets: _Remembered[_Bucket] = _Remembered()
        self._last_name = 0

    def observe(
        self, regarding: ObjectReference, type_: str, reason: str, message: str, now: float
    ) -> Occurrence | None:
        """The Event to write (or to count up) for this, or None if this source has said too much about this object."""
        about = (regarding.kind, regarding.namespace, regarding.name, regarding.uid, regarding.api_version)
        key: tuple[str, ...] = (*about, regarding.field_path, type_, reason, message)
        if self._combined((*about, type_, reason), message, now):
            key, message = (*about, type_, reason), f"(combined from similar events): {message}"
        occurrence = self._occurrences.get(key)
        if occurrence is None:
            occurrence = Occurrence(
                name=self._name(regarding.name, now),
                namespace=regarding.namespace or "default",
                regarding=regarding,
                type=type_,
                reason=reason,
                message=message,
                count=1,
                first=now,
                last=now,
            )
            self._occurrences.put(key, occurrence)
        else:
            occurrence.count += 1
            occurrence.last = now
            occurrence.message = message
        return occurrence if self._allowed(about, now) else None

    def rename(self, occurrence: Occurrence, now: float) -> None:
        """Gives the event another name, when somebody else's has this one."""
        occurrence.name = self._name(occurrence.regarding.name, now)

    def _name(self, regarding: str, now: float) -> str:
        """The object's name and the time in hexadecimal nanoseconds, never the same twice."""
        self._last_name = max(int(now * 1_000_000_000), self._last_name + 1)
        return f"{regarding}.{self._last_name:x}"

    def _combined(self, key: tuple[str, ...], message: str, now: float) -> bool:
        similar = self._similar.get(key)
        if similar is None or now - similar.last > SIMILAR_WITHIN:
            similar = _Similar(now)
            self._similar.put(key, similar)
        similar.messages[message] = None
        similar.last = now
        if len(similar.messages) < SIMILAR:
            return False
        del similar.messages[next(iter(similar.messages))]
        return True

    def _allowed(self, key: tuple[str, ...], now: float) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = _Bucket(BURST, now)
            self._buckets.put(key, bucket)
        # A clock that was set back takes nothing away.
        bucket.tokens = min(BURST, bucket.tokens + max(0.0, now - bucket.filled) / REFILL)
        bucket.filled = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
