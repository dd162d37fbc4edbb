"""Objects cut down to their metadata, which goes out byte for byte as it came in."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from everynode.api.meta_v1 import ListMeta


class _WithMetadata(msgspec.Struct):
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_decoder = msgspec.json.Decoder(_WithMetadata)
_encoder = msgspec.json.Encoder()


def of_metadata(metadata: msgspec.Raw) -> bytes:
    """A PartialObjectMetadata around this metadata."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % bytes(metadata)


def partial_object_metadata(body: bytes) -> bytes:
    """One object as PartialObjectMetadata."""
    return of_metadata(_decoder.decode(body).metadata)


def partial_object_metadata_list(bodies: Iterable[bytes], metadata: ListMeta) -> bytes:
    """Objects as a PartialObjectMetadataList."""
    return b"%b%b]}" % (beginning(metadata), b",".join(map(partial_object_metadata, bodies)))


def beginning(metadata: ListMeta) -> bytes:
    """A PartialObjectMetadataList up to its first item; after its items, commas between them, `]}` ends it."""
    return b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":%b,"items":[' % (
        _encoder.encode(metadata)
    )
