"""Times on the wire and durations for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.values import timestamps
from everynode.values.timestamps import TimestampError, human_duration

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


def test_seconds_and_micros() -> None:
    assert timestamps.seconds_text(0) == "1970-01-01T00:00:00Z"
    assert timestamps.seconds_text(1_700_000_000.999) == "2023-11-14T22:13:20Z"
    assert timestamps.micro_text(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
    assert timestamps.seconds_text(-1.5) == "1969-12-31T23:59:58Z"


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-15T07:13:20+09:00", 1_700_000_000),
        ("2023-11-14T22:13:20.250Z", 1_700_000_000.25),
        ("2023-11-14T22:13:20.250000000Z", 1_700_000_000.25),
        ("0001-01-01T00:00:00Z", -62_135_596_800),
    ],
)
def test_any_offset_and_fraction_is_read(text: str, unix: float) -> None:
    assert timestamps.parse(text) == unix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2023-11-14",
        "2023-11-14 22:13:20Z",
        "2023-13-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "20231114T221320Z",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(TimestampError, match="parsing time"):
        timestamps.parse(text)


@given(micros=st.integers(0, 4 * 10**15))
def test_micro_times_survive_the_wire(micros: int) -> None:
    text = timestamps.micro_text(micros / 1_000_000)
    assert timestamps.micro_text(timestamps.parse(text)) == text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"),
        (-1.9, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 1, "2m1s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + MINUTE, "3h1m"),
        (8 * HOUR, "8h"),
        (48 * HOUR - 1, "47h"),
        (48 * HOUR, "2d"),
        (49 * HOUR, "2d1h"),
        (8 * DAY, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + DAY, "2y1d"),
        (8 * YEAR, "8y"),
        (9 * YEAR - 1, "8y"),
    ],
)
def test_durations_as_kubectl_prints_them(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


def test_age() -> None:
    assert timestamps.age("1970-01-01T00:00:00Z", 90.0) == "90s"
    assert timestamps.age(None, 90.0) == timestamps.age("", 90.0) == "<unknown>"
