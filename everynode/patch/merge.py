"""JSON merge patch (RFC 7386): a tree laid over another, where null means absent.

`apply` gives the patched tree, `diff` the smallest patch that leads from one tree to another.
"""

from __future__ import annotations

from typing import Any

from everynode.patch.trees import same


def apply(target: Any, patch: Any) -> Any:
    """`target` with `patch` laid over it. Anything but an object replaces what is there, lists included."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = apply(merged.get(key), value)
    return merged


def diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The patch that turns `old` into `new`; a member that is null in `new` is taken for absent."""
    patch: dict[str, Any] = {key: None for key in old if new.get(key) is None}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict):
            if not isinstance(before, dict):
                patch[key] = apply(None, value)
            elif changes := diff(before, value):
                patch[key] = changes
        elif value is not None and not same(before, value):
            patch[key] = value
    return patch
