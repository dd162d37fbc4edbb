"""The history of a DaemonSet's template: what a revision holds, which one is current, and what is to be done.

A revision holds the patch that brings the template back: `{"spec":{"template":{...,"$patch":"replace"}}}`. Its bytes are
canonical: compact JSON, keys sorted, escaped as Go's encoder does, because kubectl compares them byte by byte with what it
makes itself of the DaemonSet ("skipped rollback").

Two templates are the same when their canonical bytes are. That, and the hash, must never change from one release to the next,
or an upgrade of everynode would roll every fleet; a corpus of templates with their bytes and hashes guards it (tests).

Everything here is pure: `review` looks at the revisions there are and says what is to be done to them, one step after another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from everynode.controllers.daemonset.observe import HASH_LABEL, ControllerRevision, DaemonSet
from everynode.controllers.daemonset.template import owner_reference, template_labels

# Kubernetes' alphabet for such names. Like all that makes a hash it must never change, so it is shared with nobody.
HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
# Characters of a hash: 27^10 is 2·10^14, and a name stays short.
HASH_LENGTH = 10
HISTORY_LIMIT = 10

# What Go's encoder escapes in strings beyond what JSON asks for (so that JSON can stand in HTML and JavaScript).
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


class Review(msgspec.Struct, frozen=True):
    """What there is and what is to be done.

    `current` is the revision that holds today's template (None: it is to be created, with number `number`); if its number
    is lower than `number` it is to be raised. `duplicates` hold the same template: pods are relabelled to `current`, then they
    are deleted. `unlabelled` lack the hash label and get their own name as hash. `old` are all others, lowest number first.
    """

    number: int
    current: ControllerRevision | None
    duplicates: tuple[ControllerRevision, ...]
    old: tuple[ControllerRevision, ...]
    unlabelled: tuple[ControllerRevision, ...]


def canonical(value: Any) -> bytes:
    """Compact JSON with sorted keys, to the byte as Go's encoding/json writes it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # The escaped characters can stand nowhere in JSON but inside strings.
    return text.translate(_ESCAPED).encode()


def patch_of(template: bytes | msgspec.Raw) -> bytes:
    """The canonical patch that brings a template back, from the template as it is stored."""
    return canonical({"spec": {"template": {**msgspec.json.decode(template), "$patch": "replace"}}})


def hash_of(patch: bytes, collisions: int | None) -> str:
    """The hash that names a revision. `collisions` counts how often the name was taken by another template."""
    digest = hashlib.sha256(patch)
    if collisions is not None:
        digest.update(collisions.to_bytes(8, "little"))
    number = int.from_bytes(digest.digest()[:8])
    letters = []
    for _ in range(HASH_LENGTH):
        number, letter = divmod(number, len(HASH_ALPHABET))
        letters.append(HASH_ALPHABET[letter])
    return "".join(letters)


def holds(revision: ControllerRevision, patch: bytes) -> bool:
    """Whether the revision holds this patch, however its bytes are spelt."""
    return bytes(revision.data) == patch or canonical(msgspec.json.decode(revision.data)) == patch


def review(revisions: Iterable[ControllerRevision], patch: bytes) -> Review:
    """Sorts out the revisions of one DaemonSet, given the patch of its template of today."""
    ordered = sorted(revisions, key=lambda one: (one.revision, one.metadata.name))
    matching = [one for one in ordered if holds(one, patch)]
    old = tuple(one for one in ordered if not holds(one, patch))
    # Of several that hold today's template the one with the highest number stays.
    current = matching[-1] if matching else None
    return Review(
        number=max((one.revision for one in old), default=0) + 1,
        current=current,
        duplicates=tuple(matching[:-1]),
        old=old,
        unlabelled=tuple(one for one in ordered if not one.hash),
    )


def surplus(old: Sequence[ControllerRevision], limit: int | None, living: Collection[str]) -> list[ControllerRevision]:
    """The old revisions to delete, oldest first; one whose hash a pod still carries is passed over."""
    too_many = len(old) - (HISTORY_LIMIT if limit is None else limit)
    idle = [one for one in old if one.hash not in living]
    return idle[: max(0, too_many)]


def new_revision(ds: DaemonSet, patch: bytes, number: int) -> tuple[str, dict[str, Any]]:
    """(hash, the object to create) for a template that no revision holds yet."""
    hash = hash_of(patch, ds.status.collision_count)
    metadata: dict[str, Any] = {
        "name": f"{ds.metadata.name}-{hash}",
        "namespace": ds.metadata.namespace,
        "labels": {**template_labels(ds), HASH_LABEL: hash},
        "ownerReferences": [owner_reference(ds)],
    }
    if ds.metadata.annotations:
        # Among them kubernetes.io/change-cause, which `kubectl rollout history` shows.
        metadata["annotations"] = ds.metadata.annotations
    body = {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": metadata,
        "data": msgspec.Raw(patch),
        "revision": number,
    }
    return hash, body
