"""A Handler at the end of an HTTPS connection: the same Requests and Responses as the in-process API server's.

In: the server's address, what to trust (a CA) and how to identify oneself (client certificate or bearer token). Out: a
Handler. No aiohttp type leaves this module: when nobody answers, or an answer breaks off, `ClientUnreachable` is
raised; whatever the server did say, also a failure, is a Response.

A watch is handed on as it arrives, cut into whole lines. It may stay silent for a while (servers send bookmarks about
once a minute); silence for longer means that the connection is dead.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import AsyncGenerator

import aiohttp
from multidict import CIMultiDict, MultiDict
from yarl import URL

from everynode.client.client import ClientUnreachable
from everynode.client.kubeconfig import Connection
from everynode.wire.message import Request, Response

# Connections to one server: each watch keeps one to itself.
CONNECTIONS = 256
# Seconds for a connection, for a complete answer, and of silence in a watch.
CONNECT_WITHIN, ANSWER_WITHIN, WATCH_SILENCE = 10.0, 60.0, 180.0
# Bytes read ahead of whoever takes a stream.
READ_AHEAD = 1 << 20


class HttpHandler:
    """Sends Requests to one API server. Close it when done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = URL(connection.server)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, request: Request) -> Response:
        watching = request.first("watch") in ("true", "1")
        timeout = aiohttp.ClientTimeout(
            total=None if watching else ANSWER_WITHIN,
            connect=CONNECT_WITHIN,
            sock_read=WATCH_SILENCE if watching else None,
        )
        try:
            answer = await self._open().request(
                request.method,
                self._url(request),
                data=request.body or None,
                headers=self._headers(request),
                timeout=timeout,
                allow_redirects=False,
            )
            headers = {name.lower(): value for name, value in answer.headers.items()}
            if watching and answer.status < 400:
                return Response(answer.status, headers, stream=_lines(answer))
            async with answer:
                return Response(answer.status, headers, await answer.read())
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        """Closes every connection; watches end."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session, made on the loop that uses it."""
        if self._session is None:
            tls: ssl.SSLContext | bool = True
            if self._server.scheme == "https":
                tls = tls_context(self._connection)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls),
                read_bufsize=READ_AHEAD,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _url(self, request: Request) -> URL:
        query = MultiDict((name, value) for name, values in request.query.items() for value in values)
        path = self._server.path.rstrip("/") + request.path
        return self._server.with_path(path).with_query(query)

    def _headers(self, request: Request) -> CIMultiDict[str]:
        headers = CIMultiDict(request.headers)
        if self._connection.token:
            headers["authorization"] = f"Bearer {self._connection.token}"
        return headers

    def _unreachable(self, error: Exception) -> ClientUnreachable:
        return ClientUnreachable(f"{self._connection.server}: {error or type(error).__name__}")


async def _lines(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """A stream as chunks of whole lines; what arrives of a line that is never finished is dropped."""
    rest: list[bytes] = []
    try:
        async for chunk in answer.content.iter_any():
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join((*rest, chunk[:end]))
                rest.clear()
            if end < len(chunk):
                rest.append(chunk[end:])
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ClientUnreachable(f"a watch broke off: {error or type(error).__name__}") from error
    finally:
        answer.close()


def tls_context(connection: Connection) -> ssl.SSLContext:
    """Trusts the connection's CA alone (the machine's if it names none) and shows its client certificate."""
    context = ssl.create_default_context(cadata=connection.ca.decode() if connection.ca else None)
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if connection.certificate:
        _load_certificate(context, connection.certificate, connection.key)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module reads keys from files only; this one is readable by its owner alone and gone at once.
    descriptor, path = tempfile.mkstemp(prefix="everynode-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
