"""Points in time as Kubernetes writes them, and durations as people read them.

Inside the house a time is Unix seconds (a float, UTC); on the wire it is RFC 3339 text, with whole seconds
(`2006-01-02T15:04:05Z`) or, for leases and events, microseconds. Only this module converts between the two.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import lru_cache

_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)",
    re.ASCII,
)


class TimestampError(ValueError):
    """The text is no RFC 3339 time."""


def seconds_text(unix: float) -> str:
    """RFC 3339 with whole seconds (a fraction is cut off, as `metav1.Time` does)."""
    return _calendar(int(unix // 1)) + "Z"


def micro_text(unix: float) -> str:
    """RFC 3339 with six digits of a second, as `metav1.MicroTime` does."""
    seconds, micros = divmod(round(unix * 1_000_000), 1_000_000)
    return f"{_calendar(seconds)}.{micros:06d}Z"


def parse(text: str) -> float:
    """Unix seconds of an RFC 3339 time with any offset and fraction. Raises `TimestampError`."""
    if _RFC_3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError as error:
            raise TimestampError(f'parsing time "{text}": {error}') from None
    raise TimestampError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')


def age(timestamp: str | None, now: float) -> str:
    """How long ago that was, as kubectl's AGE column shows it; `<unknown>` without a time."""
    return human_duration(now - parse(timestamp)) if timestamp else "<unknown>"


def human_duration(seconds: float) -> str:
    """Two or three significant figures: `90s`, `2m30s`, `7h5m`, `3d4h`, `300d`, `2y30d`.

    A little less than zero counts as now, for clocks of different machines differ; more than that is `<invalid>`.
    """
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two_units(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two_units(days, "d", hours % 24, "h")
    years = days // 365
    if years < 2:
        return f"{days}d"
    if years < 8:
        return _two_units(years, "y", days % 365, "d")
    return f"{years}y"


def _two_units(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


@lru_cache(maxsize=64)
def _calendar(unix: int) -> str:
    # The same few seconds are asked for again and again: everything written now tells the time.
    moment = time.gmtime(unix)
    return (
        f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"
        f"T{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
    )
