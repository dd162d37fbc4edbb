"""What the query of a change says about how it is to be made, refused before anything is done.

In: a call that writes, and its verb. Guaranteed: from here on `dryRun` is either absent or `All`, and the field manager is one
that managedFields may carry. Kubernetes names the options after the verb: CreateOptions, UpdateOptions, PatchOptions.
"""

from __future__ import annotations

from everynode.api import fielderror, status
from everynode.api.fielderror import FieldError
from everynode.api.meta_v1 import StatusCause, StatusDetails
from everynode.apiserver.call import Call, check_dry_run

# Kubernetes' own bound, in bytes.
LONGEST_FIELD_MANAGER = 128

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def check(call: Call, verb: str) -> None:
    """Raises 400 or 422 for options that nobody can follow."""
    check_dry_run(call.request.query.get("dryRun", []))
    kind = _KINDS.get(verb)
    if kind and (error := _field_manager(call.request.first("fieldManager"))):
        raise invalid(kind, error)


def _field_manager(manager: str) -> FieldError | None:
    if len(manager.encode()) > LONGEST_FIELD_MANAGER:
        return fielderror.too_long("fieldManager", LONGEST_FIELD_MANAGER)
    for position, character in enumerate(manager):
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {position})"
            return fielderror.invalid("fieldManager", manager, why)
    return None


def invalid(kind: str, error: FieldError) -> status.ApiError:
    """The 422 that says what is wrong with the options."""
    cause = StatusCause(reason=error.reason, message=error.body, field=error.field)
    details = StatusDetails(group="meta.k8s.io", kind=kind, causes=[cause])
    return status.failure(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {error}', details)
