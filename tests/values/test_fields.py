"""Field selectors: grammar, escapes, meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.values import fields
from everynode.values.fields import FieldSelectorError


def test_terms_are_read_and_rendered_sorted() -> None:
    selector = fields.parse("status.phase!=Running,metadata.name==web,,a=")
    assert str(selector) == "a=,metadata.name=web,status.phase!=Running"
    assert selector.required_pairs() == (("a", ""), ("metadata.name", "web"))
    assert selector.required_value("metadata.name") == "web"
    assert selector.required_value("status.phase") is None
    assert not fields.parse("")


def test_an_absent_field_counts_as_empty() -> None:
    assert fields.parse("spec.nodeName=").matches({})
    assert fields.parse("spec.nodeName!=n").matches({})
    assert not fields.parse("spec.nodeName=n").matches({"spec.nodeName": "m"})
    assert fields.EVERYTHING.matches({"a": "b"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=1,a", "invalid selector: 'b=1,a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\x", "invalid field selector: invalid escape sequence: \\x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_malformed_selectors_are_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(FieldSelectorError) as refused:
        fields.parse(text)
    assert str(refused.value) == message


@given(value=st.text("a\\,=! ", max_size=6))
def test_any_value_survives_escaping(value: str) -> None:
    selector = fields.parse(f"x={fields.escape(value)},y=1")
    assert selector.required_value("x") == value
    assert fields.parse(str(selector)) == selector
