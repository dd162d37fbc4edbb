"""Whose pod is it? Adopting what our selector matches and nobody manages, releasing what it does not match any more.

Before anything is adopted the DaemonSet is read afresh from the API: it may have been deleted, or deleted and made again,
and our view of it may not know yet. What another controller manages is never touched. Each patch carries the object's uid,
so an object that was made again under the same name is not taken for the one that was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everynode.api.scheme import DAEMON_SETS, Resource
from everynode.api.status import ApiError, conflict
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import ControllerRevision, DaemonSet, Pod
from everynode.controllers.daemonset.template import owner_reference

Claimable = Pod | ControllerRevision


async def confirm_alive(client: Client, ds: DaemonSet) -> None:
    """Raises ApiError unless this very DaemonSet exists and is not being deleted, asked of the API itself."""
    meta = ds.metadata
    fresh = (await client.get(DAEMON_SETS, meta.name, meta.namespace, view=DaemonSet)).metadata
    if fresh.uid != meta.uid:
        why = f"original DaemonSet {ds.key} is gone: got uid {fresh.uid}, wanted {meta.uid}"
        raise conflict(DAEMON_SETS, meta.name, why)
    if fresh.deletion_timestamp is not None:
        raise conflict(DAEMON_SETS, meta.name, f"{ds.key} has just been deleted at {fresh.deletion_timestamp}")


async def claim(client: Client, ds: DaemonSet, resource: Resource, strays: Sequence[Claimable]) -> None:
    """Releases the strays that have us as controller and adopts those that have none."""
    if any(stray.metadata.controller is None for stray in strays):
        await confirm_alive(client, ds)
    for stray in strays:
        meta = stray.metadata
        if meta.controller is None:
            change: dict[str, Any] = {"ownerReferences": [owner_reference(ds)], "uid": meta.uid}
        else:
            change = {"ownerReferences": [{"$patch": "delete", "uid": ds.metadata.uid}], "uid": meta.uid}
        try:
            await client.patch(resource, meta.name, {"metadata": change}, meta.namespace, kind="strategic")
        except ApiError as error:
            # Gone meanwhile, or already without that reference: nothing is left to do.
            if error.code not in (404, 422):
                raise
