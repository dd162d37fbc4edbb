"""Values at rest, packed: what a value has in common with another of its kind is kept once.

In goes the value of a key that nobody has written for as long as the history reaches; out comes how it differs from a
*pattern*, which is nothing but another value of that kind (`core/pods/`): the pods of one template differ in a name, a node,
a few times and addresses. A pod of 2.9 KB is kept as 0.2 KB, a node of 1.9 KB as 0.15 KB (zlib, the pattern as its
dictionary). Packing takes 8 µs and reading 1 µs, so what is still being worked on stays as it is: a pod that comes to its
node is written five times and packed once.

A kind's pattern is followed by another when values come that it does not fit any more. A pattern lives as long as a value is
packed against it; nothing else is kept, and no value is lost when another one changes or goes.
"""

from __future__ import annotations

import zlib

import msgspec

# Bytes. What is shorter saves little, and the most of it are leases, which are written again and again.
LEAST = 512
# A pattern fits a value that becomes at least so many times shorter by it.
FITS, FITS_WELL = 2, 5
# Values packed against a pattern before the next one takes its place, so that unlike values that come in turns do not each
# become a pattern, which stays as long as it is.
SERVES = 16
# zlib's: what is left of a value is so little that codes made for it alone, which each reading would have to build, cost twice
# the time for a tenth of the bytes. Higher levels and more memory take longer for hardly less.
_LEVEL, _MEMORY, _CODES = 3, 5, zlib.Z_FIXED
_SMALLEST_WINDOW, _LARGEST_WINDOW = 12, 15


class Pattern(msgspec.Struct, gc=False, eq=False):
    """A value that others are packed against. `window` is zlib's: large enough for the pattern and a value like it."""

    text: bytes
    window: int
    served: int = 0

    def pack(self, value: bytes) -> bytes:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -self.window, _MEMORY, _CODES, self.text)
        return packer.compress(value) + packer.flush()

    def unpack(self, packed: bytes) -> bytes:
        return zlib.decompressobj(-self.window, self.text).decompress(packed)


class Patterns:
    """The pattern of each kind that the next value is packed against."""

    def __init__(self) -> None:
        self._of_kind: dict[str, Pattern] = {}

    def pack(self, kind: str, value: bytes) -> tuple[bytes, Pattern] | None:
        """The value packed, and by what; None if it is to stay as it is."""
        if len(value) < LEAST:
            return None
        pattern = self._of_kind.get(kind)
        if pattern is None:
            self._begin(kind, value)
            return None
        packed = pattern.pack(value)
        pattern.served += 1
        if len(packed) * FITS_WELL > len(value) and pattern.served > SERVES:
            self._begin(kind, value)
            return None
        return (packed, pattern) if len(packed) * FITS <= len(value) else None

    def _begin(self, kind: str, value: bytes) -> None:
        window = max(_SMALLEST_WINDOW, min((2 * len(value)).bit_length(), _LARGEST_WINDOW))
        self._of_kind[kind] = Pattern(value, window)
