"""The same behaviour in process and over HTTPS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import pytest

from everynode.api.scheme import NODES, PODS
from everynode.api.status import ApiError, expired, not_found
from everynode.wire.message import Peer, Response
from tests.client.far_end import Reached


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class Thing(msgspec.Struct):
    metadata: Meta = msgspec.field(default_factory=Meta)


def answer(name: str = "p") -> Response:
    return Response(200, body=json.dumps({"kind": "Pod", "metadata": {"name": name}, "spec": {"x": [1]}}).encode())


async def test_get_decodes_the_view_and_says_who_asks(reached: Reached) -> None:
    reached.far.answers = [answer()]
    thing = await reached.client.get(PODS, "p", "ns", view=Thing)
    asked = reached.far.last
    assert thing.metadata.name == "p"
    assert (asked.method, asked.path) == ("GET", "/api/v1/namespaces/ns/pods/p")
    assert asked.peer == Peer("jane", ("people",))
    assert asked.headers["user-agent"] == "test/1"
    assert asked.headers["accept"] == "application/json"


async def test_a_refusal_is_the_error_the_server_named(reached: Reached) -> None:
    reached.far.answers = [Response(404, body=not_found(PODS, "p").body())]
    with pytest.raises(ApiError) as raised:
        await reached.client.get(PODS, "p", "ns", view=Thing)
    assert (raised.value.code, raised.value.reason) == (404, "NotFound")
    assert str(raised.value) == 'pods "p" not found'


async def test_an_answer_that_is_no_such_object_is_an_error_too(reached: Reached) -> None:
    reached.far.answers = [Response(200, body=b"<html>"), Response(502, body=b"bad gateway")]
    with pytest.raises(ApiError, match="not understood"):
        await reached.client.get(PODS, "p", "ns", view=Thing)
    with pytest.raises(ApiError, match="bad gateway") as raised:
        await reached.client.get(PODS, "p", "ns", view=Thing)
    assert raised.value.code == 502


async def test_list_asks_with_selectors_as_they_are(reached: Reached) -> None:
    reached.far.answers = [Response(200, body=b'{"metadata":{"resourceVersion":"5"},"items":null}')]
    listing = await reached.client.list(NODES, view=Thing, labels="a in (b,c),d!=e%2F", fields="metadata.name=x")
    assert (listing.items, listing.resource_version) == ([], "5")
    assert reached.far.last.path == "/api/v1/nodes"
    assert reached.far.last.query == {"labelSelector": ["a in (b,c),d!=e%2F"], "fieldSelector": ["metadata.name=x"]}


async def test_a_list_that_comes_in_pieces_is_one_list(reached: Reached) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for piece in (b'{"metadata":{"resourceVersion":"5"},"items":[{"meta', b'data":{"name":"a"}}', b"]}"):
            yield piece

    reached.far.answers = [Response(200, stream=pieces(), ends=True)]
    listing = await reached.client.list(NODES, view=Thing)
    assert [item.metadata.name for item in listing.items] == ["a"]


async def test_writes_say_what_they_are(reached: Reached) -> None:
    client, far = reached.client, reached.far
    far.answers = [answer() for _ in range(9)]
    ours = {"fieldValidation": ["Ignore"]}

    made = await client.create(PODS, Thing(Meta("p")), "ns", view=Thing)
    assert made.metadata.name == "p"
    assert (far.last.method, far.last.path, far.last.query) == ("POST", "/api/v1/namespaces/ns/pods", ours)
    assert json.loads(far.last.body)["metadata"]["name"] == "p"

    await client.update(PODS, "p", b'{"a":1}', "ns", subresource="status")
    assert (far.last.method, far.last.path) == ("PUT", "/api/v1/namespaces/ns/pods/p/status")
    assert (far.last.body, far.last.headers["content-type"]) == (b'{"a":1}', "application/json")

    kinds = {
        "merge": "application/merge-patch+json",
        "strategic": "application/strategic-merge-patch+json",
        "json": "application/json-patch+json",
    }
    for kind, media_type in kinds.items():
        await client.patch(PODS, "p", [{"op": "test"}], "ns", kind=kind)  # type: ignore[call-overload]
        assert (far.last.method, far.last.headers["content-type"]) == ("PATCH", media_type)
    await client.patch(PODS, "p", {"a": None}, "ns", kind="apply", field_manager="me", force=True)
    assert far.last.headers["content-type"] == "application/apply-patch+yaml"
    assert far.last.query == {**ours, "fieldManager": ["me"], "force": ["true"]}
    assert far.last.body == b'{"a":null}'

    await client.create_sub(PODS, "p", "binding", {"target": {"name": "n"}}, "ns")
    assert (far.last.method, far.last.path) == ("POST", "/api/v1/namespaces/ns/pods/p/binding")


async def test_delete_carries_its_conditions(reached: Reached) -> None:
    reached.far.answers = [answer(), answer()]
    await reached.client.delete(PODS, "p", "ns")
    assert (reached.far.last.method, reached.far.last.body) == ("DELETE", b"")
    await reached.client.delete(
        PODS, "p", "ns", uid="u", resource_version="9", grace_period_seconds=0, propagation_policy="Orphan"
    )
    assert json.loads(reached.far.last.body) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": "u", "resourceVersion": "9"},
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
    }


def line(kind: str, thing: dict[str, object]) -> bytes:
    return json.dumps({"type": kind, "object": thing}, separators=(",", ":")).encode() + b"\n"


async def test_a_watch_gives_changes_bookmarks_and_then_the_failure(reached: Reached) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield line("ADDED", {"metadata": {"name": "a", "resourceVersion": "2"}})
        bookmark = {"kind": "Pod", "metadata": {"resourceVersion": "8", "name": None}, "spec": {"containers": None}}
        yield line("DELETED", {"metadata": {"name": "a", "resourceVersion": "3"}}) + line("BOOKMARK", bookmark)
        yield line("ERROR", json.loads(expired("too old").body()))

    reached.far.answers = [Response(200, stream=stream())]
    seen: list[tuple[str, str, str]] = []

    async def follow() -> None:
        async for change in reached.client.watch(PODS, "ns", since="1", view=Thing, labels="a=b"):
            seen.append((change.type, change.object.metadata.name, change.object.metadata.resource_version))

    with pytest.raises(ApiError, match="too old") as raised:
        await follow()
    assert seen == [("ADDED", "a", "2"), ("DELETED", "a", "3"), ("BOOKMARK", "", "8")]
    assert raised.value.code == 410
    assert reached.far.last.query == {
        "labelSelector": ["a=b"],
        "watch": ["true"],
        "allowWatchBookmarks": ["true"],
        "resourceVersion": ["1"],
    }


async def test_a_watch_that_the_caller_leaves_is_ended_at_the_far_end(reached: Reached) -> None:
    ended = asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield line("ADDED", {"metadata": {"name": "a"}})
                await asyncio.sleep(0)
        finally:
            ended.set()

    reached.far.answers = [Response(200, stream=stream())]
    async with aclosing(reached.client.watch(PODS, since="1", view=Thing)) as changes:
        async for change in changes:
            assert change.object.metadata.name == "a"
            break
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_watch_that_is_refused_raises_at_once(reached: Reached) -> None:
    reached.far.answers = [Response(410, body=expired("too old").body())]
    with pytest.raises(ApiError) as raised:
        await anext(reached.client.watch(PODS, since="1", view=Thing))
    assert raised.value.code == 410
