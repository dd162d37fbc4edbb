"""A hand-written API of one resource: lists in pages, watches from a revision, and fails when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from everynode.api.status import ApiError, expired
from everynode.wire.message import Request, Response


class Shelf:
    """Config maps in one namespace. `log` keeps what was asked; the next call raises the first of `failures`."""

    def __init__(self) -> None:
        self.revision = 1
        self.objects: dict[str, dict[str, Any]] = {}
        self.events: list[tuple[int, bytes]] = []
        self.oldest = 0
        self.log: list[str] = []
        self.failures: list[Exception] = []
        self.changed = asyncio.Condition()
        self.generation = 0

    async def put(self, name: str, uid: str = "u", **data: str) -> None:
        self.revision += 1
        kind = "MODIFIED" if name in self.objects else "ADDED"
        meta = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(self.revision)}
        self.objects[name] = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}
        await self._publish(kind, self.objects[name])

    async def remove(self, name: str) -> None:
        self.revision += 1
        gone = self.objects.pop(name)
        gone["metadata"]["resourceVersion"] = str(self.revision)
        await self._publish("DELETED", gone)

    async def bookmark(self, revision: int) -> None:
        self.revision = revision
        meta = {"resourceVersion": str(revision), "creationTimestamp": None}
        await self._publish("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": None})

    async def cut(self, *, forget: bool = False) -> None:
        """Ends every watch; with `forget` none can be resumed."""
        self.generation += 1
        if forget:
            self.oldest, self.events = self.revision, []
        async with self.changed:
            self.changed.notify_all()

    async def __call__(self, request: Request) -> Response:
        watching = request.first("watch") == "true"
        start = request.first("resourceVersion") if watching else request.first("continue", "start")
        self.log.append(f"{'watch' if watching else 'list'} {start}")
        try:
            if self.failures:
                raise self.failures.pop(0)
            if not watching:
                return self._list(request)
            if int(start) < self.oldest:
                raise expired("too old resource version")
            return Response(200, stream=self._watch(int(start), self.generation))
        except ApiError as error:
            if type(error) is not ApiError:
                raise
            return Response(error.code, body=error.body())

    def _list(self, request: Request) -> Response:
        names = [name for name in sorted(self.objects) if name > request.first("continue")]
        limit = int(request.first("limit", "0")) or len(names)
        meta = {"resourceVersion": str(self.revision)}
        if len(names) > limit:
            meta["continue"] = names[limit - 1]
        items = [self.objects[name] for name in names[:limit]]
        return Response(200, body=json.dumps({"metadata": meta, "items": items or None}).encode())

    async def _watch(self, since: int, generation: int) -> AsyncGenerator[bytes, None]:
        seen = since
        while generation == self.generation:
            due = [(revision, line) for revision, line in self.events if revision > seen]
            if due:
                seen = due[-1][0]
                yield b"".join(line for _, line in due)
                continue
            async with self.changed:
                await self.changed.wait()

    async def _publish(self, kind: str, thing: dict[str, Any]) -> None:
        line = json.dumps({"type": kind, "object": thing}, separators=(",", ":")).encode() + b"\n"
        self.events.append((self.revision, line))
        async with self.changed:
            self.changed.notify_all()
