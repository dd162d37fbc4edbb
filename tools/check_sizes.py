"""Keeps files and functions readable: reports every file and function that has outgrown what a reader holds in mind.

Seldom over 400 lines a file and 70 a function is the habit; what is over the limits below fails. Every module that has
code opens with its story. Generated files (their first line says so) are left out.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 500
TEST_FILE_LINES = 700
FUNCTION_LINES = 90

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("everynode", "tests", "tools", "benchmarks")


def complaints(path: Path) -> Iterator[str]:
    """What is wrong with one file's size, or with its opening."""
    text = path.read_text()
    lines = text.splitlines()
    if not lines or "generated" in lines[0].lower():
        return
    tests = path.parts[0] == "tests"
    limit = TEST_FILE_LINES if tests else FILE_LINES
    if len(lines) > limit:
        yield f"{path}: {len(lines)} lines (at most {limit})"
    tree = ast.parse(text)
    if not tests and ast.get_docstring(tree) is None:
        yield f"{path}: no module docstring tells its story"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines (at most {FUNCTION_LINES})"


def main() -> int:
    files = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    found = [complaint for path in files for complaint in complaints(path)]
    print("\n".join(found) if found else f"sizes: {len(files)} files hold the limits")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
