"""Who may do what, and the reviews that ask it.

Authentication is the transport's: a verified client certificate, or a component of this process. Members of
`system:masters` may do everything; everybody else may read what tells the server's health and shape. Roles come later,
and until then whoever is no master is refused by name.
"""

from __future__ import annotations

import msgspec

from everynode.api import scheme, status
from everynode.api.authentication_v1 import SelfSubjectReview, SelfSubjectReviewStatus, UserInfo
from everynode.api.authorization_v1 import (
    NonResourceRule,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
)
from everynode.api.fielderror import invalid
from everynode.api.meta_v1 import StatusDetails
from everynode.apiserver import body, media
from everynode.apiserver.call import Call, User
from everynode.wire.message import Request, Response

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))

# What everybody may ask about themselves.
_OWN_REVIEWS = tuple(resource.plural for resource in scheme.RESOURCES if resource.is_review)
# What anybody may read, also without saying who it is.
PUBLIC_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/version"})
_SHAPE_PREFIXES = ("/api", "/apis", "/openapi", "/livez", "/readyz", "/healthz", "/version")


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What is to be done: a verb on a resource, or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def authenticate(request: Request) -> User:
    """Who asks; raises 401 when nobody says so and the path is not public."""
    if request.peer is not None:
        return User(request.peer.name, (*request.peer.groups, AUTHENTICATED))
    if request.path.rstrip("/") in PUBLIC_PATHS and "authorization" not in request.headers:
        return ANONYMOUS
    raise status.unauthorized()


def is_allowed(user: User, wanted: Attributes) -> bool:
    """Whether the user may do it."""
    if MASTERS in user.groups:
        return True
    if wanted.verb == "create" and wanted.resource in _OWN_REVIEWS:
        return True
    return bool(wanted.path) and wanted.verb in ("get", "head") and wanted.path.startswith(_SHAPE_PREFIXES)


def authorize(user: User, wanted: Attributes) -> None:
    """Raises the 403 that names user, verb and resource."""
    if is_allowed(user, wanted):
        return
    if wanted.path:
        message = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"'
        raise status.failure(403, "Forbidden", message)
    resource = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    shown = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    name = f'"{wanted.name}" ' if wanted.name else ""
    raise status.failure(
        403,
        "Forbidden",
        f'{resource} {name}is forbidden: User "{user.name}" cannot {wanted.verb} resource "{shown}" '
        f'in API group "{wanted.group}" {where}',
        StatusDetails(name=wanted.name, group=wanted.group, kind=wanted.resource),
    )


def review(call: Call) -> Response:
    """Answers a review of what its sender is or may do; nothing is stored."""
    asked = body.read_object(call, call.resource)
    if call.resource is scheme.SELF_SUBJECT_REVIEWS:
        return _who_am_i(call, asked)
    if call.resource is scheme.SELF_SUBJECT_RULES_REVIEWS:
        return _what_may_i(call, asked)
    return _may_i(call, asked)


def _who_am_i(call: Call, asked: SelfSubjectReview) -> Response:
    asked.status = SelfSubjectReviewStatus(user_info=UserInfo(username=call.user.name, groups=list(call.user.groups)))
    return media.document(201, asked)


def _may_i(call: Call, asked: SelfSubjectAccessReview) -> Response:
    about, path = asked.spec.resource_attributes, asked.spec.non_resource_attributes
    if (about is None) == (path is None):
        error = invalid(
            "spec.resourceAttributes",
            about,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
        raise status.invalid(scheme.SELF_SUBJECT_ACCESS_REVIEWS, "", [error])
    if about is not None:
        wanted = Attributes(about.verb, about.group, about.resource, about.subresource, about.namespace, about.name)
    else:
        assert path is not None
        wanted = Attributes(path.verb, path=path.path)
    asked.status = SubjectAccessReviewStatus(allowed=is_allowed(call.user, wanted))
    return media.document(201, asked)


def _what_may_i(call: Call, asked: SelfSubjectRulesReview) -> Response:
    if MASTERS in call.user.groups:
        rules = [ResourceRule(verbs=["*"], api_groups=["*"], resources=["*"])]
        paths = NonResourceRule(verbs=["*"], non_resource_urls=["*"])
    else:
        groups = sorted({resource.group for resource in scheme.RESOURCES if resource.is_review})
        rules = [ResourceRule(verbs=["create"], api_groups=groups, resources=sorted(_OWN_REVIEWS))]
        paths = NonResourceRule(
            verbs=["get"], non_resource_urls=[url for prefix in _SHAPE_PREFIXES for url in (prefix, f"{prefix}/*")]
        )
    asked.status = SubjectRulesReviewStatus(resource_rules=rules, non_resource_rules=[paths])
    return media.document(201, asked)
