"""The API's verbs for whoever calls it: over the in-process API server or, with the same code, over HTTPS.

In: a `Handler` (the API server itself, or `client.http.HttpHandler`), and for each call a *view*: a msgspec struct with
just the fields the caller reads. Every field of a view has a default, and its names are mapped to the API's
(`rename="camel"`), so the bytes of an answer are decoded once, straight into what is used.

Out: views. Whatever goes wrong is an `ApiError`: what the API said, or `ClientUnreachable` when nothing was said. The
in-process caller and the HTTPS caller catch the same thing.

A watch ends when the server ends it; the caller goes on from the newest revision it has seen. A bookmark comes as a view
that holds nothing but `metadata.resourceVersion`, whatever else the server writes in it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Generic, Literal, TypeVar, cast, overload

import msgspec

from everynode.api.meta_v1 import Status
from everynode.api.scheme import Resource
from everynode.api.status import ApiError, failure, internal, parse, unavailable
from everynode.wire.message import Handler, Peer, Request, Response

T = TypeVar("T")
Query = dict[str, list[str]]
Body = msgspec.Struct | dict[str, Any] | list[Any] | bytes  # a list is a JSON patch
PatchKind = Literal["merge", "strategic", "json", "apply"]

_PATCH_TYPES: dict[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ClientUnreachable(ApiError):
    """Nobody answered, or the answer broke off: the request may or may not have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(unavailable(message).status)


class Change(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One line of a watch: what happened, and the object after it (before it, for DELETED)."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: T


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """All objects that were asked for, and the revision from which a watch goes on."""

    items: list[T]
    resource_version: str


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T]):
    """One page of a list as it stands on the wire. Go writes an empty list as null at times."""

    metadata: _ListMeta
    items: list[T] | None = None


class _Marked(msgspec.Struct):
    metadata: _ListMeta


class _Bookmark(msgspec.Struct):
    object: _Marked


class _Failure(msgspec.Struct):
    object: Status


_bookmark = msgspec.json.Decoder(_Bookmark).decode
_failure = msgspec.json.Decoder(_Failure).decode


@functools.lru_cache(maxsize=256)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    """Building a decoder costs far more than using it."""
    return msgspec.json.Decoder(shape)


class Client:
    """The API's verbs over a Handler. Holds no connection and no state of its own; any number of tasks may share it."""

    def __init__(self, handler: Handler, *, peer: Peer | None = None, user_agent: str = "everynode") -> None:
        self._handler = handler
        self._peer = peer
        self._user_agent = user_agent

    async def get(self, resource: Resource, name: str, namespace: str = "", *, view: type[T]) -> T:
        """One object as it is stored now."""
        response = await self._call("GET", resource.path(namespace, name), {})
        return cast(T, _decode(view, response.body))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        view: type[T],
        labels: str = "",
        fields: str = "",
        limit: int = 0,
    ) -> Listing[T]:
        """All that match, of one moment. `limit` is the size of the pages they are fetched in (0: one answer).

        If that moment is too long ago before the last page is reached, everything is asked for once more, in one answer.
        """
        query = _selection(labels, fields)
        if limit:
            query["limit"] = [str(limit)]
        path = resource.path(namespace)
        items: list[T] = []
        while True:
            try:
                response = await self._call("GET", path, query)
            except ApiError as error:
                if error.code != 410 or "continue" not in query:
                    raise
                query, items = _selection(labels, fields), []
                continue
            page: _Page[T] = _decode(_Page[view], await response.whole())  # type: ignore[valid-type]
            items.extend(page.items or ())
            if not page.metadata.continue_:
                return Listing(items, page.metadata.resource_version)
            # In this process a page is answered without waiting for anybody: others get their turn between two.
            await asyncio.sleep(0)
            query = {**query, "continue": [page.metadata.continue_]}

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        since: str,
        view: type[T],
        labels: str = "",
        fields: str = "",
    ) -> AsyncGenerator[Change[T], None]:
        """Every change after revision `since`, in order, until the server ends the stream. Close it with `aclosing`."""
        query = {
            **_selection(labels, fields),
            "watch": ["true"],
            "allowWatchBookmarks": ["true"],
            "resourceVersion": [since],
        }
        decode = _decoder(Change[view]).decode  # type: ignore[valid-type]
        response = await self._call("GET", resource.path(namespace), query)
        if response.stream is None:
            raise internal("a watch was answered without a stream")
        async with aclosing(response.stream) as chunks:
            async for chunk in chunks:
                for line in chunk.split(b"\n"):
                    if line:
                        yield _change(line, decode, view)

    @overload
    async def create(self, resource: Resource, body: Body, namespace: str = ..., *, view: None = ...) -> None: ...
    @overload
    async def create(self, resource: Resource, body: Body, namespace: str = ..., *, view: type[T]) -> T: ...
    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, view: type[T] | None = None
    ) -> T | None:
        """Creates; without a view the answer is not decoded."""
        response = await self._call("POST", resource.path(namespace), _writing(), _encode(body))
        return None if view is None else _decode(view, response.body)

    @overload
    async def update(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = ...,
        *,
        subresource: str = ...,
        view: None = ...,
    ) -> None: ...
    @overload
    async def update(
        self, resource: Resource, name: str, body: Body, namespace: str = ..., *, subresource: str = ..., view: type[T]
    ) -> T: ...
    async def update(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = "",
        *,
        subresource: str = "",
        view: type[T] | None = None,
    ) -> T | None:
        """Replaces the whole object; a resourceVersion in the body makes it conditional."""
        path = resource.path(namespace, name, subresource)
        response = await self._call("PUT", path, _writing(), _encode(body))
        return None if view is None else _decode(view, response.body)

    @overload
    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = ...,
        *,
        kind: PatchKind = ...,
        subresource: str = ...,
        view: None = ...,
        field_manager: str = ...,
        force: bool = ...,
    ) -> None: ...
    @overload
    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = ...,
        *,
        kind: PatchKind = ...,
        subresource: str = ...,
        view: type[T],
        field_manager: str = ...,
        force: bool = ...,
    ) -> T: ...
    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = "",
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
        view: type[T] | None = None,
        field_manager: str = "",
        force: bool = False,
    ) -> T | None:
        """Changes part of an object; `kind` is how the body is to be understood."""
        query = _writing()
        if field_manager:
            query["fieldManager"] = [field_manager]
        if force:
            query["force"] = ["true"]
        path = resource.path(namespace, name, subresource)
        response = await self._call("PATCH", path, query, _encode(body), _PATCH_TYPES[kind])
        return None if view is None else _decode(view, response.body)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
    ) -> None:
        """Deletes, or asks for deletion where grace or finalizers delay it; `uid` and `resource_version` are preconditions."""
        options: dict[str, Any] = {}
        if uid or resource_version:
            conditions = {"uid": uid, "resourceVersion": resource_version}
            options["preconditions"] = {name: value for name, value in conditions.items() if value}
        if grace_period_seconds is not None:
            options["gracePeriodSeconds"] = grace_period_seconds
        await self._call("DELETE", resource.path(namespace, name), {}, _delete_options(options, propagation_policy))

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        propagation_policy: str = "",
        limit: int = 0,
    ) -> None:
        """Deletes, one by one, all that match; `limit` at a time, so that no answer holds them all (0: in one call).

        If the moment at which it began is too long ago for the server to go on, it begins anew."""
        path, body = resource.path(namespace), _delete_options({}, propagation_policy)
        first = _selection(labels, fields)
        if limit:
            first["limit"] = [str(limit)]
        query = first
        while True:
            try:
                answer = _decode(_Marked, (await self._call("DELETE", path, query, body)).body)
            except ApiError as error:
                if error.code != 410 or "continue" not in query:
                    raise
                query = first
                continue
            if not answer.metadata.continue_:
                return
            query = {**first, "continue": [answer.metadata.continue_]}

    async def create_sub(
        self, resource: Resource, name: str, subresource: str, body: Body, namespace: str = ""
    ) -> None:
        """POSTs to a subresource (`pods/x/binding`)."""
        await self._call("POST", resource.path(namespace, name, subresource), _writing(), _encode(body))

    async def read(self, path: str) -> bytes:
        """What a path that is no resource's answers (`/version`, `/metrics`)."""
        return await (await self._call("GET", path, {})).whole()

    async def _call(
        self, method: str, path: str, query: Query, body: bytes = b"", content_type: str = "application/json"
    ) -> Response:
        headers = {"accept": "application/json", "user-agent": self._user_agent}
        if body:
            headers["content-type"] = content_type
        response = await self._handler(Request(method, path, query, headers, body, self._peer))
        if response.status >= 400:
            await response.close()
            raise parse(response.body, response.status)
        return response


def _selection(labels: str, fields: str) -> Query:
    query: Query = {}
    if labels:
        query["labelSelector"] = [labels]
    if fields:
        query["fieldSelector"] = [fields]
    return query


def _writing() -> Query:
    # What we write ourselves is typed already; looking for unknown fields in it again is work for nothing.
    return {"fieldValidation": ["Ignore"]}


def _delete_options(options: dict[str, Any], propagation_policy: str) -> bytes:
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    return _encode({"kind": "DeleteOptions", "apiVersion": "v1", **options}) if options else b""


def _encode(body: Body) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _decode(shape: Any, body: bytes) -> Any:
    try:
        return _decoder(shape).decode(body)
    except msgspec.MsgspecError as error:
        raise _not_understood(error) from error


def _change(line: bytes, decode: Any, view: Any) -> Any:
    """One line of a watch as a Change; the line that reports a failure raises it."""
    try:
        if line.startswith(b'{"type":"BOOKMARK"'):
            return Change("BOOKMARK", _bookmark_view(view, _bookmark(line).object.metadata.resource_version))
        if line.startswith(b'{"type":"ERROR"'):
            raise ApiError(_failure(line).object)
        return decode(line)
    except msgspec.MsgspecError as error:
        raise _not_understood(error) from error


def _bookmark_view(view: Any, resource_version: str) -> Any:
    # A whole bookmark may hold nulls where a real object cannot, so only its revision is taken over.
    return msgspec.convert({"metadata": {"resourceVersion": resource_version}}, view)


def _not_understood(error: msgspec.MsgspecError) -> ApiError:
    return failure(500, "InternalError", f"the server's answer is not understood: {error}")
