"""Quantities: the expectations are what apimachinery 0.37's own reader prints for the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.values.quantity import (
    FORMAT_WRONG,
    MAX_LENGTH,
    NUMBER_WRONG,
    SUFFIX_WRONG,
    Format,
    Quantity,
    QuantityError,
    canonical,
)


@pytest.mark.parametrize(
    ("text", "shown", "value", "milli"),
    [
        ("0.1", "100m", 1, 100),
        ("1000m", "1", 1, 1000),
        ("1024Mi", "1Gi", 2**30, 2**30 * 1000),
        ("1.500", "1.500", 2, 1500),
        ("+1", "+1", 1, 1000),
        ("007", "007", 7, 7000),
        ("5.0Ki", "5Ki", 5120, 5120000),
        ("0.5Ki", "512", 512, 512000),
        ("1.5Ki", "1536", 1536, 1536000),
        ("1536.5Ki", "1573376", 1573376, 1573376000),
        ("0008Ki", "8Ki", 8192, 8192000),
        ("12e6", "12e6", 12_000_000, 12_000_000_000),
        ("1e-3", "1e-3", 1, 1),
        ("100000e-3", "100", 100, 100_000),
        ("1.5e1", "1.5e1", 15, 15_000),
        ("9Ei", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
        ("100000000000000000000", "100E", 10**20, 10**23),
        ("0.1n", "1n", 1, 1),
        ("-0.1n", "-1n", -1, -1),
        (".5", "500m", 1, 500),
        (".", "0", 0, 0),
        ("+", "0", 0, 0),
        ("-0.5Gi", "-512Mi", -(2**29), -(2**29) * 1000),
        ("0.0000000001Ki", "103n", 1, 1),
        ("1E-400", "1e-9", 1, 1),
        ("-0", "0", 0, 0),
        ("1.1Ki", "1126400m", 1127, 1126400),
        ("1e19", "10e18", 10**19, 10**22),
        ("1.0000000001", "1000000001n", 2, 1001),
        ("1000000n", "1m", 1, 1),
        ("1e5", "100e3", 100_000, 100_000_000),
        ("128Mi", "128Mi", 2**27, 2**27 * 1000),
    ],
)
def test_canonical_text_and_rounded_values(text: str, shown: str, value: int, milli: int) -> None:
    quantity = Quantity.parse(text)
    assert (str(quantity), quantity.value(), quantity.milli_value()) == (shown, value, milli)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORMAT_WRONG),
        ("1..2", FORMAT_WRONG),
        ("abc", FORMAT_WRONG),
        ("1\n", FORMAT_WRONG),
        ("١", FORMAT_WRONG),
        ("1e", SUFFIX_WRONG),
        ("1kk", SUFFIX_WRONG),
        ("1mi", SUFFIX_WRONG),
        ("1.5-3", SUFFIX_WRONG),
        ("1e999999999", SUFFIX_WRONG),
        ("9" * (MAX_LENGTH + 1), NUMBER_WRONG),
    ],
)
def test_malformed_text_is_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(QuantityError) as refused:
        Quantity.parse(text)
    assert str(refused.value) == message


def test_numbers_of_json_are_quantities_but_truth_values_are_not() -> None:
    assert [canonical(4), canonical(0.5), canonical(1e3), canonical(-2)] == [
        "4",
        "500m",
        "1k",
        "-2",
    ]
    for value in (True, float("nan"), float("inf")):
        with pytest.raises(QuantityError):
            Quantity.parse(value)


def test_arithmetic_keeps_the_left_format_unless_it_is_zero() -> None:
    one_gi, half = Quantity.parse("1Gi"), Quantity.parse("512Mi")
    assert str(one_gi + half) == "1536Mi"
    assert str(one_gi - one_gi + Quantity.parse("2e3")) == "2e3"
    assert str(Quantity.parse("250m") + Quantity.parse("750m")) == "1"
    assert str(-half) == "-512Mi"
    assert str(Quantity.of(2048, Format.BINARY_SI)) == "2Ki"
    assert str(Quantity.of_milli(1500)) == "1500m"


def test_equality_and_order_look_at_the_amount_only() -> None:
    assert Quantity.parse("1Ki") == Quantity.parse("1024") == Quantity.parse("1.024k")
    assert len({Quantity.parse("1"), Quantity.parse("1000m")}) == 1
    assert Quantity.parse("999m") < Quantity.parse("1") <= Quantity.parse("+1")
    assert Quantity.parse("1") != "1"
    assert not Quantity.parse("0Ki")


_amounts = st.integers(min_value=-(10**22), max_value=10**22)


@given(nanos=_amounts, written=st.sampled_from(Format))
def test_what_is_written_reads_back_as_the_same_amount(nanos: int, written: Format) -> None:
    quantity = Quantity(nanos, written)
    assert Quantity.parse(str(quantity)) == quantity


@given(nanos=_amounts, written=st.sampled_from(Format))
def test_canonical_text_is_a_fixed_point(nanos: int, written: Format) -> None:
    text = str(Quantity(nanos, written))
    assert canonical(text) == text
