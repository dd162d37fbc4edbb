"""One measured figure, and how a bench hands it to whoever started it: a line of JSON on standard output."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MARK = "figure: "


@dataclass(frozen=True, slots=True)
class Figure:
    """`must` is the limit that is held (None: told for information); a smaller value is better."""

    name: str
    value: float
    unit: str
    must: float | None = None

    @property
    def is_missed(self) -> bool:
        return self.must is not None and self.value > self.must

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def tell(name: str, value: float, unit: str, must: float | None = None) -> None:
    """Hands one figure over."""
    print(MARK + json.dumps(Figure(name, value, unit, must).as_json()), flush=True)


def read(output: str) -> list[Figure]:
    """The figures among a bench's output."""
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    return [Figure(**json.loads(line)) for line in lines]
