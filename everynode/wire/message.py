"""The seam between whoever calls the API and whoever serves it: a Request and a Response as plain values.

A `Handler` turns one into the other. The API server is a Handler; the in-process client calls it directly, the HTTPS client
sends the same Request over a socket, and the listener turns what arrives on a socket into the same Request. Nothing
else crosses the seam, so a whole cluster runs in one process without a socket and passes the same rules.

`body` holds a complete answer. `stream`, when set, holds an answer without an end (a watch): chunks of whole lines,
each line one JSON document; or, when it `ends`, one document in pieces (a list too long to be held whole). Whoever receives a
stream must close it (`await response.close()`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the transport itself proved it: a verified client certificate's names, or this process."""

    name: str
    groups: tuple[str, ...] = ()
    # A part of this very program: what it sends was made from our own structs, so it is not searched for unknown fields.
    in_process: bool = False


@dataclass(slots=True)
class Request:
    """One call of the API.

    `path` is decoded and starts with a slash; `query` keeps every value of a repeated parameter; header names are
    lower-case; `peer` is None when the transport proved nothing (a bearer token may still).
    """

    method: str
    path: str
    query: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Peer | None = None

    def first(self, parameter: str, otherwise: str = "") -> str:
        """The first value of a query parameter, or `otherwise` when it was not given."""
        values = self.query.get(parameter)
        return values[0] if values else otherwise


@dataclass(slots=True)
class Response:
    """The answer: a status code, headers (lower-case names) and either a body or a stream; `ends` says of which kind."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None
    ends: bool = False

    async def whole(self) -> bytes:
        """The complete answer, also of a stream that ends."""
        if self.stream is None or not self.ends:
            return self.body
        async with aclosing(self.stream) as pieces:
            return b"".join([piece async for piece in pieces])

    async def close(self) -> None:
        """Ends a stream early; does nothing for a complete answer."""
        if self.stream is not None:
            await self.stream.aclose()


Handler = Callable[[Request], Awaitable[Response]]
