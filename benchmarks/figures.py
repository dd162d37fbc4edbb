"""One measured figure, and how a bench hands it to whoever started it: a line of JSON on standard output.

A series (points of a curve) goes the same road, for the charts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

MARK, SERIES_MARK = "figure: ", "series: "


@dataclass(frozen=True, slots=True)
class Figure:
    """`must` is the limit that is held, `aim` what is wanted (None: told for information); a smaller value is better."""

    name: str
    value: float
    unit: str
    must: float | None = None
    aim: float | None = None

    @property
    def verdict(self) -> str:
        if self.must is not None and self.value > self.must:
            return "<-- missed"
        return "" if self.aim is None or self.value > self.aim else "aim reached"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Series:
    """A curve of a chart: `chart` names the chart, `name` the curve."""

    chart: str
    name: str
    points: list[tuple[float, float]]


def tell(name: str, value: float, unit: str, must: float | None = None, aim: float | None = None) -> None:
    """Hands one figure over."""
    print(MARK + json.dumps(Figure(name, value, unit, must, aim).as_json()), flush=True)


def draw(chart: str, name: str, points: list[tuple[float, float]]) -> None:
    """Hands one curve over."""
    print(SERIES_MARK + json.dumps(asdict(Series(chart, name, points))), flush=True)


def read(output: str) -> tuple[list[Figure], list[Series]]:
    """The figures and curves among a bench's output."""
    lines = output.splitlines()
    figures = [Figure(**json.loads(line.removeprefix(MARK))) for line in lines if line.startswith(MARK)]
    series = [Series(**json.loads(line.removeprefix(SERIES_MARK))) for line in lines if line.startswith(SERIES_MARK)]
    return figures, series
