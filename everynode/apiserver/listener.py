"""Turns what arrives on a socket into Requests and a Handler's Responses into what leaves on it.

In: TLS 1.2 or newer, HTTP/1.1, kept alive. A client certificate is optional; one that this cluster's CA did not sign ends the
handshake, one that it did names the Peer. Out: the handler's answer; complete answers above 128 KiB are compressed for who
accepts gzip, long lists piece by piece; streams (watches, long lists) leave chunk by chunk.

Guaranteed: whatever a client sends or fails to read harms nobody else. A stream is asked for its next chunk only when the
socket has taken the last one, and a reader that takes nothing for 30 seconds is closed, so no answer piles up here; a body
beyond 3 MiB is refused unread, one that does not arrive in a minute is given up, and the body of somebody who has shown no
certificate is not read at all: nothing that they may ask for takes one. A call that changes something runs to its end even
when its caller hangs up, since the change may be made already; reads and watches end with their caller. `close` ends watches
in good order: the client sees an end, not an error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from aiohttp import HttpVersion11, hdrs
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response as Reply
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

from everynode.api import status
from everynode.base import limits
from everynode.wire.message import Handler, Peer, Request, Response

log = logging.getLogger(__name__)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
GZIPPED = {"content-encoding": "gzip", "vary": "Accept-Encoding"}


class CannotListen(Exception):
    """The address cannot be listened on (taken, not this machine's, not an address), or not by TLS. One clear line."""


def tls_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """The server's side of TLS: its own certificate, and the CA whose client certificates it believes. Raises CannotListen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
    except OSError as cause:
        why = f"the certificates in {certificate.parent} cannot be used: {cause.strerror or cause}"
        raise CannotListen(f"{why}; without that folder new ones are made") from cause
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # Clients of Kubernetes resume no sessions, so tickets are a third of each handshake's CPU (0.4 of 1.2 ms) for nobody.
    context.num_tickets = 0
    return context


class Listener:
    """One listening address in front of one Handler. `tls` None serves plain HTTP (tests)."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._tls = tls
        self._listening: asyncio.Server | None = None
        self._server: Server | None = None
        self._in_flight = 0
        self._streams: set[asyncio.Task[object]] = set()
        self._closing = False
        self.host, self.port = "", 0

    async def open(self, host: str, port: int) -> None:
        """Listens from now on; `port` 0 takes a free one, which `self.port` then tells. Raises CannotListen."""
        self._server = Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            max_line_size=limits.REQUEST_LINE_BYTES,
            max_field_size=limits.REQUEST_HEADER_BYTES,
            max_headers=limits.REQUEST_HEADERS,
            keepalive_timeout=limits.KEEP_ALIVE_SECONDS,
            # A compressed body would be unpacked before anybody counted its bytes; kube-apiserver reads none either.
            auto_decompress=False,
        )
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                self._server, host, port, ssl=self._tls, reuse_address=True, backlog=limits.CONNECTIONS_WAITING
            )
        except OSError as cause:
            # The event loop wraps the kernel's word in a sentence of its own; a name that cannot be resolved has no errno.
            why = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
            raise CannotListen(f"cannot listen on {host}:{port}: {why}") from cause
        self.host, self.port = self._listening.sockets[0].getsockname()[:2]

    async def close(self, within: float = limits.STOP_REQUESTS_SECONDS) -> None:
        """Takes no more connections, ends watches, lets requests under way finish within so many seconds."""
        self._closing = True
        if self._listening is not None:
            self._listening.close()
        for task in list(self._streams):
            task.cancel()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(within)

    async def _answer(self, incoming: BaseRequest) -> StreamResponse:
        """One exchange, from aiohttp's request to aiohttp's response."""
        peer = _peer(incoming)
        if self._in_flight >= limits.REQUESTS_IN_FLIGHT:
            return _refusal(_busy())
        self._in_flight += 1
        try:
            try:
                request = await _request(incoming, peer, readable=peer is not None or self._tls is None)
                answer = await self._call(request)
            except status.ApiError as error:
                return _refusal(error)
        finally:
            self._in_flight -= 1
        if request.headers.get("upgrade") and answer.status < 300:
            await answer.close()
            return _refusal(status.not_implemented("upgrading the connection (WebSocket, SPDY) is not supported"))
        if answer.stream is not None:
            chunks = answer.stream
            if answer.ends and _accepts_gzip(request):
                answer.headers.update(GZIPPED)
                chunks = _gzipped(chunks)
            return await self._stream(incoming, answer, chunks)
        return await _complete(request, answer)

    async def _call(self, request: Request) -> Response:
        """The handler's answer; what it should have caught and did not becomes a 500 and a line in the log."""
        try:
            if request.method in READS:
                return await self._handler(request)
            return await asyncio.shield(asyncio.ensure_future(self._handler(request)))
        except status.ApiError:
            raise
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            raise status.internal(f"{type(error).__name__}: {error}") from error

    async def _stream(
        self, incoming: BaseRequest, answer: Response, chunks: AsyncGenerator[bytes, None]
    ) -> StreamResponse:
        """Sends chunks as they come until the stream, the client, or this listener ends."""
        reply = StreamResponse(status=answer.status, headers=answer.headers)
        if incoming.version >= HttpVersion11:
            reply.enable_chunked_encoding()
        else:
            # HTTP/1.0 knows no chunks: the end of the connection ends the stream.
            reply.force_close()
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            async with aclosing(chunks):
                await reply.prepare(incoming)
                async for chunk in chunks:
                    async with asyncio.timeout(limits.STALLED_READER_SECONDS):
                        await reply.write(chunk)
        except asyncio.CancelledError:
            if not self._closing or incoming.transport is None:
                raise
            task.uncancel()
        except TimeoutError:
            log.warning("closed %s: its reader is too slow", incoming.path)
            _abort(incoming)
        except ConnectionError:
            # The client went away between two chunks; its watch ends with it.
            _abort(incoming)
        except Exception:
            # The head is sent; a broken connection is all that can still tell the client.
            log.exception("the stream of %s failed", incoming.path)
            _abort(incoming)
        finally:
            self._streams.discard(task)
        return reply


def _busy() -> status.ApiError:
    refused = status.failure(429, "TooManyRequests", "Too many requests, please try again later.")
    refused.headers["retry-after"] = "1"
    return refused


def _abort(incoming: BaseRequest) -> None:
    if incoming.transport is not None:
        incoming.transport.abort()


async def _request(incoming: BaseRequest, peer: Peer | None, *, readable: bool) -> Request:
    """What arrived, as a Request; its body only when that is `readable`. Raises ApiError for a body beyond the bounds."""
    url = incoming.rel_url
    query: dict[str, list[str]] = {}
    if url.raw_query_string:
        for parameter, value in parse_qsl(url.raw_query_string, keep_blank_values=True):
            query.setdefault(parameter, []).append(value)
    path = url.raw_path
    return Request(
        method=incoming.method,
        path=unquote(path) if "%" in path else path,
        query=query,
        headers=_headers(incoming.headers),
        body=await _body(incoming) if readable and incoming.body_exists else b"",
        peer=peer,
    )


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names; a name given twice keeps its values, comma-separated, as HTTP allows."""
    headers: dict[str, str] = {}
    for name, value in given.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(incoming: BaseRequest) -> bytes:
    """The body, read only while it is within the bound."""
    most = limits.REQUEST_BODY_BYTES
    too_large = status.too_large(f"limit is {most}")
    if (incoming.content_length or 0) > most:
        raise too_large
    if incoming.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and incoming.transport is not None:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.REQUEST_BODY_SECONDS):
            async for part in incoming.content.iter_any():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        why = f"the body did not arrive within {limits.REQUEST_BODY_SECONDS:.0f} s"
        raise status.failure(408, "Timeout", why) from None
    return b"".join(parts)


def _peer(incoming: BaseRequest) -> Peer | None:
    """Whom the client certificate names (CN is the user, each O a group), if there was one; the CA has vouched for it."""
    transport = incoming.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return None
    names = [pair for part in certificate.get("subject", ()) for pair in part]
    users = [value for kind, value in names if kind == "commonName"]
    groups = tuple(value for kind, value in names if kind == "organizationName")
    return Peer(users[0], groups) if users else None


def _refusal(error: status.ApiError) -> Reply:
    """A Status as the whole answer; the connection ends with it, since the request may be unread."""
    headers = {"content-type": "application/json", **error.headers}
    reply = Reply(status=error.code, body=error.body(), headers=headers)
    reply.force_close()
    return reply


async def _complete(request: Request, answer: Response) -> Reply:
    """A whole answer, compressed where it pays and the client accepts it."""
    body, headers = answer.body, answer.headers
    if len(body) > limits.GZIP_FROM_BYTES and _accepts_gzip(request):
        if len(body) > limits.GZIP_INLINE_BYTES:
            body = await asyncio.get_running_loop().run_in_executor(None, _gzip, body)
        else:
            body = _gzip(body)
        headers = {**headers, **GZIPPED}
    return Reply(status=answer.status, body=body, headers=headers)


def _accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _packer() -> zlib._Compress:
    return zlib.compressobj(limits.GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)


def _gzip(body: bytes) -> bytes:
    packer = _packer()
    return packer.compress(body) + packer.flush()


async def _gzipped(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """One document in pieces, compressed piece by piece in a thread."""
    loop, packer = asyncio.get_running_loop(), _packer()
    async with aclosing(chunks):
        async for chunk in chunks:
            if packed := await loop.run_in_executor(None, packer.compress, chunk):
                yield packed
    yield packer.flush()
