"""JSON patch: what it does, its bounds, and which error means what."""

from __future__ import annotations

from typing import Any

import pytest

from everynode.patch import json_patch
from everynode.patch.json_patch import CannotApply, Malformed, PatchTooLarge, PathMissing, TestFailed


def test_all_operations_in_order_on_a_copy() -> None:
    tree = {"a": [1, 2], "b": {"c": "d"}, "x/y": 1}
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/b/c", "value": "d"},
        {"op": "add", "path": "/a/-", "value": {"n": 1}},
        {"op": "replace", "path": "/a/0", "value": 9},
        {"op": "remove", "path": "/x~1y"},
        {"op": "copy", "from": "/a/2", "path": "/e"},
        {"op": "move", "from": "/b/c", "path": "/f"},
        {"op": "add", "path": "/e/n", "value": 2},
    ]
    assert json_patch.apply(tree, operations) == {"a": [9, 2, {"n": 1}], "b": {}, "e": {"n": 2}, "f": "d"}
    assert tree == {"a": [1, 2], "b": {"c": "d"}, "x/y": 1}
    assert operations[1]["value"] == {"n": 1}


def test_the_empty_path_is_the_whole_document() -> None:
    assert json_patch.apply({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}]) == {"b": 2}


@pytest.mark.parametrize(
    "operation",
    [
        "add",
        {"path": "/a", "value": 1},
        {"op": "increase", "path": "/a"},
        {"op": "add", "value": 1},
        {"op": "add", "path": 3, "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "move", "path": "/a"},
    ],
)
def test_a_malformed_operation_is_told_from_one_that_does_not_fit(operation: Any) -> None:
    with pytest.raises(Malformed):
        json_patch.apply({"a": 1}, [operation])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "add", "path": "/missing/x", "value": 1},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "remove", "path": "/list/2"},
        {"op": "move", "from": "/missing", "path": "/b"},
        {"op": "copy", "from": "/missing", "path": "/b"},
        {"op": "test", "path": "/missing", "value": 1},
        {"op": "add", "path": "no-slash", "value": 1},
    ],
)
def test_a_missing_path(operation: dict[str, Any]) -> None:
    with pytest.raises(PathMissing):
        json_patch.apply({"list": [1, 2], "text": "t"}, [operation])


def test_a_failed_test_stops_the_patch() -> None:
    with pytest.raises(TestFailed) as failed:
        json_patch.apply({"a": 1}, [{"op": "test", "path": "/a", "value": True}])
    assert str(failed.value) == "testing value /a failed: test failed"


def test_the_whole_document_cannot_be_removed() -> None:
    with pytest.raises(CannotApply):
        json_patch.apply({"a": 1}, [{"op": "remove", "path": ""}])


def test_more_operations_than_allowed() -> None:
    operations = [{"op": "test", "path": "/a", "value": 1}] * (json_patch.MAX_OPERATIONS + 1)
    with pytest.raises(PatchTooLarge) as refused:
        json_patch.apply({"a": 1}, operations)
    assert str(refused.value) == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copies_cannot_be_piled_up() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/{letter}"} for letter in "abcdefghijklmnopqrstuvwxyz"]
    with pytest.raises(CannotApply, match="the accumulated size increase of copy is"):
        json_patch.apply({"x": "0123456789"}, doubling)


def test_copies_are_counted_together() -> None:
    copies = [{"op": "copy", "from": "/x", "path": f"/{letter}"} for letter in "abcd"]
    tree = {"x": "y" * 1_000_000}
    assert len(json_patch.apply(tree, copies[:3])) == 4
    with pytest.raises(CannotApply, match="is 4000008, exceeding the limit 3145728"):
        json_patch.apply(tree, copies)
