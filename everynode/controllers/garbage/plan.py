"""What becomes of one object, given what is known of its owners and dependents. Pure.

An object with a live owner stays, and loses its references to those that are gone or are waiting for it to go. Without one
it is deleted: in the foreground if an owner waits for it and it has dependents of its own, else as its own finalizers ask,
else in the background. While one of its owners cannot be judged, nothing is done about it.

An object being deleted in the foreground goes when nothing blocks it any more; one that waits for itself, in however wide a
circle, blocks nobody. An object that leaves orphans goes when its dependents no longer name it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from everynode.controllers.garbage.observe import FOREGROUND, ORPHAN, Graph, Item, OwnerReference


class OwnerState(enum.Enum):
    """What an owner reference points to."""

    LIVE = "there"
    WAITING = "being deleted in the foreground"
    GONE = "not there, or another object under its name"
    UNKNOWN = "of a kind that is not served, or that cannot own this object"


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete it, with this propagation policy."""

    policy: str


@dataclass(frozen=True, slots=True)
class DropReferences:
    """It stays, without its references to these owners."""

    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unblock:
    """It waits for itself: it must block none of its owners."""


@dataclass(frozen=True, slots=True)
class Release:
    """Its deletion need not wait any longer: this finalizer goes."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """These dependents must lose their reference to it before it goes."""

    dependents: tuple[Item, ...]


Action = Stay | Delete | DropReferences | Unblock | Release | Orphan


def plan_deleting(item: Item, graph: Graph) -> Action:
    """For an object that is being deleted."""
    uid = item.meta.uid
    if item.leaves_orphans:
        return Orphan(tuple(graph.dependents(uid))) if graph.has_dependents(uid) else Release(ORPHAN)
    if item.waits_for_dependents:
        if not graph.is_blocked(uid):
            return Release(FOREGROUND)
        if graph.waits_for_itself(item):
            return Unblock()
    return Stay()


def plan_owned(item: Item, owners: Sequence[tuple[OwnerReference, OwnerState]], has_dependents: bool) -> Action:
    """For an object that has owners and is not being deleted."""
    states = {state for _, state in owners}
    if OwnerState.UNKNOWN in states:
        return Stay()
    if OwnerState.LIVE in states:
        useless = tuple(reference.uid for reference, state in owners if state is not OwnerState.LIVE)
        return DropReferences(useless) if useless else Stay()
    if OwnerState.WAITING in states and has_dependents:
        return Delete("Foreground")
    if ORPHAN in item.meta.finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in item.meta.finalizers else "Background")
