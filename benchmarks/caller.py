"""A lean caller over HTTPS for benches: what it measures is the server, so it does as little as can be done itself.

`Wire` is one connection that stays open; `read_list` takes a list of any size from a thread of its own and keeps nothing of it,
so that whoever measures on the loop meanwhile is not held up.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from everynode.client.http import tls_context
from everynode.client.kubeconfig import Connection

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
# Bytes taken from a socket at a time.
TAKEN = 1 << 20


class Refused(Exception):
    """An answer that is no success."""


@dataclass(frozen=True, slots=True)
class Far:
    """The server, as a kubeconfig describes it; one TLS context for all connections."""

    host: str
    port: int
    tls: ssl.SSLContext

    @classmethod
    def of(cls, connection: Connection) -> Far:
        place = urlsplit(connection.server)
        assert place.hostname is not None
        assert place.port is not None
        return cls(place.hostname, place.port, tls_context(connection))


class Wire:
    """One connection, opened by its first use, for one request at a time or for one watch."""

    def __init__(self, far: Far) -> None:
        self._far = far
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """The body of a successful answer. Raises Refused, OSError."""
        code, head = await self._ask(method, path, body, kind)
        assert self._reader is not None
        answer = await self._reader.readexactly(int(head.get(b"content-length", b"0")))
        if code >= 300:
            raise Refused(f"{method} {path}: {code} {answer[:200]!r}")
        return answer

    async def get(self, path: str) -> Any:
        return json.loads(await self.call("GET", path))

    async def watch(self, path: str) -> None:
        """Begins a watch; returns when the server has begun to answer."""
        code, _ = await self._ask("GET", path, None, "")
        if code != 200:
            raise Refused(f"{path}: {code}")

    async def chunks(self) -> AsyncIterator[bytes]:
        """What comes of a watch, as it comes, HTTP's own framing left in."""
        assert self._reader is not None
        while chunk := await self._reader.read(TAKEN):
            yield chunk

    def close(self) -> None:
        """The next use opens a new connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _ask(self, method: str, path: str, body: Any, kind: str) -> tuple[int, dict[bytes, bytes]]:
        if self._writer is None:
            far = self._far
            self._reader, self._writer = await asyncio.open_connection(far.host, far.port, ssl=far.tls)
        assert self._reader is not None
        sent = b"" if body is None else json.dumps(body).encode()
        length = f"content-type: {kind}\r\ncontent-length: {len(sent)}\r\n" if sent else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\nhost: {self._far.host}\r\n{length}\r\n".encode() + sent)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        fields = (line.split(b": ", 1) for line in lines if line)
        return int(first.split(b" ")[1]), {name.lower(): value for name, value in fields}


@dataclass(frozen=True, slots=True)
class Taken:
    """What a list cost: seconds, and bytes on the wire."""

    seconds: float
    size: int


def read_list(far: Far, path: str, *, limit: int = 0, gzip: bool = False) -> Taken:
    """Reads a whole collection, in one answer or in pages of `limit`, and drops it. Blocks: for a thread."""
    connection = http.client.HTTPSConnection(far.host, far.port, context=far.tls, timeout=120)
    headers = {"Accept-Encoding": "gzip"} if gzip else {}
    space = memoryview(bytearray(TAKEN))
    began, size, token = time.perf_counter(), 0, ""
    try:
        while True:
            query = f"?limit={limit}&continue={token}" if limit else ""
            connection.request("GET", path + query, headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refused(f"{path}: {answer.status}")
            start = b""
            while taken := answer.readinto(space):
                start = start or bytes(space[:1024])
                size += taken
            _, mark, rest = start.partition(b'"continue":"')
            token = rest.partition(b'"')[0].decode() if mark else ""
            if not token:
                return Taken(time.perf_counter() - began, size)
    finally:
        connection.close()
