"""Changes of one part of a stored object that leave the other parts as the bytes they are.

A status write, a binding and a deletion touch one of `metadata`, `spec`, `status`. The other two are carried over undecoded:
they were valid when they were stored, and nothing of them changes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everynode.api.meta_v1 import ObjectMeta
from everynode.api.scheme import Resource
from everynode.apiserver import stored

_metadata = msgspec.json.Decoder(ObjectMeta)


class Parts(msgspec.Struct):
    """An object's three parts as the bytes that were stored; empty for one that the kind does not have."""

    metadata: msgspec.Raw
    spec: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()

    def decode_metadata(self) -> ObjectMeta:
        return _metadata.decode(self.metadata)


_parts = msgspec.json.Decoder(Parts)


def take_apart(value: bytes) -> Parts:
    """Splits the bytes of a stored object of a kind that consists of metadata, spec and status."""
    return _parts.decode(value)


def put_together(resource: Resource, parts: Parts) -> bytes:
    """The bytes to store."""
    pieces = [stored.head(resource), bytes(parts.metadata)[1:]]
    if parts.spec:
        pieces += [b',"spec":', bytes(parts.spec)]
    if parts.status:
        pieces += [b',"status":', bytes(parts.status)]
    pieces.append(b"}")
    return b"".join(pieces)


def raw(value: Any) -> msgspec.Raw:
    """A part newly encoded."""
    return msgspec.Raw(msgspec.json.encode(value))


def with_member(part: msgspec.Raw, name: str, value: Any) -> msgspec.Raw:
    """A JSON object with one member more, which it must not have yet."""
    member = b'"%b":%b' % (name.encode(), msgspec.json.encode(value))
    rest = bytes(part)[1:]
    return msgspec.Raw(b"{" + member + (b"}" if rest == b"}" else b"," + rest))
