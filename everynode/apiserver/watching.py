"""watch: what happens to a collection, as it happens, in the bytes that were stored.

A watch begins at a revision, or with the present state (no revision, `0`, or `sendInitialEvents`, which ends its beginning
with a marked bookmark, as informers and `kubectl rollout status` need). A change that makes an object enter the selection
goes out as ADDED, one that makes it leave as DELETED. A watcher that cannot keep up is closed and comes back from the
revision it saw last. A revision that is no longer kept is answered with an ERROR event that carries a 410 Status.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import msgspec

from everynode.api import status
from everynode.api.scheme import Resource
from everynode.apiserver import media, selection, stored
from everynode.apiserver.call import Call
from everynode.apiserver.media import Form
from everynode.apiserver.reading import Reader, count, names_one, taken_out
from everynode.base.ids import Ids
from everynode.store.contract import Compacted, Entry, Event, FutureRevision, Store, StoreFailed, WatcherTooSlow
from everynode.wire.message import Response

# Kubernetes' own pace of bookmarks, and the span from which it draws a watch's length when the client names none.
BOOKMARK_SECONDS = 60.0
SHORTEST_WATCH_SECONDS = 1800.0
# Rendered lines that are kept for the other watchers of the same event: how many, and how many bytes in all.
LINES_KEPT = 1024
LINES_KEPT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a watch starts: after `since` (0: with the present state), and whether the end of that state is marked."""

    since: int
    initial: bool
    marked: bool


class Watcher:
    """Carries out watch against a store."""

    def __init__(self, store: Store, reader: Reader, ids: Ids) -> None:
        self._store = store
        self.reader = reader
        self._ids = ids
        self._lines: dict[tuple[Resource, int, bytes], bytes] = {}
        self._lines_bytes = 0
        # Events sent, those of first states included, bookmarks not.
        self.sent: Counter[Resource] = Counter()

    async def watch(self, call: Call) -> Response:
        """A stream of watch events; every error that can be told beforehand is raised here."""
        request = call.request
        form = media.form_wanted(request.headers.get("accept", ""))
        chosen = selection.parse(call.resource, request.first("labelSelector"), request.first("fieldSelector"))
        if call.target.name:
            chosen = selection.Selection(chosen.terms, chosen.others, call.target.name)
        beginning = self._beginning(call)
        seconds = float(count(request.first("timeoutSeconds"), "timeoutSeconds"))
        if not seconds:
            seconds = SHORTEST_WATCH_SECONDS * (1.0 + self._ids.fraction())
        bookmarks = request.first("allowWatchBookmarks") in ("true", "1")
        stream = self._stream(call, form, chosen, beginning, seconds, bookmarks)
        return Response(200, {"content-type": media.JSON}, stream=stream)

    def _beginning(self, call: Call) -> Beginning:
        request = call.request
        revision = count(request.first("resourceVersion"), "resourceVersion")
        match = request.first("resourceVersionMatch")
        wanted = request.first("sendInitialEvents")
        if not wanted:
            if match:
                raise status.bad_request(
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
                )
            return Beginning(revision, revision == 0, False)
        if match != "NotOlderThan":
            raise status.bad_request("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        if revision > self._store.revision:
            raise status.bad_request(f"Too large resource version: {revision}, current: {self._store.revision}")
        if wanted in ("true", "1"):
            return Beginning(0, True, request.first("allowWatchBookmarks") in ("true", "1"))
        return Beginning(revision or self._store.revision, False, False)

    async def _stream(
        self,
        call: Call,
        form: Form,
        chosen: selection.Selection,
        beginning: Beginning,
        seconds: float,
        bookmarks: bool,
    ) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        lines = _Lines(self, call, form, chosen)
        scope = call.resource.scope(call.target.namespace)
        since = beginning.since
        if beginning.initial:
            page = await self.reader.page(call.target, chosen)
            since = page.revision
            for portion in media.portions(map(lines.added, taken_out(page.entries))):
                yield portion
                # A socket that takes all at once makes nobody wait; the others get their turn all the same.
                await asyncio.sleep(0)
            if beginning.marked:
                yield lines.bookmark(since, initial_end=True)
        try:
            watch = self._store.watch(
                scope,
                since=since,
                term=chosen.terms[0] if chosen.terms else "",
                name=chosen.name if names_one(call.target, chosen) else "",
            )
        except Compacted as error:
            yield lines.error(status.expired(f"too old resource version: {error.revision} ({error.oldest})"))
            return
        except FutureRevision as error:
            yield lines.error(status.expired(f"Too large resource version: {error.revision}, current: {error.newest}"))
            return
        told = since
        try:
            while loop.time() < end:
                events: list[Event] = []
                try:
                    async with asyncio.timeout_at(min(end, loop.time() + BOOKMARK_SECONDS)):
                        events = await watch.next()
                    if not events:
                        return
                except TimeoutError:
                    if bookmarks and watch.seen > told:
                        told = watch.seen
                        yield lines.bookmark(told)
                    continue
                for portion in media.portions(map(lines.change, events)):
                    yield portion
                    if len(portion) >= media.PORTION_BYTES:
                        await asyncio.sleep(0)
                told = events[-1].revision
        except (WatcherTooSlow, StoreFailed):
            return
        finally:
            watch.close()

    def line(self, type_: bytes, resource: Resource, value: Entry, revision: int) -> bytes:
        """One event with a whole object; rendered once for all who watch it."""
        key = (resource, revision, type_)
        line = self._lines.get(key)
        if line is None:
            body = stored.with_revision(resource, value.value, revision)
            line = b'{"type":"%b","object":%b}\n' % (type_, body)
            if len(self._lines) >= LINES_KEPT or self._lines_bytes >= LINES_KEPT_BYTES:
                self._lines.clear()
                self._lines_bytes = 0
            self._lines[key] = line
            self._lines_bytes += len(line)
        return line


class _Lines:
    """Renders the events of one watch, in the form its client asked for."""

    def __init__(self, watcher: Watcher, call: Call, form: Form, chosen: selection.Selection) -> None:
        self._watcher = watcher
        self._call = call
        self._form = form
        self._chosen = chosen
        self._columns_told = False

    def added(self, entry: Entry) -> bytes:
        # Not shared: many objects of a first state carry revisions that other lines are kept under.
        self._watcher.sent[self._call.resource] += 1
        return self._render(b"ADDED", stored.present(self._call.resource, entry))

    def change(self, event: Event) -> bytes:
        """The line of a write, or nothing when the selection holds neither before nor after it."""
        before = event.before is not None and self._chosen.matches(event.before)
        after = event.after is not None and self._chosen.matches(event.after)
        if after:
            assert event.after is not None
            return self._whole(b"MODIFIED" if before else b"ADDED", event.after, event.revision)
        if before:
            # The object as it was selected last, at the revision that took it away.
            assert event.before is not None
            return self._whole(b"DELETED", event.before, event.revision)
        return b""

    def _whole(self, type_: bytes, value: Entry, revision: int) -> bytes:
        resource = self._call.resource
        self._watcher.sent[resource] += 1
        if self._form is Form.OBJECT:
            return self._watcher.line(type_, resource, value, revision)
        return self._render(type_, stored.with_revision(resource, value.value, revision))

    def _render(self, type_: bytes, body: bytes) -> bytes:
        if self._form is not Form.OBJECT:
            body = self._watcher.reader.render(self._call, self._form, body, columns=not self._columns_told)
            self._columns_told = True
        return b'{"type":"%b","object":%b}\n' % (type_, body)

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        resource = self._call.resource
        annotations = b',"annotations":{"k8s.io/initial-events-end":"true"}' if initial_end else b""
        metadata = b'{"resourceVersion":"%d"%b}' % (revision, annotations)
        if self._form is Form.OBJECT:
            kind, version = resource.kind.encode(), resource.api_version.encode()
            body = b'{"kind":"%b","apiVersion":"%b","metadata":%b}' % (kind, version, metadata)
        elif self._form is Form.PARTIAL:
            body = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % metadata
        else:
            row = b'{"cells":[],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}}'
            body = (
                b'{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"%d"},'
                b'"columnDefinitions":[],"rows":[%b]}' % (revision, row % metadata)
            )
        return b'{"type":"BOOKMARK","object":%b}\n' % body

    def error(self, failure: status.ApiError) -> bytes:
        return b'{"type":"ERROR","object":%b}\n' % msgspec.json.encode(failure.status)
