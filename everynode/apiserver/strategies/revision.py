"""ControllerRevisions: their data is compared byte for byte, so it is stored in one canonical writing."""

from __future__ import annotations

import msgspec

from everynode.api.apps_v1 import ControllerRevision
from everynode.apiserver.strategies.plain import Strategy


class ControllerRevisionStrategy(Strategy):
    def prepare_create(self, new: ControllerRevision) -> None:
        _canonicalise(new)

    def prepare_update(self, new: ControllerRevision, old: ControllerRevision) -> None:
        _canonicalise(new)


def _canonicalise(revision: ControllerRevision) -> None:
    """Compact JSON with sorted keys, whatever the client sent: `kubectl rollout undo` compares these bytes."""
    if revision.data:
        tree = msgspec.json.decode(revision.data)
        revision.data = msgspec.Raw(msgspec.json.encode(tree, order="sorted"))
