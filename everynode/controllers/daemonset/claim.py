"""Whose pod is it? Adopting what our selector matches and nobody manages, releasing what it does not match any more.

Before anything is adopted the DaemonSet is read afresh from the API: it may have been deleted, or deleted and made again,
and our view of it may not know yet. What another controller manages is never touched. Each patch carries the object's uid,
so an object that was made again under the same name is not taken for the one that was seen.

Of several DaemonSets that adopt the same orphan the API lets the first have it; to the others it says 422, and the informer
shows whose it has become.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from everynode.api.scheme import DAEMON_SETS, Resource
from everynode.api.status import ApiError, conflict
from everynode.client.client import Client
from everynode.controllers.daemonset.observe import ControllerRevision, DaemonSet, Pod
from everynode.controllers.daemonset.template import owner_reference

# Patches under way at once, so that one DaemonSet with a whole fleet to adopt does not keep the API to itself.
AT_ONCE = 50

T = TypeVar("T", Pod, ControllerRevision)


async def confirm_alive(client: Client, ds: DaemonSet) -> None:
    """Raises ApiError unless this very DaemonSet exists and is not being deleted, asked of the API itself."""
    meta = ds.metadata
    fresh = (await client.get(DAEMON_SETS, meta.name, meta.namespace, view=DaemonSet)).metadata
    if fresh.uid != meta.uid:
        why = f"original DaemonSet {ds.key} is gone: got uid {fresh.uid}, wanted {meta.uid}"
        raise conflict(DAEMON_SETS, meta.name, why)
    if fresh.deletion_timestamp is not None:
        raise conflict(DAEMON_SETS, meta.name, f"{ds.key} has just been deleted at {fresh.deletion_timestamp}")


async def claim(
    client: Client, ds: DaemonSet, resource: Resource, strays: Sequence[T], claimed: Callable[[T, T], None]
) -> None:
    """Releases the strays that have us as controller and adopts those that have none.

    `claimed(before, after)` is called for each that the API has changed. Raises the first ApiError when all have been tried.
    """
    if any(stray.metadata.controller is None for stray in strays):
        await confirm_alive(client, ds)
    refused: list[BaseException] = []
    for start in range(0, len(strays), AT_ONCE):
        batch = strays[start : start + AT_ONCE]
        outcomes = await asyncio.gather(
            *(_claim(client, ds, resource, stray, claimed) for stray in batch), return_exceptions=True
        )
        refused += [outcome for outcome in outcomes if outcome is not None]
    if refused:
        raise refused[0]


async def _claim(client: Client, ds: DaemonSet, resource: Resource, stray: T, claimed: Callable[[T, T], None]) -> None:
    meta = stray.metadata
    if meta.controller is None:
        change: dict[str, Any] = {"ownerReferences": [owner_reference(ds)], "uid": meta.uid}
    else:
        change = {"ownerReferences": [{"$patch": "delete", "uid": ds.metadata.uid}], "uid": meta.uid}
    try:
        after = await client.patch(
            resource, meta.name, {"metadata": change}, meta.namespace, kind="strategic", view=type(stray)
        )
    except ApiError as error:
        # Gone meanwhile, or somebody else's: the informer will show it.
        if error.code not in (404, 422):
            raise
    else:
        claimed(stray, after)
