"""The strategy of a kind about which nothing is special, and the base of those about which something is."""

from __future__ import annotations

from typing import Any


class Strategy:
    """Called with full structs. `old` is never changed; `new` is what will be stored."""

    # Whether a PUT has to say which version it replaces.
    names_version = False

    def prepare_create(self, new: Any) -> None:
        """Before a create is validated."""

    def prepare_update(self, new: Any, old: Any) -> None:
        """Before a write of the object itself (not of a subresource) is validated."""
        if hasattr(new, "status"):
            new.status = old.status

    def prepare_status(self, new: Any, old: Any) -> None:
        """Before a write of the status is validated: only status and metadata come from the client."""
        if hasattr(new, "spec"):
            new.spec = old.spec
        new.metadata.owner_references = old.metadata.owner_references
        new.metadata.finalizers = old.metadata.finalizers

    def prepare_finalize(self, new: Any, old: Any) -> None:
        """Before a write of the finalize subresource, which only a kind with finalizers in its spec serves."""

    def grace_seconds(self, obj: Any, asked: int | None) -> int:
        """How long the object lives on after a deletion was asked for; 0 deletes it at once."""
        return 0

    def begin_deletion(self, obj: Any) -> None:
        """Marks an object whose deletion has begun but must wait."""
