"""Resource quantities: `100m` of a CPU, `1Gi` of memory, `12e6`.

In comes text (or a JSON number); out comes a `Quantity`, exact: a whole number of nano-units, for nothing finer than a
nano exists (what is finer is rounded away from zero when it is read, as Kubernetes does). So comparing and adding are
plain integer arithmetic and never lose anything. `str(quantity)` is the canonical text that Kubernetes would store.

Kubernetes keeps a spelling that it already takes for canonical as it was written, even where it is not (`1.500`, `+1`);
so does this module, since a rewritten spelling would show as a difference in somebody's `kubectl diff`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import lru_cache, total_ordering

NANOS = 10**9
LARGEST_BINARY = (2**63 - 1) * NANOS  # Kubernetes caps binary quantities at the largest int64
MAX_LENGTH = 256  # characters; far beyond any sensible quantity, and it bounds the integers that are built
MAX_EXPONENT = 1_000  # of ten, either sign; `1e999999999` must not cost memory

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMBER_WRONG = "unable to parse numeric part of quantity"
SUFFIX_WRONG = "unable to parse quantity's suffix"

_SHAPE = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_BINARY_NAMES = {0: "", **{exponent: suffix for suffix, exponent in _BINARY_SUFFIXES.items()}}


class QuantityError(ValueError):
    """The text is no quantity; the message is Kubernetes' own."""


class Format(Enum):
    """How a quantity was written, and so how it is written again."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount in nano-units. Two quantities are equal when their amounts are, however they are spelt."""

    nanos: int
    format: Format = Format.DECIMAL_SI
    spelling: str = field(default="", repr=False)  # the text it was read from, where Kubernetes keeps that text

    @staticmethod
    def parse(value: str | int | float) -> Quantity:
        """Reads a quantity as it stands in JSON: a string, or a bare number. Raises `QuantityError`."""
        if isinstance(value, str):
            return _parse(value)
        if isinstance(value, bool):
            raise QuantityError(FORMAT_WRONG)
        try:
            return _parse(format(Decimal(repr(value)).normalize(), "f"))
        except ArithmeticError:
            raise QuantityError(FORMAT_WRONG) from None

    @staticmethod
    def of(amount: int, format: Format = Format.DECIMAL_SI) -> Quantity:
        """A whole number of units."""
        return Quantity(amount * NANOS, format)

    @staticmethod
    def of_milli(amount: int, format: Format = Format.DECIMAL_SI) -> Quantity:
        """A whole number of thousandths."""
        return Quantity(amount * (NANOS // 1000), format)

    def value(self) -> int:
        """The amount in whole units, rounded away from zero."""
        return _divide_away_from_zero(self.nanos, NANOS)

    def milli_value(self) -> int:
        """The amount in thousandths, rounded away from zero."""
        return _divide_away_from_zero(self.nanos, NANOS // 1000)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __str__(self) -> str:
        """The canonical text: no fraction, the largest suffix that loses nothing, in the format it was written in."""
        if self.spelling:
            return self.spelling
        if not self.nanos:
            return "0"
        if self.format is Format.BINARY_SI and self.nanos % NANOS == 0 and abs(self.nanos) >= 1024 * NANOS:
            return _binary_text(self.nanos // NANOS)
        mantissa, exponent = self.nanos, -9
        # A DecimalSI number beyond E has no larger suffix: 1000E stays 1000E. So has a fractional or small binary one.
        largest = MAX_EXPONENT if self.format is Format.DECIMAL_EXPONENT else 18
        while mantissa % 1000 == 0 and exponent < largest:
            mantissa, exponent = mantissa // 1000, exponent + 3
        if self.format is Format.DECIMAL_EXPONENT:
            return f"{mantissa}e{exponent}" if exponent else str(mantissa)
        return f"{mantissa}{_DECIMAL_NAMES[exponent]}"


def canonical(value: str | int | float) -> str:
    """The text Kubernetes stores for this quantity: `0.1` gives `100m`, `1024Mi` gives `1Gi`. Raises `QuantityError`."""
    return str(Quantity.parse(value))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    if len(text) > MAX_LENGTH:
        raise QuantityError(NUMBER_WRONG)
    shape = _SHAPE.fullmatch(text)
    if not text or shape is None:
        raise QuantityError(FORMAT_WRONG)
    sign, whole, fraction, suffix = shape[1], shape[2] or "0", shape[3] or "", shape[4]
    written, exponent = _interpret(suffix)
    digits = int(whole + fraction)
    if written is Format.BINARY_SI:
        magnitude = min(_scale(digits << exponent, 9 - len(fraction)), LARGEST_BINARY)
    else:
        magnitude = _scale(digits, exponent + 9 - len(fraction))
    if written is Format.BINARY_SI and magnitude < NANOS:
        written = Format.DECIMAL_SI
    kept = text if magnitude and _keeps_spelling(written, whole, fraction, exponent) else ""
    return Quantity(-magnitude if sign == "-" else magnitude, written, kept)


def _interpret(suffix: str) -> tuple[Format, int]:
    """The format a suffix stands for, and its exponent: of ten, or of two for binary suffixes."""
    if suffix in _DECIMAL_SUFFIXES:
        return Format.DECIMAL_SI, _DECIMAL_SUFFIXES[suffix]
    if suffix in _BINARY_SUFFIXES:
        return Format.BINARY_SI, _BINARY_SUFFIXES[suffix]
    if suffix[0] in "eE":
        try:
            exponent = int(suffix[1:])
        except ValueError:
            raise QuantityError(SUFFIX_WRONG) from None
        if abs(exponent) <= MAX_EXPONENT:
            return Format.DECIMAL_EXPONENT, exponent
    raise QuantityError(SUFFIX_WRONG)


def _keeps_spelling(written: Format, whole: str, fraction: str, exponent: int) -> bool:
    """Whether Kubernetes' reader takes this text for canonical already and hands it back letter by letter.

    Its quick test looks at the digits only, within 18 decimal digits of precision, so it lets through a leading sign
    or zero and some fractions.
    """
    digits = whole + fraction
    if written is Format.BINARY_SI:
        spare = 15 - len(whole) - exponent * 3 // 10 - 1
        return not fraction and spare >= 0 and int(digits) % 8 != 0
    scale = exponent - len(fraction)
    exact = len(digits) <= 18 and scale >= -9
    return exact and scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"


def _scale(digits: int, exponent: int) -> int:
    """`digits` times ten to the `exponent`, rounded up."""
    if exponent >= 0:
        return digits * int(10**exponent)
    return -(-digits // int(10**-exponent))


def _divide_away_from_zero(amount: int, unit: int) -> int:
    return -(-amount // unit) if amount > 0 else amount // unit


def _binary_text(units: int) -> str:
    exponent = 0
    while units % 1024 == 0 and exponent < 60:
        units, exponent = units // 1024, exponent + 10
    return f"{units}{_BINARY_NAMES[exponent]}"
