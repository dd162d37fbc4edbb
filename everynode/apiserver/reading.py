"""get and list: stored bytes out, as objects, tables or metadata.

A list is a consistent snapshot also when it is read in pages: the `continue` token carries the revision of the first
page, and the store answers at that revision until it is compacted (410, with a token to go on inconsistently).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from everynode.api import status
from everynode.api.meta_v1 import ListMeta, StatusCause, StatusDetails
from everynode.api.scheme import Resource
from everynode.apiserver import media, selection, stored, tables
from everynode.apiserver.call import Call, Target
from everynode.apiserver.media import Form
from everynode.base.clock import Clock
from everynode.store.contract import Compacted, Entry, FutureRevision, Page, Store
from everynode.wire.message import Response

# How many entries one read of the store brings while a predicate thins them out; bounds the work between two pages.
SCAN = 500


class ContinueToken(msgspec.Struct, rename={"revision": "rv", "after": "start"}):
    """Where the next page begins: after which key, and as of which revision (0: whatever is there then)."""

    revision: int
    after: str

    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


class Reader:
    """Carries out get and list against a store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, call: Call) -> Response:
        """One object; 404 when it is not there."""
        resource, target = call.resource, call.target
        form = media.form_wanted(call.request.headers.get("accept", ""))
        entry = await self._store.get(resource.key(target.namespace, target.name))
        if entry is None:
            raise status.not_found(resource, target.name)
        return media.json_response(200, self.render(call, form, stored.present(resource, entry)))

    def render(self, call: Call, form: Form, body: bytes, *, columns: bool = True) -> bytes:
        """One object in the form that was asked for; `columns` says whether a table describes its columns."""
        if form is Form.TABLE:
            include = call.request.first("includeObject", "Metadata")
            now = self._clock.now()
            return tables.table(call.resource, [body], now=now, include_object=include, columns=columns)
        if form is Form.PARTIAL:
            return tables.partial_object_metadata(body)
        return body

    async def list(self, call: Call) -> Response:
        """A page of a collection: what the selectors select, in key order."""
        request, resource = call.request, call.resource
        form = media.form_wanted(request.headers.get("accept", ""))
        chosen = selection.parse(resource, request.first("labelSelector"), request.first("fieldSelector"))
        limit = count(request.first("limit"), "limit")
        revision, after = self._where_to_begin(call)
        try:
            page = await self._page(call.target, chosen, after, limit, revision)
        except Compacted:
            raise status.expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter."
                if request.first("continue")
                else f"The resourceVersion for the provided list is too old: {revision}"
            ) from None
        except FutureRevision as error:
            raise too_large_revision(error) from None
        meta = ListMeta(resource_version=str(page.revision))
        if limit and page.remaining:
            meta.continue_ = ContinueToken(page.revision, page.entries[-1].key).text()
            if not chosen.terms and not chosen.others and not chosen.name:
                meta.remaining_item_count = page.remaining
        bodies = [stored.present(resource, entry) for entry in page.entries]
        return media.json_response(200, self._render_list(call, form, bodies, meta))

    def _render_list(self, call: Call, form: Form, bodies: Sequence[bytes], meta: ListMeta) -> bytes:
        if form is Form.TABLE:
            include = call.request.first("includeObject", "Metadata")
            return tables.table(call.resource, bodies, now=self._clock.now(), include_object=include, metadata=meta)
        if form is Form.PARTIAL:
            return tables.partial_object_metadata_list(bodies, meta)
        resource = call.resource
        return b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
            resource.kind.encode(),
            resource.api_version.encode(),
            msgspec.json.encode(meta),
            b",".join(bodies),
        )

    def _where_to_begin(self, call: Call) -> tuple[int, str]:
        """The revision to read at (0: the newest) and the key to read after."""
        request = call.request
        match = request.first("resourceVersionMatch")
        given = request.first("resourceVersion")
        if match and match not in ("Exact", "NotOlderThan"):
            raise status.bad_request(f'resourceVersionMatch: Unsupported value: "{match}"')
        if match and not given:
            raise status.bad_request("resourceVersionMatch is forbidden unless resourceVersion is provided")
        if token := request.first("continue"):
            if given not in ("", "0"):
                raise status.bad_request("specifying resource version is not allowed when using continue")
            place = decode_token(token, call.resource, call.target.namespace)
            return place.revision, place.after
        revision = count(given, "resourceVersion")
        if match == "Exact":
            if not revision:
                raise status.bad_request('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')
            return revision, ""
        if revision > self._store.revision:
            raise too_large_revision(FutureRevision(revision, self._store.revision))
        return 0, ""

    async def _page(self, target: Target, chosen: selection.Selection, after: str, limit: int, revision: int) -> Page:
        """One page of what is selected; scans on when a predicate leaves a page short."""
        scope = target.resource.scope(target.namespace)
        if chosen.name and (target.namespace or not target.resource.namespaced):
            entry = await self._store.get(scope + chosen.name)
            found = [entry] if entry is not None and chosen.matches(entry) else []
            return Page(found, self._store.revision, 0)
        if not chosen.others and not chosen.name:
            return await self._store.range(scope, terms=chosen.terms, after=after, limit=limit, revision=revision)
        kept: list[Entry] = []
        while True:
            page = await self._store.range(
                scope, terms=chosen.terms, after=after, limit=SCAN if limit else 0, revision=revision
            )
            revision = page.revision
            for place, entry in enumerate(page.entries):
                if limit and len(kept) == limit:
                    return Page(kept, page.revision, page.remaining + len(page.entries) - place)
                if chosen.matches(entry):
                    kept.append(entry)
            if not page.remaining:
                return Page(kept, page.revision, 0)
            after = page.entries[-1].key


def too_large_revision(error: FutureRevision) -> status.ApiError:
    """What a client hears that asks for a revision which has not been written: try again."""
    failed = status.failure(504, "Timeout", f"Too large resource version: {error.revision}, current: {error.newest}")
    failed.status.details = StatusDetails(
        causes=[StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")],
        retry_after_seconds=1,
    )
    return failed


def count(text: str, parameter: str) -> int:
    """A query parameter that is a whole number; empty means 0."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise status.bad_request(f'{parameter}: Invalid value: "{text}": must be a non-negative whole number')
    return int(text)


def decode_token(text: str, resource: Resource, namespace: str) -> ContinueToken:
    """The place that a client's `continue` names in the collection; 400 when it names none."""
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=ContinueToken)
    except (ValueError, msgspec.MsgspecError):
        raise status.bad_request("continue key is not valid: it is not a token that this server gave") from None
    if not token.after.startswith(resource.scope(namespace)):
        raise status.bad_request("continue key is not valid: it belongs to another collection")
    return token
