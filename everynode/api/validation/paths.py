"""Paths of files: whether they stay below where they start."""

from __future__ import annotations

from everynode.api.fielderror import invalid
from everynode.api.validation.fields import Errors


def climbs(path: str) -> bool:
    """Whether one of its steps is `..`."""
    return ".." in path and ".." in path.split("/")


def check_no_backsteps(value: str, path: str, errors: Errors) -> None:
    if climbs(value):
        errors.append(invalid(path, value, "must not contain '..'"))


def check_descending(value: str, path: str, errors: Errors) -> None:
    """Relative, and never upwards."""
    if value.startswith("/"):
        errors.append(invalid(path, value, "must be a relative path"))
    check_no_backsteps(value, path, errors)


def check_projected(value: str, path: str, errors: Errors) -> None:
    """A file that Kubernetes writes into a volume: names that begin with `..` are its own."""
    check_descending(value, path, errors)
    if value.startswith("..") and not value.startswith("../"):
        errors.append(invalid(path, value, "must not start with '..'"))
