"""ControllerRevisions: their data is compared byte for byte, so it is stored in one canonical writing."""

from __future__ import annotations

import msgspec

from everynode.api.apps_v1 import ControllerRevision
from everynode.apiserver.strategies.plain import Strategy

# What Go's encoder escapes in strings beyond what JSON asks for; these bytes stand nowhere in JSON but inside strings.
_GO_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


class ControllerRevisionStrategy(Strategy):
    def prepare_create(self, new: ControllerRevision) -> None:
        _canonicalise(new)

    def prepare_update(self, new: ControllerRevision, old: ControllerRevision) -> None:
        _canonicalise(new)


def _canonicalise(revision: ControllerRevision) -> None:
    """Compact JSON with sorted keys as Go writes it, whatever was sent: `kubectl rollout undo` compares these bytes."""
    if revision.data:
        tree = msgspec.json.decode(revision.data)
        data = msgspec.json.encode(tree, order="sorted")
        for plain, escaped in _GO_ESCAPES:
            data = data.replace(plain, escaped)
        revision.data = msgspec.Raw(data)
