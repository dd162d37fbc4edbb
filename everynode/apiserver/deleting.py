"""delete and deletecollection.

A deletion ends an object at once unless something holds it: time it is given to end (pods on a node), finalizers, or the
wish that its dependents go first or stay (propagation policy, kept as a finalizer for the garbage collector). Then the
object is marked with its deletionTimestamp and goes when the last hold does.

A second deletion may change that wish, and shorten the time; while time is left that it does not shorten, it changes nothing.

A collection is walked in pages, each read as it stands when its turn comes; what is made after the walk began is left alone. A
caller that gives a `limit` gets that many deleted, and a `continue` to go on with that never grows too old: it names the
moment the walk began, which is compared and not read at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from everynode.api import fielderror, scheme, status
from everynode.api.meta_v1 import DeleteOptions, ListMeta, StatusDetails
from everynode.api.scheme import Resource
from everynode.apiserver import body, media, selection, stored
from everynode.apiserver.admission import priorities
from everynode.apiserver.admission.namespaces import IMMORTAL_NAMESPACES
from everynode.apiserver.call import Call, Target, check_dry_run
from everynode.apiserver.reading import ContinueToken, count, decode_token
from everynode.apiserver.strategies import strategy_of
from everynode.apiserver.writing import ATTEMPTS, Writer
from everynode.store.contract import Conflict, Entry
from everynode.values import timestamps
from everynode.wire.message import Response

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
# Kinds of which the answer to a DELETE shows the object even when it is gone; for all others it is a Status.
_SHOWN_WHEN_GONE = (scheme.PODS, scheme.SERVICES, scheme.SERVICE_ACCOUNTS)
_POLICIES = {"Foreground": FOREGROUND, "Background": "", "Orphan": ORPHAN}
# Deletions of one collection under way at once: enough to share a commit, and few enough to leave room for others.
AT_ONCE = 50
# Objects of a collection that are read at once, so that no turn of the loop grows with the collection: about 1 ms.
PAGE = 500


async def delete(writer: Writer, call: Call) -> Response:
    """Carries out a DELETE on one object."""
    options = body.read_delete_options(call)
    return await delete_object(writer, call, options)


async def delete_collection(writer: Writer, call: Call) -> Response:
    """Carries out a DELETE on all that the selectors select; what has gone meanwhile is gone."""
    request, resource = call.request, call.resource
    options = body.read_delete_options(call)
    chosen = selection.parse(resource, request.first("labelSelector"), request.first("fieldSelector"))
    scope, limit = resource.scope(call.target.namespace), count(request.first("limit"), "limit")
    begun, after = writer.store.revision, ""
    if token := request.first("continue"):
        place = decode_token(token, resource, call.target.namespace)
        begun, after = place.revision or begun, place.after
    meta, shown, number = ListMeta(), [], 0
    while True:
        most = min(PAGE, limit - number) if limit else PAGE
        page = await writer.store.range(scope, terms=chosen.terms, after=after, limit=most)
        selected = [entry for entry in page.entries if entry.created <= begun and chosen.matches(entry)]
        if selected:
            await _delete_entries(writer, call, options, selected)
            shown.append(b",".join([stored.present(resource, entry) for entry in selected]))
            number += len(selected)
        if not page.remaining:
            break
        after = page.entries[-1].key
        if number == limit > 0:
            meta.continue_ = ContinueToken(begun, after).text()
            break
        # A page of which nothing was selected waited for nobody.
        await asyncio.sleep(0)
    meta.resource_version = str(writer.store.revision)
    listed = b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
        resource.kind.encode(),
        resource.api_version.encode(),
        msgspec.json.encode(meta),
        b",".join(shown),
    )
    return media.json_response(200, listed, call.warnings)


async def _delete_entries(writer: Writer, call: Call, options: DeleteOptions, selected: Sequence[Entry]) -> None:
    """Deletes them, some at a time; raises the first failure once those beside it have ended."""
    for start in range(0, len(selected), AT_ONCE):
        some = selected[start : start + AT_ONCE]
        outcomes = await asyncio.gather(
            *(_delete_entry(writer, call, options, entry) for entry in some), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


async def _delete_entry(writer: Writer, call: Call, options: DeleteOptions, entry: Entry) -> None:
    resource = call.resource
    namespace, _, name = entry.key[len(resource.prefix) :].rpartition("/")
    one = Call(call.request, call.user, Target(resource, namespace, name), call.warnings)
    try:
        await delete_object(writer, one, options)
    except status.ApiError as error:
        if error.code != 404:
            raise


async def delete_object(writer: Writer, call: Call, options: DeleteOptions) -> Response:
    """Deletes, or marks as being deleted, the one object that the call names."""
    resource, target = call.resource, call.target
    if resource is scheme.NAMESPACES and target.name in IMMORTAL_NAMESPACES:
        raise status.forbidden(resource, target.name, "this namespace may not be deleted")
    if resource is scheme.PRIORITY_CLASSES:
        priorities.check_deletion(target.name)
    holds = _holds_wanted(options)
    if resource.prefix == scheme.EVENTS.prefix:
        # Events are not collected: nobody would ever take such a finalizer away.
        holds = ""
    dry_run = check_dry_run(options.dry_run) or call.dry_run
    for _ in range(ATTEMPTS):
        entry = await writer.current(call)
        obj = stored.decode(resource, entry)
        _check_preconditions(call, options, obj)
        if _is_pending(obj, options):
            return writer.answer(call, 200, entry.value, entry.revision)
        wait = _mark(writer, resource, obj, options, holds)
        try:
            if not wait:
                if not dry_run:
                    await writer.store.write(entry.key, None, expect=entry.revision)
                if resource in _SHOWN_WHEN_GONE:
                    return writer.answer(call, 200, entry.value, entry.revision)
                return media.json_response(200, media.success(_details(resource, obj)), call.warnings)
            value = stored.encode(resource, obj)
            if dry_run:
                return writer.answer(call, 200, value, entry.revision)
            return await writer.replace(call, entry, value)
        except Conflict as conflict:
            if conflict.current is None:
                raise status.not_found(resource, target.name) from None
    raise status.conflict(resource, target.name, status.OBJECT_MODIFIED)


def _details(resource: Resource, obj: Any) -> StatusDetails:
    return StatusDetails(name=obj.metadata.name, group=resource.group, kind=resource.plural, uid=obj.metadata.uid)


def _holds_wanted(options: DeleteOptions) -> str | None:
    """The finalizer that the propagation policy asks for, "" for none, None when the caller said nothing."""
    policy = options.propagation_policy
    if policy is None:
        if options.orphan_dependents is None:
            return None
        return ORPHAN if options.orphan_dependents else ""
    errors = []
    if options.orphan_dependents is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(fielderror.invalid("propagationPolicy", policy, why))
    if policy not in _POLICIES:
        errors.append(fielderror.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if errors:
        raise status.invalid_options("DeleteOptions", errors)
    return _POLICIES[policy]


def _check_preconditions(call: Call, options: DeleteOptions, obj: Any) -> None:
    """Raises the 409 that tells that another object, or another version of it, was meant."""
    wanted, metadata = options.preconditions, obj.metadata
    if wanted is None:
        return
    if wanted.uid is not None and wanted.uid != metadata.uid:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({metadata.uid}). "
            "The object might have been deleted and then recreated"
        )
        raise status.not_the_one(call.resource, call.target.name, why)
    if wanted.resource_version is not None and wanted.resource_version != metadata.resource_version:
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion in "
            f"record ({metadata.resource_version}). The object might have been modified"
        )
        raise status.not_the_one(call.resource, call.target.name, why)


def _is_pending(obj: Any, options: DeleteOptions) -> bool:
    """Whether a deletion has begun that this one cannot hasten: then nothing is changed, not even the finalizers."""
    metadata = obj.metadata
    if metadata.deletion_timestamp is None:
        return False
    given, asked = metadata.deletion_grace_period_seconds or 0, options.grace_period_seconds
    return bool(given) and (asked is None or _at_least_one(asked) >= given)


def _mark(writer: Writer, resource: Resource, obj: Any, options: DeleteOptions, holds: str | None) -> bool:
    """Marks the object as being deleted; True when it must wait for something before it goes."""
    metadata, strategy = obj.metadata, strategy_of(resource)
    if holds is not None:
        others = [name for name in metadata.finalizers if name not in (FOREGROUND, ORPHAN)]
        metadata.finalizers = [*others, holds] if holds else others
    now = writer.clock.now()
    if metadata.deletion_timestamp is None:
        grace = strategy.grace_seconds(obj, options.grace_period_seconds)
        metadata.deletion_timestamp = timestamps.seconds_text(now + grace)
        metadata.deletion_grace_period_seconds = grace
        if metadata.generation:
            metadata.generation += 1
        strategy.begin_deletion(obj)
    elif metadata.deletion_grace_period_seconds and options.grace_period_seconds is not None:
        grace = _at_least_one(options.grace_period_seconds)
        ends = timestamps.parse(metadata.deletion_timestamp) - metadata.deletion_grace_period_seconds + grace
        metadata.deletion_timestamp = timestamps.seconds_text(max(ends, now))
        # When its time is up already, whoever ends it (a node) has yet to be told: it gets the least that is not nothing.
        metadata.deletion_grace_period_seconds = min(grace, 1) if ends < now else grace
    held_by_spec = bool(getattr(getattr(obj, "spec", None), "finalizers", None))
    return bool(metadata.deletion_grace_period_seconds or metadata.finalizers or held_by_spec)


def _at_least_one(grace: int) -> int:
    """Seconds of grace; what is below zero counts as one, as in Kubernetes."""
    return 1 if grace < 0 else grace
