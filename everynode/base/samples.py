"""One number that a part of the house tells of itself when somebody asks for its metrics; nothing is counted for that alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple


class Sample(NamedTuple):
    """`metric` follows Prometheus' rules for names; one that ends in `_total` only grows. All samples of a metric carry the
    same labels."""

    metric: str
    about: str
    labels: Mapping[str, str]
    value: float


Samples = Callable[[], Iterable[Sample]]
