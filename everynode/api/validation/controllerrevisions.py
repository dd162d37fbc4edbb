"""ControllerRevisions: an object's worth of data that never changes, and the number of its turn."""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api.apps_v1 import ControllerRevision
from everynode.api.fielderror import invalid, required
from everynode.api.validation.fields import IMMUTABLE, Errors, check_not_negative
from everynode.api.validation.metadata import check_metadata


def check_controller_revision(revision: ControllerRevision, errors: Errors) -> None:
    _check(revision, errors)
    if not bytes(revision.data):
        errors.append(required("data", "data is mandatory"))
        return
    try:
        data: Any = msgspec.json.decode(revision.data)
    except msgspec.DecodeError as error:
        errors.append(invalid("data", "<value omitted>", f"error parsing data: {error}"))
        return
    if data is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(data, dict):
        errors.append(required("data", "data must be a valid JSON object"))


def check_controller_revision_update(new: ControllerRevision, old: ControllerRevision, errors: Errors) -> None:
    _check(new, errors)
    if _parsed(new) != _parsed(old):
        errors.append(invalid("data", new.data, IMMUTABLE))


def _check(revision: ControllerRevision, errors: Errors) -> None:
    check_metadata(revision.metadata, errors)
    check_not_negative(revision.revision, "revision", errors)


def _parsed(revision: ControllerRevision) -> Any:
    """Its data, so that spelling (spaces, the order of keys) makes no difference."""
    return msgspec.json.decode(revision.data) if bytes(revision.data) else None
