"""Names that nobody chose: uids and the random tails of generated names.

The dice are an argument, so that a seed replays the same cluster to the letter.
"""

from __future__ import annotations

import random
import uuid

# Kubernetes' alphabet for generated names: no vowels and no look-alikes, so that no word is spelt by accident.
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Ids:
    """A source of uids and name suffixes drawn from one random generator."""

    def __init__(self, dice: random.Random | None = None) -> None:
        """Without `dice`, the operating system's randomness is used (for a live cluster)."""
        self._dice = dice or random.SystemRandom()

    def uid(self) -> str:
        """A version 4 UUID as text."""
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """The random tail that `generateName` appends."""
        return "".join(self._dice.choices(SUFFIX_ALPHABET, k=length))

    def fraction(self) -> float:
        """A number from 0 up to 1, for jitter."""
        return self._dice.random()
