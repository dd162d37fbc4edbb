"""JSON trees: copying, JSON's own equality, and how Go prints one in an error message."""

from __future__ import annotations

from typing import Any


def copy(tree: Any) -> Any:
    """A deep copy of a tree of dicts, lists and plain values."""
    if isinstance(tree, dict):
        return {key: copy(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [copy(value) for value in tree]
    return tree


def same(left: Any, right: Any) -> bool:
    """Equality as JSON has it. Python's own takes True for 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def go_text(tree: Any) -> str:
    """The tree as Go's `%v` prints it: `map[image:nginx name:web]`, `[a b]`, `<nil>`."""
    if isinstance(tree, dict):
        return f"map[{' '.join(f'{key}:{go_text(tree[key])}' for key in sorted(tree))}]"
    if isinstance(tree, list):
        return f"[{' '.join(map(go_text, tree))}]"
    if tree is None:
        return "<nil>"
    if isinstance(tree, bool):
        return "true" if tree else "false"
    return str(tree)
