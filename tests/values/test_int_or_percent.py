"""Counts and percentages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.values.int_or_percent import IntOrPercentError, percent, percent_errors, scaled


def test_percentages_round_as_asked() -> None:
    assert scaled("30%", 5, round_up=True) == 2
    assert scaled("30%", 5, round_up=False) == 1
    assert scaled("0%", 5, round_up=True) == 0
    assert scaled(7, 5, round_up=True) == 7


@given(share=st.integers(0, 200), total=st.integers(0, 10**6))
def test_rounding_agrees_with_exact_division(share: int, total: int) -> None:
    up, down = scaled(f"{share}%", total, round_up=True), scaled(f"{share}%", total, round_up=False)
    assert down == share * total // 100
    assert up == math.ceil(share * total / 100) or up - down == (share * total % 100 > 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "invalid value for IntOrString: invalid type: string is not a percentage"),
        ("x%", 'invalid value for IntOrString: invalid value "x%": strconv.Atoi: parsing "x": invalid syntax'),
    ],
)
def test_other_strings_are_refused(text: str, message: str) -> None:
    with pytest.raises(IntOrPercentError) as refused:
        scaled(text, 10, round_up=True)
    assert str(refused.value) == message


def test_percent_syntax() -> None:
    assert percent_errors("100%") == []
    assert percent_errors("-1%") == [
        "a valid percent string must be a numeric string followed by an ending '%' "
        "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
    ]
    assert percent_errors("9" * 20 + "%") != []
    assert (percent("101%"), percent("x%"), percent(5)) == (101, None, None)
