"""What becomes of one object, given what is known of its owners and dependents. Pure.

An object with a live owner stays, and loses its references to those that are gone or are waiting for it to go. Without one
it is deleted: in the foreground if an owner waits for it and it has dependents of its own, else as its own finalizers ask,
else in the background. An object being deleted in the foreground goes when nothing blocks it any more; one that leaves
orphans goes when its dependents no longer name it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from everynode.controllers.garbage.observe import FOREGROUND, ORPHAN, Item, OwnerReference


class OwnerState(enum.Enum):
    """What an owner reference points to."""

    LIVE = "there, or not for us to judge"
    WAITING = "being deleted in the foreground"
    GONE = "not there, or another object under its name"


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
    """It is to be deleted in the foreground, but one of its dependents waits for it in turn: it must block nobody."""


@dataclass(frozen=True, slots=True)
class Release:
    """Its deletion need not wait any longer: this finalizer goes."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class Await:
    """Its deletion waits for these blocking dependents, which must be looked at."""

    dependents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Orphan:
    """These dependents must lose their reference to it before it goes."""

    dependents: tuple[Item, ...]


Action = Stay | Delete | DropReferences | Unblock | Release | Await | Orphan


def plan_deleting(item: Item, dependents: Sequence[Item]) -> Action:
    """For an object that is being deleted."""
    if item.leaves_orphans:
        return Orphan(tuple(dependents)) if dependents else Release(ORPHAN)
    if item.waits_for_dependents:
        blocking = [each for each in dependents if each.blocks(item.meta.uid)]
        if not blocking:
            return Release(FOREGROUND)
        return Await(tuple(each.meta.uid for each in blocking if not each.deleting))
    return Stay()


def plan_owned(item: Item, owners: Sequence[tuple[OwnerReference, OwnerState]], dependents: Sequence[Item]) -> Action:
    """For an object that has owners and is not being deleted."""
    states = {state for _, state in owners}
    if OwnerState.LIVE in states:
        useless = tuple(reference.uid for reference, state in owners if state is not OwnerState.LIVE)
        return DropReferences(useless) if useless else Stay()
    if OwnerState.WAITING in states and dependents:
        circular = any(each.waits_for_dependents for each in dependents)
        if circular and any(reference.block_owner_deletion for reference, _ in owners):
            return Unblock()
        return Delete("Foreground")
    if ORPHAN in item.meta.finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in item.meta.finalizers else "Background")
