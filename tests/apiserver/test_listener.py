"""The listener under clients good and bad, with a handler of the test's own behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from everynode.api import status
from everynode.apiserver import listener as listening
from everynode.apiserver.listener import CannotListen, Listener
from everynode.assemble.pki import ensure
from everynode.wire.message import Handler, Request, Response

HEAD = b"Host: x\r\n"


def echo(seen: list[Request]) -> Handler:
    async def handle(request: Request) -> Response:
        seen.append(request)
        return Response(200, {"content-type": "application/json"}, b"{}")

    return handle


@asynccontextmanager
async def open_listener(handler: Handler) -> AsyncIterator[Listener]:
    listener = Listener(handler, None)
    await listener.open("127.0.0.1", 0)
    try:
        yield listener
    finally:
        await listener.close(0.5)


async def raw(listener: Listener, sent: bytes) -> bytes:
    """Everything the server answers to these bytes, until it closes or says nothing more for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(sent)
    await writer.drain()
    answered = b""
    try:
        while part := await asyncio.wait_for(reader.read(65536), 2):
            answered += part
    finally:
        writer.close()
    return answered


async def test_a_request_arrives_whole() -> None:
    seen: list[Request] = []
    async with open_listener(echo(seen)) as listener, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{listener.port}/api/v1/pods?labelSelector=a%3Db%2Cc&x=1&x=2&empty="
        async with session.post(url, data=b"payload", headers={"X-One": "1"}) as answer:
            assert answer.status == 200
    (request,) = seen
    assert (request.method, request.path, request.body) == ("POST", "/api/v1/pods", b"payload")
    assert request.query == {"labelSelector": ["a=b,c"], "x": ["1", "2"], "empty": [""]}
    assert request.headers["x-one"] == "1"
    assert request.peer is None


async def test_a_body_beyond_the_bound_is_refused_unread() -> None:
    seen: list[Request] = []
    async with open_listener(echo(seen)) as listener:
        told = b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 3145729\r\n\r\n"
        answered = await raw_head(listener, told)
        assert b" 413 " in answered
        assert b"limit is 3145728" in answered
        chunked = b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        chunked += b"320000\r\n" + b"x" * 0x320000 + b"\r\n0\r\n\r\n"
        assert b" 413 " in await raw_head(listener, chunked)
    assert seen == []


async def raw_head(listener: Listener, sent: bytes) -> bytes:
    """The first bytes of the answer, whether or not the server still waits for the rest of the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(sent)
    try:
        answered = await reader.readuntil(b"\r\n\r\n")
        return answered + await reader.read(4096)
    finally:
        writer.close()


async def test_malformed_requests_harm_nobody() -> None:
    seen: list[Request] = []
    bad = [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HEAD + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: minus\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HEAD + b"".join(b"X-%d: 1\r\n" % i for i in range(500)) + b"\r\n",
    ]
    async with open_listener(echo(seen)) as listener:
        for sent in bad:
            assert b" 400 " in await raw(listener, sent), sent[:40]
        assert seen == []
        good = await raw(listener, b"GET /a HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        assert b" 200 " in good


async def test_an_error_is_a_status() -> None:
    async def refuse(request: Request) -> Response:
        raise status.bad_request("no")

    async def fail(request: Request) -> Response:
        raise RuntimeError("boom")

    for handler, code, reason in ((refuse, 400, "BadRequest"), (fail, 500, "InternalError")):
        async with open_listener(handler) as listener:
            answered = await raw(listener, b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert b" %d " % code in answered
            assert b'"reason":"%s"' % reason.encode() in answered


async def test_large_answers_are_compressed_for_who_accepts_it() -> None:
    large = json.dumps(["everynode"] * 100_000).encode()

    async def handle(request: Request) -> Response:
        return Response(200, {"content-type": "application/json"}, large if request.path == "/large" else b"[]")

    async with open_listener(handle) as listener:
        asking = b"GET %s HTTP/1.1\r\n" + HEAD + b"Connection: close\r\nAccept-Encoding: gzip\r\n\r\n"
        head, _, body = (await raw(listener, asking % b"/large")).partition(b"\r\n\r\n")
        assert b"content-encoding: gzip" in head.lower()
        assert gzip.decompress(body) == large
        assert b"content-encoding" not in (await raw(listener, asking % b"/small")).lower()
        plain = await raw(listener, b"GET /large HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        assert plain.endswith(large)


async def test_a_long_list_is_compressed_piece_by_piece_and_a_watch_is_not() -> None:
    pieces = [json.dumps(["everynode"] * 1000).encode() for _ in range(30)]

    async def handle(request: Request) -> Response:
        async def stream() -> AsyncGenerator[bytes, None]:
            for piece in pieces:
                yield piece

        return Response(200, {"content-type": "application/json"}, stream=stream(), ends=request.path == "/list")

    async with open_listener(handle) as listener, aiohttp.ClientSession(auto_decompress=False) as session:
        url = f"http://127.0.0.1:{listener.port}"
        async with session.get(f"{url}/list", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(await answer.read()) == b"".join(pieces)
        async with session.get(f"{url}/list", headers={"Accept-Encoding": "identity"}) as answer:
            assert await answer.read() == b"".join(pieces)
        async with session.get(f"{url}/watch", headers={"Accept-Encoding": "gzip"}) as answer:
            assert "content-encoding" not in answer.headers
            assert await answer.read() == b"".join(pieces)


def ticking(pulled: list[int], chunk: bytes, closed: asyncio.Event) -> Callable[[Request], Awaitable[Response]]:
    """A stream that never ends: it counts what was asked of it and tells when it was closed."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                pulled.append(1)
                yield chunk
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def handle(request: Request) -> Response:
        return Response(200, {"content-type": "application/json"}, stream=chunks())

    return handle


async def test_a_slow_reader_is_not_buffered_for_without_bound_and_is_closed(monkeypatch) -> None:
    monkeypatch.setattr(listening.limits, "STALLED_READER_SECONDS", 0.3)
    pulled: list[int] = []
    closed = asyncio.Event()
    async with open_listener(ticking(pulled, b"x" * 65536, closed)) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1024)
        writer.write(b"GET /watch HTTP/1.1\r\n" + HEAD + b"\r\n")
        await asyncio.wait_for(closed.wait(), 5)
        # What the two kernels' socket buffers hold, and little more.
        assert sum(pulled) * 65536 < 32 * 1024 * 1024
        writer.close()


async def test_a_watch_ends_with_its_client() -> None:
    closed = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            yield b'{"type":"ADDED"}\n'
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handle(request: Request) -> Response:
        return Response(200, {}, stream=chunks())

    async with open_listener(handle) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /watch HTTP/1.1\r\n" + HEAD + b"\r\n")
        await reader.readuntil(b"\n\r\n")
        writer.close()
        await asyncio.wait_for(closed.wait(), 2)


async def test_closing_ends_watches_in_good_order() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        await asyncio.Event().wait()

    async def handle(request: Request) -> Response:
        return Response(200, {}, stream=chunks())

    async with open_listener(handle) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /watch HTTP/1.1\r\n" + HEAD + b"\r\n")
        await reader.readuntil(b"one\n")
        await asyncio.wait_for(listener.close(), 2)
        # The last chunk of a chunked answer: an end, not a broken connection.
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


async def test_a_change_is_made_even_when_its_caller_hangs_up() -> None:
    begun, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Response:
        begun.set()
        await go.wait()
        done.set()
        return Response(200)

    async with open_listener(handle) as listener:
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"DELETE /x HTTP/1.1\r\n" + HEAD + b"\r\n")
        await begun.wait()
        writer.transport.abort()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait_for(done.wait(), 2)


async def test_upgrades_are_refused_by_name() -> None:
    async with open_listener(echo([])) as listener:
        asked = b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n\r\n"
        answered = await raw(listener, b"POST /exec HTTP/1.1\r\n" + HEAD + asked)
        assert b" 501 " in answered
        assert b"NotImplemented" in answered


async def test_a_taken_port_is_told_in_one_line() -> None:
    async with open_listener(echo([])) as listener:
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{listener.port}"):
            await Listener(echo([]), None).open("127.0.0.1", listener.port)


async def test_half_a_body_holds_no_place_for_ever(monkeypatch) -> None:
    monkeypatch.setattr(listening.limits, "REQUEST_BODY_SECONDS", 0.1)
    seen: list[Request] = []
    async with open_listener(echo(seen)) as listener:
        answered = await raw_head(listener, b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 10\r\n\r\n{")
        assert b" 408 " in answered
        assert b"the body did not arrive within" in answered
    assert seen == []


async def test_nobody_without_a_certificate_has_a_body_read(tmp_path, monkeypatch) -> None:
    """So strangers who send half of one cannot fill the places of requests in flight and lock everybody else out."""
    monkeypatch.setattr(listening.limits, "REQUESTS_IN_FLIGHT", 2)
    pki = ensure(tmp_path / "pki", (), time.time())
    seen: list[Request] = []
    tls = listening.tls_context(pki.certificate("server"), pki.key("server"), pki.ca)
    listener = Listener(echo(seen), tls)
    await listener.open("127.0.0.1", 0)
    stranger = ssl.create_default_context(cafile=str(pki.ca))
    writers = []
    for _ in range(4):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=stranger)
        writers.append(writer)
        writer.write(b"POST /livez HTTP/1.1\r\n" + HEAD + b"Content-Length: 1000\r\n\r\n{")
        assert (await asyncio.wait_for(reader.readline(), 2)).startswith(b"HTTP/1.1 200")
    assert [(request.peer, request.body) for request in seen] == [(None, b"")] * 4
    for writer in writers:
        writer.transport.abort()
    await listener.close(0.5)


async def test_a_stream_to_an_old_client_ends_with_its_connection() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        yield b"two\n"

    async def handle(request: Request) -> Response:
        return Response(200, {}, stream=chunks())

    async with open_listener(handle) as listener:
        answered = await raw(listener, b"GET /watch HTTP/1.0\r\n" + HEAD + b"\r\n")
        assert answered.partition(b"\r\n\r\n")[2] == b"one\ntwo\n"
