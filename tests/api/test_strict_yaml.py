"""YAML bodies: the meaning that Kubernetes' reader gives them, and bounds on what a few bytes can ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from everynode.api import schema, strict


def read(text: str) -> Any:
    return json.loads(strict.yaml_to_json(text.encode()))


def refusal(text: str) -> str:
    with pytest.raises(strict.Malformed) as caught:
        strict.yaml_to_json(text.encode())
    return str(caught.value)


def test_a_manifest_becomes_json() -> None:
    assert read(
        "kind: Pod\nmetadata:\n  name: a\n  labels: {}\nspec:\n  containers:\n  - name: c\n  volumes: []\n"
    ) == {
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {}},
        "spec": {"containers": [{"name": "c"}], "volumes": []},
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("off", False),
        ("true", True),
        ("'yes'", "yes"),
        ("~", None),
        ("", None),
        ("0755", 0o755),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("2020-01-02", "2020-01-02"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("!!str 5", "5"),
        ("100m", "100m"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("한글", "한글"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    assert read(f"a: {text}") == {"a": value}


def test_keys_become_text() -> None:
    assert read("1: a\ntrue: b\n") == {"1": "a", "true": "b"}
    assert "a key is neither" in refusal("[a]: b")


def test_anchors_aliases_and_merge_keys() -> None:
    assert read("a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: *x\n  b: 3\n") == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 1, "c": 2},
        "e": {"b": 3, "c": 2},
    }
    assert refusal("a: *nobody") == "yaml: unknown anchor 'nobody' referenced"
    assert "referenced" in refusal("a: &a [*a]")
    assert "map merge requires" in refusal("<<: 5")


def test_duplicate_keys_are_found_afterwards() -> None:
    body = strict.yaml_to_json(b"kind: Pod\nspec:\n  nodeName: a\n  nodeName: b\n")
    findings = strict.inspect(body, schema.for_kind("", "v1", "Pod"))
    assert findings == ['duplicate field "spec.nodeName"']


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    assert refusal("\n".join(lines)) == "yaml: document contains excessive aliasing"
    doubled = ["a0: &a0 {k: v}"]
    doubled += [f"a{level}: &a{level} {{l: *a{level - 1}, r: *a{level - 1}}}" for level in range(1, 40)]
    assert refusal("\n".join(doubled)) == "yaml: document contains excessive aliasing"


@pytest.mark.parametrize("levels", [101, 2_000, 300_000])
def test_deep_nesting_is_refused_and_harms_nothing(levels: int) -> None:
    assert refusal("[" * levels + "]" * levels).startswith("exceeded max depth")
    assert refusal("[" * levels).startswith("exceeded max depth")


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: .inf", "a: !!int x", "a: 1\n---\nb: 2\n", "a: \x01", "%BAD", "- a\nb: c"]
)
def test_what_is_no_single_yaml_document_is_refused(text: str) -> None:
    assert refusal(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    for body in (b"a: \xff\xfe", b"\x00\x01\x02", b"\xff\xfea"):
        with pytest.raises(strict.Malformed):
            strict.yaml_to_json(body)


def test_an_empty_document_is_null() -> None:
    assert read("") is None
    assert read("---\n") is None
