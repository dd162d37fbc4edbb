"""JSON patch (RFC 6902) within bounds: how many operations, and how much `copy` may add.

`apply` gives the patched tree. The operations are carried out by the library jsonpatch, one after the other on a copy
of the tree, and what goes wrong comes out as one of the errors below: the patch makes no sense (`Malformed`), is too large
(`PatchTooLarge`), or does not fit this tree (`CannotApply`: a path is missing, or a test failed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonpatch
import jsonpointer
import msgspec

from everynode.patch import trees

MAX_OPERATIONS = 10_000  # Kubernetes' own bound
MAX_COPIED_BYTES = 3 * 1024 * 1024  # of JSON that all `copy` operations together may add; Kubernetes' own bound

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


class JsonPatchError(ValueError):
    """A JSON patch could not be carried out."""


class Malformed(JsonPatchError):
    """The patch itself makes no sense, whatever it is applied to."""


class PatchTooLarge(JsonPatchError):
    """More operations than are allowed."""


class CannotApply(JsonPatchError):
    """The patch is well formed and does not fit this tree."""


class PathMissing(CannotApply):
    """An operation names a place that the tree does not have."""


class TestFailed(CannotApply):
    """A `test` operation found another value."""

    __test__ = False  # not a test case, whatever pytest makes of the name


def apply(target: Any, operations: Sequence[Any]) -> Any:
    """`target` after all operations in order; all of them or, with an error, none."""
    if len(operations) > MAX_OPERATIONS:
        raise PatchTooLarge(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    tree = trees.copy(target)
    copied = 0
    for operation in operations:
        _check(operation)
        kind, path = operation["op"], operation["path"]
        if kind == "copy":
            value = _resolve(tree, operation["from"], kind)
            copied += len(msgspec.json.encode(value))
            if copied > MAX_COPIED_BYTES:
                raise CannotApply(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied}, "
                    f"exceeding the limit {MAX_COPIED_BYTES}"
                )
            tree = _carry_out(tree, {"op": "add", "path": path, "value": trees.copy(value)}, kind)
        elif kind == "test":
            # The library would take true for 1.
            if not trees.same(_resolve(tree, path, kind), operation["value"]):
                raise TestFailed(f"testing value {path} failed: test failed")
        else:
            tree = _carry_out(tree, trees.copy(operation), kind)
    return tree


def _check(operation: Any) -> None:
    if not isinstance(operation, dict):
        raise Malformed("each operation of a JSON patch must be an object")
    kind = operation.get("op")
    if kind not in _OPERATIONS:
        raise Malformed(f"Unexpected kind: {kind}")
    if not isinstance(operation.get("path"), str):
        raise Malformed(f"the {kind} operation has no path")
    if kind in ("move", "copy") and not isinstance(operation.get("from"), str):
        raise Malformed(f"the {kind} operation has no from")
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise Malformed(f"the {kind} operation has no value")


def _carry_out(tree: Any, operation: Any, kind: str) -> Any:
    """The tree, changed in place by one operation; errors speak of `kind`."""
    path = operation["path"]
    if kind == "remove" and path == "":
        raise CannotApply("remove operation does not apply: the whole document cannot be removed")
    try:
        return jsonpatch.JsonPatch([operation]).apply(tree, in_place=True)
    except (jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException, KeyError, IndexError, TypeError) as error:
        raise PathMissing(f"{kind} operation does not apply: doc is missing path: {path}: missing value") from error
    except jsonpatch.InvalidJsonPatch as error:
        raise Malformed(str(error)) from error


def _resolve(tree: Any, path: str, kind: str) -> Any:
    try:
        return jsonpointer.JsonPointer(path).resolve(tree)
    except (jsonpointer.JsonPointerException, TypeError) as error:
        raise PathMissing(f"{kind} operation does not apply: doc is missing path: {path}: missing value") from error
