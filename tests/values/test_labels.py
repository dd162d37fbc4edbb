"""Label selectors: grammar, meaning, rendering; error sentences as Kubernetes prints them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everynode.values import labels
from everynode.values.labels import EVERYTHING, NOTHING, Selector, SelectorError

KEY_ERROR = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("   ", ""),
        ("a=b", "a=b"),
        ("c==d,a=b", "a=b,c==d"),
        (" e != f ", "e!=f"),
        ("e!=", "e!="),
        ("e=,f", "e=,f"),
        ("g in (y,x,x)", "g in (x,y)"),
        ("h notin(z)", "h notin (z)"),
        ("x in (foo,,baz)", "x in (,baz,foo)"),
        ("x in ()", "x in ()"),
        ("x in (,)", "x in ()"),
        ("!i,j", "!i,j"),
        ("k>1,l<2", "k>1,l<2"),
        ("in in (in,notin)", "in in (in,notin)"),
        ("notin=in", "notin=in"),
        ("example.com/role=web", "example.com/role=web"),
    ],
)
def test_the_grammar_and_its_canonical_text(text: str, shown: str) -> None:
    assert str(labels.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b,=c", "found '=', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("a$=b", f'unable to parse requirement: <nil>: Invalid value: "a$": {KEY_ERROR}'),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_malformed_selectors_are_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as refused:
        labels.parse(text)
    assert str(refused.value) == message


def test_a_bad_value_is_named_with_its_place() -> None:
    with pytest.raises(SelectorError, match=r'values\[0\]\[a\]: Invalid value: "b@": a valid label must be') as refused:
        labels.parse("a=b@")
    assert str(refused.value).startswith("unable to parse requirement: ")


@pytest.mark.parametrize(
    ("selector", "carried", "selected"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=b", {"a": "c"}, False),
        ("a=b", {}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b,c)", {"a": "c"}, True),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {"a": ""}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "5"}, False),
        ("a<5", {"a": "x"}, False),
        ("a<5", {}, False),
        ("a=b,c", {"a": "b"}, False),
    ],
)
def test_meaning(selector: str, carried: dict[str, str], selected: bool) -> None:
    assert labels.parse(selector).matches(carried) is selected


def test_label_selectors_are_read_from_trees_and_from_structs_alike() -> None:
    tree = {
        "matchLabels": {"b": "1"},
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["z", "y"]}, {"key": "c", "operator": "Exists"}],
    }
    struct = SimpleNamespace(
        match_labels={"b": "1"},
        match_expressions=[
            SimpleNamespace(key="a", operator="In", values=["z", "y"]),
            SimpleNamespace(key="c", operator="Exists", values=[]),
        ],
    )
    assert labels.from_label_selector(tree) == labels.from_label_selector(struct)
    assert labels.format_label_selector(tree) == "a in (y,z),b=1,c"


def test_an_absent_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert labels.from_label_selector(None) is NOTHING
    assert not NOTHING.matches({})
    assert labels.from_label_selector({}) == EVERYTHING
    assert EVERYTHING.matches({"a": "b"})
    assert EVERYTHING.selects_everything
    assert not NOTHING.selects_everything
    assert labels.format_label_selector({}) == labels.format_label_selector(None) == "<none>"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({"key": "a", "operator": "Near"}, '"Near" is not a valid label selector operator'),
        (
            {"key": "a", "operator": "In"},
            "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            {"key": "a", "operator": "Exists", "values": ["x", "y"]},
            'values: Invalid value: ["x","y"]: values set must be empty for exists and does not exist',
        ),
    ],
)
def test_broken_expressions_are_refused(expression: dict[str, object], message: str) -> None:
    selector = {"matchExpressions": [expression]}
    with pytest.raises(SelectorError) as refused:
        labels.from_label_selector(selector)
    assert str(refused.value) == message
    assert labels.format_label_selector(selector) == "<error>"


def test_required_pairs_are_what_an_index_can_answer() -> None:
    selector = labels.parse("a=b,c==d,e in (f),g in (h,i),j!=k,l")
    assert selector.required_pairs() == (("a", "b"), ("c", "d"), ("e", "f"))
    assert not selector.only_pairs
    assert labels.parse("a=b,c==d").only_pairs
    assert EVERYTHING.only_pairs
    assert not NOTHING.only_pairs


_words = st.text("abz019", min_size=1, max_size=4)
_label_sets = st.dictionaries(_words, _words, max_size=4)


@given(wanted=_label_sets, carried=_label_sets)
def test_a_selector_of_labels_selects_exactly_their_supersets(wanted: dict[str, str], carried: dict[str, str]) -> None:
    selector: Selector = labels.from_labels(wanted)
    assert selector.matches(carried) == (wanted.items() <= carried.items())
    assert labels.parse(str(selector)) == selector
