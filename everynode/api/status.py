"""The API's one error: a `Status`, the same on both sides of the wire.

The server raises an `ApiError`, which becomes the response; a client that receives such a response raises the same. The
constructors below are the closed list of what can go wrong, with Kubernetes' codes, reasons and sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from everynode.api import fielderror
from everynode.api.fielderror import FieldError
from everynode.api.meta_v1 import Status, StatusCause, StatusDetails
from everynode.api.scheme import Resource


class ApiError(Exception):
    """A request that the API refused or failed; `status` says how, `headers` go out with it (Retry-After)."""

    def __init__(self, status: Status, headers: dict[str, str] | None = None) -> None:
        super().__init__(status.message)
        self.status = status
        self.headers = headers or {}

    @property
    def code(self) -> int:
        return self.status.code

    @property
    def reason(self) -> str:
        return self.status.reason

    def body(self) -> bytes:
        """The Status as JSON."""
        return msgspec.json.encode(self.status)


def failure(code: int, reason: str, message: str, details: StatusDetails | None = None) -> ApiError:
    """Any failure; the named constructors below are preferred."""
    return ApiError(
        Status(
            kind="Status",
            api_version="v1",
            status="Failure",
            message=message,
            reason=reason,
            details=details,
            code=code,
        )
    )


def _details(resource: Resource, name: str = "") -> StatusDetails:
    return StatusDetails(name=name, group=resource.group, kind=resource.plural)


def not_found(resource: Resource, name: str) -> ApiError:
    return failure(404, "NotFound", f'{resource.group_resource} "{name}" not found', _details(resource, name))


def no_such_path() -> ApiError:
    return failure(404, "NotFound", "the server could not find the requested resource", StatusDetails())


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.group_resource} "{name}" already exists'
    return failure(409, "AlreadyExists", message, _details(resource, name))


def generate_name_exhausted(resource: Resource, name: str) -> ApiError:
    why = "the server was not able to generate a unique name for the object"
    message = f'{resource.group_resource} "{name}" already exists, {why}'
    return failure(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.group_resource} "{name}": {why}'
    return failure(409, "Conflict", message, _details(resource, name))


def not_the_one(resource: Resource, name: str, why: str) -> ApiError:
    """409 of a deletion whose preconditions do not hold; Kubernetes names the kind here, not the resource."""
    message = f'Operation cannot be fulfilled on {resource.group_kind} "{name}": {why}'
    return failure(409, "Conflict", message, StatusDetails(name=name, group=resource.group, kind=resource.kind))


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def apply_conflict(message: str, causes: Sequence[StatusCause]) -> ApiError:
    return failure(409, "Conflict", message, StatusDetails(causes=list(causes)))


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422: every error in the message, each a cause that names its field."""
    return _invalid(resource.group, resource.kind, resource.group_kind, name, errors)


def unversioned(resource: Resource, name: str) -> ApiError:
    """422 for a replacement that has to say of which version; it names the resource where others name the kind."""
    missing = fielderror.invalid("metadata.resourceVersion", 0, "must be specified for an update")
    return _invalid(resource.group, resource.plural, resource.group_resource, name, [missing])


def _invalid(group: str, kind: str, what: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    causes = [StatusCause(reason=error.reason, message=error.body, field=error.field) for error in errors]
    listed = str(errors[0]) if len(errors) == 1 else "[" + ", ".join(str(error) for error in errors) + "]"
    details = StatusDetails(name=name, group=group, kind=kind, causes=causes)
    return failure(422, "Invalid", f'{what} "{name}" is invalid: {listed}', details)


def invalid_options(kind: str, errors: Sequence[FieldError]) -> ApiError:
    """422 for the options of a request (DeleteOptions, …), which are about no object of a name."""
    causes = [StatusCause(reason=error.reason, message=error.body, field=error.field) for error in errors]
    listed = str(errors[0]) if len(errors) == 1 else "[" + ", ".join(str(error) for error in errors) + "]"
    details = StatusDetails(group="meta.k8s.io", kind=kind, causes=causes)
    return failure(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {listed}', details)


def bad_request(message: str) -> ApiError:
    return failure(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return failure(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str) -> ApiError:
    message = f'{resource.group_resource} "{name}" is forbidden: {why}'
    return failure(403, "Forbidden", message, _details(resource, name))


def method_not_allowed(resource: Resource, verb: str) -> ApiError:
    message = f'{verb} is not supported on resources of kind "{resource.group_resource}"'
    return failure(405, "MethodNotAllowed", message, _details(resource))


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    listed = ", ".join(accepted)
    return failure(406, "NotAcceptable", f"only the following media types are accepted: {listed}", StatusDetails())


def expired(message: str) -> ApiError:
    return failure(410, "Expired", message)


def too_large(message: str) -> ApiError:
    return failure(413, "RequestEntityTooLarge", message)


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    listed = ", ".join(accepted)
    return failure(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {listed}",
    )


def not_implemented(message: str) -> ApiError:
    """501: what this project knows of but does not do (yet); the message names it."""
    return failure(501, "NotImplemented", message)


def too_many_requests(message: str, causes: Sequence[StatusCause], retry_after_seconds: int = 0) -> ApiError:
    """429; with a number of seconds it also tells when to ask again."""
    details = StatusDetails(causes=list(causes), retry_after_seconds=retry_after_seconds)
    return _asking_again(failure(429, "TooManyRequests", message, details))


def timeout(message: str, retry_after_seconds: int) -> ApiError:
    details = StatusDetails(retry_after_seconds=retry_after_seconds)
    return _asking_again(failure(504, "Timeout", f"Timeout: {message}", details))


def _asking_again(error: ApiError) -> ApiError:
    """The error with the header that goes with its `retryAfterSeconds`."""
    details = error.status.details
    if details is not None and details.retry_after_seconds:
        error.headers["retry-after"] = str(details.retry_after_seconds)
    return error


def internal(message: str) -> ApiError:
    return failure(500, "InternalError", f"Internal error occurred: {message}")


def unavailable(message: str) -> ApiError:
    return failure(503, "ServiceUnavailable", message)


def parse(body: bytes, code: int) -> ApiError:
    """The error that a response with a failing code carries; a body that is no Status is quoted."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        status = Status()
    if status.kind != "Status":
        text = body[:512].decode(errors="replace").strip() or f"the server answered {code}"
        return failure(code, "", text)
    return ApiError(status)
