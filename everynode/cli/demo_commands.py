"""The few kubectl commands that the demo types, carried out by our own client.

Each takes what kubectl would take from its command line and gives the lines that kubectl would print; tables are the API
server's own, laid out in kubectl's columns. What is refused raises `ApiError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from everynode.api.scheme import CONTROLLER_REVISIONS, DAEMON_SETS, Resource
from everynode.api.status import ApiError, parse
from everynode.client.client import Client
from everynode.wire.message import Handler, Peer, Request

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CHANGE_CAUSE = "kubernetes.io/change-cause"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: dict[str, str] = {}


class _Strategy(msgspec.Struct):
    type: str = ""


class _DaemonSetSpec(msgspec.Struct, rename="camel"):
    update_strategy: _Strategy = msgspec.field(default_factory=_Strategy)


class _DaemonSetStatus(msgspec.Struct, rename="camel"):
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0
    observed_generation: int = 0


class DaemonSetView(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: _DaemonSetSpec = msgspec.field(default_factory=_DaemonSetSpec)
    status: _DaemonSetStatus = msgspec.field(default_factory=_DaemonSetStatus)

    def progress(self) -> tuple[str, bool]:
        """What `kubectl rollout status` says of it, and whether the rollout is done."""
        name, status = self.metadata.name, self.status
        desired = status.desired_number_scheduled
        if self.metadata.generation > status.observed_generation:
            return "Waiting for daemon set spec update to be observed...", False
        waiting = f'Waiting for daemon set "{name}" rollout to finish:'
        if status.updated_number_scheduled < desired:
            updated = status.updated_number_scheduled
            return f"{waiting} {updated} out of {desired} new pods have been updated...", False
        if status.number_available < desired:
            return f"{waiting} {status.number_available} of {desired} updated pods are available...", False
        return f'daemon set "{name}" successfully rolled out', True


class RevisionView(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    revision: int = 0
    data: Any = None


class _Column(msgspec.Struct):
    name: str
    priority: int = 0


class _Row(msgspec.Struct):
    cells: list[Any]


class _Table(msgspec.Struct, rename="camel"):
    column_definitions: list[_Column] = []
    rows: list[_Row] = []


class Kubectl:
    """kubectl for one DaemonSet, without kubectl."""

    def __init__(self, api: Handler, client: Client, peer: Peer, namespace: str) -> None:
        self._api, self._client, self._peer = api, client, peer
        self._namespace = namespace

    async def get(self, resource: Resource, *, labels: str = "", wide: bool = False) -> list[str]:
        """`kubectl get`, as a table."""
        query = {"labelSelector": [labels]} if labels else {}
        path = resource.path(self._namespace if resource.namespaced else "")
        response = await self._api(Request("GET", path, query, {"accept": _TABLE}, b"", self._peer))
        if response.status != 200:
            raise parse(response.body, response.status)
        table = msgspec.json.decode(await response.whole(), type=_Table)
        shown = [number for number, column in enumerate(table.column_definitions) if wide or not column.priority]
        rows = [[table.column_definitions[number].name.upper() for number in shown]]
        rows += [[str(row.cells[number]) for number in shown] for row in table.rows]
        return _columns(rows)

    async def apply(self, manifest: Mapping[str, Any]) -> list[str]:
        """`kubectl apply -f`: creates what is missing, patches what is there."""
        name = manifest["metadata"]["name"]
        applied = {
            **manifest,
            "metadata": {
                **manifest["metadata"],
                "annotations": {LAST_APPLIED: msgspec.json.encode(manifest).decode() + "\n"},
            },
        }
        try:
            await self._client.get(DAEMON_SETS, name, self._namespace, view=DaemonSetView)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._client.create(DAEMON_SETS, applied, self._namespace)
            return [f"daemonset.apps/{name} created"]
        await self._client.patch(DAEMON_SETS, name, applied, self._namespace, kind="strategic")
        return [f"daemonset.apps/{name} configured"]

    async def strategy(self, name: str) -> list[str]:
        """`kubectl get ds/NAME -o go-template='{{.spec.updateStrategy.type}}'`"""
        found = await self._client.get(DAEMON_SETS, name, self._namespace, view=DaemonSetView)
        return [found.spec.update_strategy.type]

    async def set_image(self, name: str, container: str, image: str) -> list[str]:
        """`kubectl set image ds/NAME CONTAINER=IMAGE`"""
        spec = {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}
        await self._client.patch(DAEMON_SETS, name, {"spec": spec}, self._namespace, kind="strategic")
        return [f"daemonset.apps/{name} image updated"]

    async def rollout_status(self, name: str) -> AsyncIterator[str]:
        """`kubectl rollout status ds/NAME`: a line at each change, until the rollout is done."""
        fields = f"metadata.name={name}"
        listing = await self._client.list(DAEMON_SETS, self._namespace, view=DaemonSetView, fields=fields)
        said = ""
        for found in listing.items:
            said, done = found.progress()
            yield said
            if done:
                return
        changes = self._client.watch(
            DAEMON_SETS, self._namespace, since=listing.resource_version, view=DaemonSetView, fields=fields
        )
        async with aclosing(changes):
            async for change in changes:
                if change.type in ("BOOKMARK", "DELETED"):
                    continue
                line, done = change.object.progress()
                if line != said:
                    said = line
                    yield line
                if done:
                    return

    async def rollout_history(self, name: str) -> list[str]:
        """`kubectl rollout history ds/NAME`"""
        rows = [["REVISION", "CHANGE-CAUSE"]]
        for found in await self._revisions(name):
            rows.append([str(found.revision), found.metadata.annotations.get(CHANGE_CAUSE, "<none>")])
        return [f"daemonset.apps/{name}", *_columns(rows, gap=2)]

    async def rollout_undo(self, name: str, to_revision: int) -> list[str]:
        """`kubectl rollout undo ds/NAME --to-revision=N`"""
        for found in await self._revisions(name):
            if found.revision == to_revision:
                await self._client.patch(DAEMON_SETS, name, found.data, self._namespace, kind="strategic")
                return [f"daemonset.apps/{name} rolled back"]
        return [f"error: unable to find specified revision {to_revision} in history"]

    async def delete(self, name: str) -> list[str]:
        """`kubectl delete ds NAME`"""
        await self._client.delete(DAEMON_SETS, name, self._namespace, propagation_policy="Background")
        return [f'daemonset.apps "{name}" deleted from {self._namespace} namespace']

    async def _revisions(self, name: str) -> list[RevisionView]:
        listing = await self._client.list(
            CONTROLLER_REVISIONS, self._namespace, view=RevisionView, labels=f"name={name}"
        )
        return sorted(listing.items, key=lambda found: found.revision)


def _columns(rows: list[list[str]], gap: int = 3) -> list[str]:
    """Rows laid out as kubectl does: columns as wide as their widest cell, a gap between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (" " * gap).join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
