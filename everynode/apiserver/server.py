"""The API server: a Handler from Request to Response over a store.

    authenticate → find the target → authorise → carry out the verb

Every refusal is an `ApiError` and becomes its Status. Anything else that goes wrong is a fault of ours: it is logged with
its trace and answered with a 500, and the next request is served. `run` is the server's own background work.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections import Counter
from collections.abc import Awaitable, Callable

from everynode import __version__
from everynode.api import status
from everynode.api.scheme import Resource
from everynode.apiserver import (
    access,
    binding,
    connecting,
    creating,
    deleting,
    discovery,
    health,
    media,
    metrics,
    openapi,
    options,
    updating,
)
from everynode.apiserver.access import Attributes
from everynode.apiserver.admission import Admission
from everynode.apiserver.admission.quota import Quotas
from everynode.apiserver.booking import BookedStore
from everynode.apiserver.call import Call, Target, User, parse
from everynode.apiserver.evicting import Evictor
from everynode.apiserver.expiry import EventExpiry
from everynode.apiserver.reading import Reader
from everynode.apiserver.watching import Watcher
from everynode.apiserver.writing import Writer
from everynode.base.clock import Clock, SteadyClock
from everynode.base.ids import Ids
from everynode.base.samples import Samples
from everynode.store.contract import Store, StoreFailed, StoreFull, Written
from everynode.wire.message import Request, Response

log = logging.getLogger(__name__)

# The Kubernetes release whose behaviour is served.
KUBERNETES = (1, 37, 0)

_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "POST": "create"}


class ApiServer:
    """Serves the API of one store. Callable: it is a `Handler`."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._reader = Reader(store, clock)
        self._watcher = Watcher(store, self._reader, ids)
        quotas = Quotas(store, clock)
        booked = BookedStore(store, quotas)
        self._writer = Writer(booked, self._reader, Admission(store, quotas), clock, ids)
        self._expiry = EventExpiry(store, SteadyClock(clock))
        # Requests answered, by verb, resource and code: what benches and metrics read.
        self.answered: Counter[tuple[str, str, int]] = Counter()
        # What other parts of this process add to the metrics.
        self.samples: list[Samples] = []
        # What other parts of this process tell of one thing, as JSON, at /debug/PAGE/THING; None: there is no such thing.
        self.debug_pages: dict[str, Callable[[str], bytes | None]] = {}
        self._verbs: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "get": self._reader.get,
            "list": self._reader.list,
            "watch": self._watcher.watch,
            "create": lambda call: creating.create(self._writer, call),
            "update": lambda call: updating.update(self._writer, call),
            "patch": lambda call: updating.patch(self._writer, call),
            "delete": lambda call: deleting.delete(self._writer, call),
            "deletecollection": lambda call: deleting.delete_collection(self._writer, call),
        }
        # Subresources that are verbs of their own.
        self._posted: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "binding": lambda call: binding.bind(self._writer, call),
            "eviction": Evictor(self._writer).evict,
        }

    @property
    def written(self) -> Written:
        """What its store has done."""
        return self._store.written

    @property
    def sent(self) -> Counter[Resource]:
        """Watch events sent."""
        return self._watcher.sent

    def stored(self, resource: Resource) -> int:
        """How many objects of a kind there are."""
        return self._store.count(resource.prefix)

    async def run(self) -> None:
        """The server's background work: Events that have lived their hour go. Runs until it is cancelled."""
        await self._expiry.run()

    async def __call__(self, request: Request) -> Response:
        """Answers one request; never raises but on cancellation."""
        # Nobody who asks for nonsense makes the counters grow.
        verb, plural = "other", ""
        try:
            target = parse(request.path)
            user = access.authenticate(request)
            if target is None:
                response = await self._serve_path(request, user)
            else:
                verb, plural = _verb_of(request, target), target.resource.plural
                response = await self._serve_target(Call(request, user, target), verb)
        except status.ApiError as error:
            response = media.json_response(error.code, error.body())
            response.headers.update(error.headers)
        except StoreFull as error:
            response = _failed(status.unavailable(f"the store takes no writes: {error}; reads go on"))
        except StoreFailed as error:
            response = _failed(status.unavailable(f"the store has failed: {error}"))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            response = _failed(status.internal(f"{type(error).__name__}: {error}"))
        self.answered[verb, plural, response.status] += 1
        return response

    async def _serve_target(self, call: Call, verb: str) -> Response:
        target, resource = call.target, call.resource
        wanted = Attributes(verb, resource.group, resource.plural, target.subresource, target.namespace, target.name)
        access.authorize(call.user, wanted)
        if verb not in resource.verbs:
            raise status.method_not_allowed(resource, verb)
        options.check(call, verb)
        if resource.is_review:
            return access.review(call)
        if target.subresource:
            return await self._serve_subresource(call, verb)
        if verb == "create" and (target.name or (resource.namespaced and not target.namespace)):
            raise status.method_not_allowed(resource, verb)
        return await self._verbs[verb](call)

    async def _serve_subresource(self, call: Call, verb: str) -> Response:
        subresource, resource = call.target.subresource, call.resource
        if subresource not in resource.subresources:
            return await connecting.refuse(self._store, call)
        if posted := self._posted.get(subresource):
            if verb != "create":
                raise status.method_not_allowed(resource, verb)
            return await posted(call)
        if verb not in ("get", "update", "patch"):
            raise status.method_not_allowed(resource, verb)
        return await self._verbs[verb](call)

    async def _serve_path(self, request: Request, user: User) -> Response:
        path = request.path.rstrip("/") or "/"
        access.authorize(user, Attributes(request.method.lower(), path=path))
        if request.method not in ("GET", "HEAD"):
            raise status.no_such_path()
        if path == "/version":
            return media.document(200, version())
        if path == "/metrics":
            return metrics.serve(self.answered, self.sent, self._store, self.samples)
        if path.startswith("/debug/"):
            return self._debug(path)
        found = health.serve(request, user, self._store) or discovery.serve(request) or openapi.serve(request)
        if found is None:
            raise status.no_such_path()
        return found

    def _debug(self, path: str) -> Response:
        _, _, page, *rest = path.split("/", 3)
        told = self.debug_pages[page](rest[0]) if rest and page in self.debug_pages else None
        if told is None:
            raise status.no_such_path()
        return Response(200, {"content-type": "application/json"}, told)


def version() -> dict[str, str]:
    """What `/version` says: the Kubernetes release that is served, and which everynode serves it."""
    major, minor, patch = KUBERNETES
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.{patch}+everynode.{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{_architecture()}",
    }


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _verb_of(request: Request, target: Target) -> str:
    """The API's verb of an HTTP method; raises 405 for a method that has none there."""
    method = "GET" if request.method == "HEAD" else request.method
    verb = (_OBJECT_VERBS if target.name else _COLLECTION_VERBS).get(method)
    if verb is None:
        raise status.method_not_allowed(target.resource, request.method.lower())
    if verb in ("get", "list") and not target.subresource and request.first("watch") in ("true", "1"):
        return "watch"
    return verb


def _failed(error: status.ApiError) -> Response:
    return media.json_response(error.code, error.body())
