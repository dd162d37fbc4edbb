"""get and list: stored bytes out, as objects, tables or metadata.

A list is a consistent snapshot also when it is read in pages: the `continue` token carries the revision of the first
page, and the store answers at that revision until it is compacted (410, with a token to go on inconsistently).

No answer is held whole that is longer than a portion or two, and no turn of the loop grows with it: what is selected is
gathered piece by piece (entries, not copies of them), and rendered as its reader takes it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterator
from itertools import chain

import msgspec

from everynode.api import status
from everynode.api.meta_v1 import ListMeta, StatusCause, StatusDetails
from everynode.api.scheme import Resource
from everynode.apiserver import media, selection, stored, tables
from everynode.apiserver.call import Call, Target
from everynode.apiserver.media import Form
from everynode.base import limits
from everynode.base.clock import Clock
from everynode.store.contract import Compacted, Entry, FutureRevision, Page, Store
from everynode.wire.message import Response

# How many entries one read of the store brings, as they are or while a predicate thins them out: a millisecond or two.
PIECE, SCAN = 5_000, 500


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
            page = await self.page(call.target, chosen, after, limit, revision)
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
        return _answer(
            _beginning(call, form, meta), media.portions(_items(call, form, page.entries, self._clock.now()), b",")
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

    async def page(
        self, target: Target, chosen: selection.Selection, after: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        """One page of what is selected, as of one revision, walked in pieces with the loop given back between them."""
        scope = target.resource.scope(target.namespace)
        if names_one(target, chosen):
            entry = await self._store.get(scope + chosen.name)
            found = [entry] if entry is not None and chosen.matches(entry) else []
            return Page(found, self._store.revision, 0)
        is_exact = not chosen.others and not chosen.name
        piece = PIECE if is_exact else SCAN
        kept: list[Entry] = []
        while True:
            most = min(piece, limit - len(kept)) if limit and is_exact else piece
            try:
                page = await self._store.range(scope, terms=chosen.terms, after=after, limit=most, revision=revision)
            except Compacted:
                if limit or not kept:
                    raise
                # So much was written between two pieces that the first one's moment is gone: all in one piece.
                page = await self._store.range(scope, terms=chosen.terms)
                return Page([entry for entry in page.entries if chosen.matches(entry)], page.revision, 0)
            revision = page.revision
            for place, entry in enumerate(page.entries):
                if limit and len(kept) == limit:
                    return Page(kept, page.revision, page.remaining + len(page.entries) - place)
                if is_exact or chosen.matches(entry):
                    kept.append(entry)
            if not page.remaining or (is_exact and len(kept) == limit):
                return Page(kept, page.revision, page.remaining)
            after = page.entries[-1].key
            await asyncio.sleep(0)


def taken_out(entries: list[Entry]) -> Iterator[Entry]:
    """Each entry in its turn, let go of by the list: an old version stays only for readers that have not come to it."""
    entries.reverse()
    while entries:
        yield entries.pop()


def names_one(target: Target, chosen: selection.Selection) -> bool:
    """Whether the selection can only ever hold one key, that of its name."""
    return bool(chosen.name and (target.namespace or not target.resource.namespaced))


def _beginning(call: Call, form: Form, meta: ListMeta) -> bytes:
    """A list up to its first item; after its items, commas between them, `]}` ends it in every form."""
    resource = call.resource
    if form is Form.TABLE:
        tables.check_include(call.request.first("includeObject", "Metadata"))
        return tables.table_beginning(resource, meta)
    if form is Form.PARTIAL:
        return tables.partial_beginning(meta)
    return b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[' % (
        resource.kind.encode(),
        resource.api_version.encode(),
        msgspec.json.encode(meta),
    )


def _items(call: Call, form: Form, entries: list[Entry], now: float) -> Iterator[bytes]:
    """Each entry as an item of a list, made when it is asked for."""
    resource = call.resource
    include = call.request.first("includeObject", "Metadata")
    for entry in taken_out(entries):
        body = stored.present(resource, entry)
        if form is Form.TABLE:
            body = tables.row(resource, body, now, include)
        elif form is Form.PARTIAL:
            body = tables.partial_object_metadata(body)
        yield body


def _answer(beginning: bytes, portions: Iterator[bytes]) -> Response:
    """A list, whole if one portion holds it, else as a stream."""
    first, second = next(portions, b""), next(portions, None)
    if second is None:
        return media.json_response(200, b"%b%b]}" % (beginning, first))
    pieces = _pieces(chain((beginning + first, second), portions))
    return Response(200, {"content-type": media.JSON}, stream=pieces, ends=True)


async def _pieces(portions: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The portions of a list as its reader takes them; raises TimeoutError when it takes too long to."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.LIST_SECONDS
    for portion in portions:
        yield portion
        if loop.time() > end:
            raise TimeoutError
        # A socket that takes all at once makes nobody wait; the others get their turn all the same.
        await asyncio.sleep(0)
    yield b"]}"


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
