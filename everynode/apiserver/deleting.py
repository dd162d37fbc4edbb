"""delete and deletecollection.

A deletion ends an object at once unless something holds it: time it is given to end (pods on a node), finalizers, or the
wish that its dependents go first or stay (propagation policy, kept as a finalizer for the garbage collector). Then the
object is marked with its deletionTimestamp and goes when the last hold does.
"""

from __future__ import annotations

from typing import Any

from everynode.api import scheme, status
from everynode.api.meta_v1 import DeleteOptions, StatusDetails
from everynode.api.scheme import Resource
from everynode.apiserver import body, media, selection, stored
from everynode.apiserver.admission.namespaces import IMMORTAL_NAMESPACES
from everynode.apiserver.call import Call, Target, check_dry_run
from everynode.apiserver.strategies import strategy_of
from everynode.apiserver.writing import ATTEMPTS, Writer, check_uid
from everynode.store.contract import Conflict, Entry
from everynode.values import timestamps
from everynode.wire.message import Response

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
# Kinds of which the answer to a DELETE shows the object even when it is gone; for all others it is a Status.
_SHOWN_WHEN_GONE = (scheme.PODS, scheme.SERVICES, scheme.SERVICE_ACCOUNTS)
_POLICIES = {"Foreground": FOREGROUND, "Orphan": ORPHAN, "Background": ""}


async def delete(writer: Writer, call: Call) -> Response:
    """Carries out a DELETE on one object."""
    options = body.read_delete_options(call)
    return await delete_object(writer, call, options)


async def delete_collection(writer: Writer, call: Call) -> Response:
    """Carries out a DELETE on all that the selectors select; what has gone meanwhile is gone."""
    request, resource = call.request, call.resource
    options = body.read_delete_options(call)
    chosen = selection.parse(resource, request.first("labelSelector"), request.first("fieldSelector"))
    page = await writer.store.range(resource.scope(call.target.namespace), terms=chosen.terms)
    shown = []
    for entry in page.entries:
        if not chosen.matches(entry):
            continue
        namespace, name = _place(resource, entry)
        one = Call(request, call.user, Target(resource, namespace, name), call.warnings)
        try:
            await delete_object(writer, one, options)
        except status.ApiError as error:
            if error.code != 404:
                raise
        shown.append(stored.present(resource, entry))
    listed = b'{"kind":"%bList","apiVersion":"%b","metadata":{"resourceVersion":"%d"},"items":[%b]}' % (
        resource.kind.encode(),
        resource.api_version.encode(),
        writer.store.revision,
        b",".join(shown),
    )
    return media.json_response(200, listed, call.warnings)


def _place(resource: Resource, entry: Entry) -> tuple[str, str]:
    """The namespace and name that a key of the resource stands for."""
    namespace, _, name = entry.key[len(resource.prefix) :].rpartition("/")
    return namespace, name


async def delete_object(writer: Writer, call: Call, options: DeleteOptions) -> Response:
    """Deletes, or marks as being deleted, the one object that the call names."""
    resource, target = call.resource, call.target
    if resource is scheme.NAMESPACES and target.name in IMMORTAL_NAMESPACES:
        raise status.forbidden(resource, target.name, "this namespace may not be deleted")
    holds = _holds_wanted(options)
    dry_run = check_dry_run(options.dry_run) or call.dry_run
    for _ in range(ATTEMPTS):
        entry = await writer.current(call)
        obj = stored.decode(resource, entry)
        _check_preconditions(call, options, obj)
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
    if options.propagation_policy is None:
        if options.orphan_dependents is None:
            return None
        return ORPHAN if options.orphan_dependents else ""
    if options.orphan_dependents is not None:
        raise status.bad_request(
            "DeleteOptions is invalid: propagationPolicy: Invalid value: orphanDependents and "
            "deletionPropagation cannot be both set"
        )
    if options.propagation_policy not in _POLICIES:
        raise status.bad_request(
            f'propagationPolicy: Unsupported value: "{options.propagation_policy}": '
            'supported values: "Foreground", "Background", "Orphan"'
        )
    return _POLICIES[options.propagation_policy]


def _check_preconditions(call: Call, options: DeleteOptions, obj: Any) -> None:
    wanted = options.preconditions
    if wanted is None:
        return
    metadata = obj.metadata
    if wanted.uid is not None:
        check_uid(call, wanted.uid, metadata.uid)
    if wanted.resource_version is not None and wanted.resource_version != metadata.resource_version:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {wanted.resource_version}, "
            f"ResourceVersion in object meta: {metadata.resource_version}"
        )
        raise status.conflict(call.resource, call.target.name, why)


def _mark(writer: Writer, resource: Resource, obj: Any, options: DeleteOptions, holds: str | None) -> bool:
    """Marks the object as being deleted; True when it must wait for something before it goes."""
    metadata, strategy = obj.metadata, strategy_of(resource)
    if holds is not None:
        others = [name for name in metadata.finalizers if name not in (FOREGROUND, ORPHAN)]
        metadata.finalizers = [*others, holds] if holds else others
    grace = strategy.grace_seconds(obj, options.grace_period_seconds)
    now = writer.clock.now()
    if metadata.deletion_timestamp is None:
        metadata.deletion_timestamp = timestamps.seconds_text(now + grace)
        metadata.deletion_grace_period_seconds = grace
        if metadata.generation:
            metadata.generation += 1
        strategy.begin_deletion(obj)
    elif options.grace_period_seconds is not None and grace < (metadata.deletion_grace_period_seconds or 0):
        # A second deletion may only shorten the time that the first one gave.
        begun = timestamps.parse(metadata.deletion_timestamp) - (metadata.deletion_grace_period_seconds or 0)
        metadata.deletion_timestamp = timestamps.seconds_text(max(begun + grace, now))
        metadata.deletion_grace_period_seconds = grace
    held_by_spec = bool(getattr(getattr(obj, "spec", None), "finalizers", None))
    return bool(metadata.deletion_grace_period_seconds or metadata.finalizers or held_by_spec)
