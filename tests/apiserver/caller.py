"""A caller of the API server in one process, for the tests of this room: plain requests, plain answers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from everynode.apiserver.server import ApiServer
from everynode.base.ids import Ids
from everynode.store.contract import Store
from everynode.wire.message import Peer, Request, Response

MASTER = Peer("admin", ("system:masters",))
JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


@dataclass
class Answer:
    """A complete answer with its JSON read."""

    code: int
    body: Any
    headers: dict[str, str]


@dataclass
class Caller:
    """Sends requests as an administrator, or as `peer`."""

    store: Store
    clock: SetClock = field(default_factory=SetClock)
    peer: Peer | None = MASTER

    def __post_init__(self) -> None:
        self.api = ApiServer(self.store, clock=self.clock, ids=Ids())

    async def send(self, method: str, path: str, body: Any = None, *, kind: str = JSON, **query: str) -> Response:
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": kind, "accept": query.pop("accept", "")}
        return await self.api(Request(method, path, {k: [v] for k, v in query.items()}, headers, payload, self.peer))

    async def call(self, method: str, path: str, body: Any = None, *, kind: str = JSON, **query: str) -> Answer:
        response = await self.send(method, path, body, kind=kind, **query)
        assert response.stream is None
        return Answer(response.status, json.loads(response.body), response.headers)

    async def get(self, path: str, **query: str) -> Answer:
        return await self.call("GET", path, **query)

    async def must(self, method: str, path: str, body: Any = None, *, kind: str = JSON, **query: str) -> Any:
        """The body of an answer that has to be a success."""
        answer = await self.call(method, path, body, kind=kind, **query)
        assert answer.code < 300, answer.body
        return answer.body

    async def create(self, path: str, manifest: dict[str, Any], **query: str) -> Any:
        return await self.must("POST", path, manifest, **query)

    async def watch(self, path: str, **query: str) -> Events:
        response = await self.send("GET", path, watch="1", **query)
        assert response.status == 200, response.body
        assert response.stream is not None
        return Events(response.stream)

    async def namespace(self, name: str = "default") -> str:
        """Makes a namespace with its `default` ServiceAccount; the path of its core collections."""
        await self.create("/api/v1/namespaces", manifest("v1", "Namespace", name))
        await self.create(f"/api/v1/namespaces/{name}/serviceaccounts", manifest("v1", "ServiceAccount", "default"))
        return f"/api/v1/namespaces/{name}"


class Events:
    """The events of a watch, one at a time."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    async def next(self) -> tuple[str, Any]:
        while not self._lines:
            self._lines = (await anext(self._stream)).splitlines()
        event = json.loads(self._lines.pop(0))
        return event["type"], event["object"]

    async def named(self) -> tuple[str, str]:
        """The next event's type and its object's name."""
        kind, obj = await self.next()
        return kind, obj["metadata"].get("name", "")

    async def close(self) -> None:
        await self._stream.aclose()


def manifest(version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, **rest.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def pod(name: str = "", *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "busybox:1.36"}], **spec}
    return manifest("v1", "Pod", name, metadata={"labels": labels or {}}, spec=spec)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return manifest("v1", "ConfigMap", name, data=data)


def daemon_set(name: str = "web", image: str = "nginx:1") -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return manifest("apps/v1", "DaemonSet", name, spec=spec)
