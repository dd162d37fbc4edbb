"""What create, update, patch and delete share: the pipeline from a decoded object to a durable write.

decode → default → admit → prepare (the kind's strategy) → validate → store. A write that changes nothing is not stored.
An object whose last finalizer goes while it is being deleted is removed by the very write that took the finalizer away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from everynode.api import defaults, status, validation
from everynode.api.fielderror import FieldError
from everynode.api.scheme import Resource
from everynode.apiserver import media, stored
from everynode.apiserver.admission import Admission
from everynode.apiserver.call import Call
from everynode.apiserver.reading import Reader
from everynode.apiserver.strategies import strategy_of
from everynode.base.clock import Clock
from everynode.base.ids import Ids
from everynode.store.contract import ABSENT, Conflict, Entry, Store
from everynode.values import timestamps
from everynode.wire.message import Response

# How often a write that names no revision is tried again when others write the same object in between.
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Writer:
    """The store with all that a write asks on its way to it."""

    store: Store
    reader: Reader
    admission: Admission
    clock: Clock
    ids: Ids

    def now(self) -> str:
        """The present second as objects tell it."""
        return timestamps.seconds_text(self.clock.now())

    async def current(self, call: Call) -> Entry:
        """The stored version that the call names; 404 when there is none."""
        entry = await self.store.get(call.resource.key(call.target.namespace, call.target.name))
        if entry is None:
            raise status.not_found(call.resource, call.target.name)
        return entry

    def answer(self, call: Call, code: int, value: bytes, revision: int) -> Response:
        """The written object in the form that was asked for."""
        form = media.form_wanted(call.request.headers.get("accept", ""))
        body = stored.with_revision(call.resource, value, revision)
        return media.json_response(code, self.reader.render(call, form, body), call.warnings)

    async def insert(self, call: Call, obj: Any) -> Response:
        """Stores a new object that is ready; raises Conflict when its name is taken."""
        resource, metadata = call.resource, obj.metadata
        value = stored.encode(resource, obj)
        key = resource.key(metadata.namespace, metadata.name)
        charge = await self.admission.charge_create(resource, obj)
        try:
            if call.dry_run:
                taken = await self.store.get(key)
                if taken is not None:
                    raise Conflict(key, taken)
                return self.answer(call, 201, value, 0)
            event = await self.store.write(key, value, expect=ABSENT)
        finally:
            self.admission.release(charge)
        return self.answer(call, 201, value, event.revision)

    async def replace(self, call: Call, entry: Entry, value: bytes) -> Response:
        """Stores the next version of an object over the one it was made from; raises Conflict when that is gone."""
        if value == entry.value or call.dry_run:
            return self.answer(call, 200, value, entry.revision)
        event = await self.store.write(entry.key, value, expect=entry.revision)
        return self.answer(call, 200, value, event.revision)

    async def remove(self, call: Call, entry: Entry, value: bytes) -> Response:
        """Takes an object away; the answer shows it as it was at the end."""
        if call.dry_run:
            return self.answer(call, 200, value, entry.revision)
        event = await self.store.write(entry.key, None, expect=entry.revision)
        return self.answer(call, 200, value, event.revision)


def prepare_update(resource: Resource, subresource: str, new: Any, old: Any) -> list[FieldError]:
    """Makes `new` what is to be stored over `old`, and tells all that is wrong with it."""
    keep_system_metadata(new, old)
    strategy = strategy_of(resource)
    if subresource == "status":
        strategy.prepare_status(new, old)
        defaults.apply(resource, new)
        return validation.on_status_update(resource, new, old)
    if subresource == "finalize":
        strategy.prepare_finalize(new, old)
        return []
    defaults.apply(resource, new)
    strategy.prepare_update(new, old)
    return validation.on_update(resource, new, old)


def check_preconditions(call: Call, entry: Entry, old: Any, uid: str, revision: str) -> None:
    """Raises the 409 that tells that the write was meant for another object, or for another version of it."""
    if revision not in ("", "0") and revision != str(entry.revision):
        raise status.conflict(call.resource, call.target.name, status.OBJECT_MODIFIED)
    if uid:
        check_uid(call, uid, old.metadata.uid)


def check_uid(call: Call, wanted: str, uid: str) -> None:
    """Raises the 409 that tells that the object under this name is not the one that was meant."""
    if wanted != uid:
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        raise status.conflict(call.resource, call.target.name, why)


def keep_system_metadata(new: Any, old: Any) -> None:
    """What the server set at creation stays; a client may leave it out, and validation refuses a change of it."""
    fresh, kept = new.metadata, old.metadata
    fresh.namespace = fresh.namespace or kept.namespace
    fresh.uid = fresh.uid or kept.uid
    fresh.creation_timestamp = fresh.creation_timestamp or kept.creation_timestamp
    fresh.generation = kept.generation
    fresh.self_link = ""
    # A deletion that has begun is never taken back by an update.
    if kept.deletion_timestamp is not None:
        fresh.deletion_timestamp = kept.deletion_timestamp
        fresh.deletion_grace_period_seconds = kept.deletion_grace_period_seconds
    else:
        fresh.deletion_timestamp = None
        fresh.deletion_grace_period_seconds = None


def ends_with_this_write(obj: Any) -> bool:
    """Whether a deletion that has begun waits for nothing any more."""
    metadata = obj.metadata
    return (
        metadata.deletion_timestamp is not None
        and not metadata.finalizers
        and not metadata.deletion_grace_period_seconds
        and not getattr(getattr(obj, "spec", None), "finalizers", None)
    )


def refuse_if_invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> None:
    """Raises the 422 that names every error."""
    if errors:
        raise status.invalid(resource, name, errors)
