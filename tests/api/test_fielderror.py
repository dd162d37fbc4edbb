"""How a fault is put into words: as Go's `%q` and JSON write the value that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.api import fielderror
from everynode.api.fielderror import FieldError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", '"plain"'),
        ("é and 日本", '"é and 日本"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("a\n\t\x00\x7f\u00a0\u200b\U000e0001", r'"a\n\t\x00\x7f\u00a0\u200b\U000e0001"'),
        ("<&>", '"<&>"'),
        (-3, "-3"),
        (True, "true"),
        (None, "null"),
        ({"b": "<", "a": "é"}, r'{"a":"é","b":"\u003c"}'),
        (["x"], '["x"]'),
    ],
)
def test_the_wrong_value_is_shown_as_go_shows_it(value: Any, shown: str) -> None:
    assert str(fielderror.invalid("spec.x", value, "why")) == f"spec.x: Invalid value: {shown}: why"


@pytest.mark.parametrize(
    ("error", "sentence", "reason"),
    [
        (fielderror.required("a"), "a: Required value", "FieldValueRequired"),
        (fielderror.required("a", "because"), "a: Required value: because", "FieldValueRequired"),
        (fielderror.forbidden("a", "no"), "a: Forbidden: no", "FieldValueForbidden"),
        (fielderror.duplicate("a", "b"), 'a: Duplicate value: "b"', "FieldValueDuplicate"),
        (fielderror.not_found("a", "b"), 'a: Not found: "b"', "FieldValueNotFound"),
        (
            fielderror.not_supported("a", "b", ("Z", "A")),
            'a: Unsupported value: "b": supported values: "Z", "A"',
            "FieldValueNotSupported",
        ),
        (fielderror.too_long("a", 1), "a: Too long: may not be more than 1 byte", "FieldValueTooLong"),
        (fielderror.too_many("a", 5, 2), "a: Too many: 5: must have at most 2 items", "FieldValueTooMany"),
        (fielderror.internal("a", "oh"), "a: Internal error: oh", "InternalError"),
    ],
)
def test_each_way_of_being_wrong_has_its_words(error: FieldError, sentence: str, reason: str) -> None:
    assert (str(error), error.reason) == (sentence, reason)
    assert sentence == f"{error.field}: {error.body}"
