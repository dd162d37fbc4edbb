"""Curves as SVG: readable on a light and on a dark page, and in the file itself, without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Series

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 36, 48
COLOURS = ("#3572b0", "#d9822b", "#2e9e6b", "#b0456d", "#7a5fb5", "#8a8a2a")
INK = "#7f7f7f"  # grey: seen on black and on white


def chart(title: str, across: str, up: str, curves: Sequence[Series], *, logarithmic: bool = False) -> str:
    """One chart. `logarithmic` is about the axis that goes across; the other begins at 0."""
    points = [point for curve in curves for point in curve.points]
    least, most = min(x for x, _ in points), max(x for x, _ in points)
    top = _round_up(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        part = _part(x, least, most, logarithmic)
        return LEFT + part * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        _text(LEFT, TOP - 16, title, size=14),
        _text(WIDTH - RIGHT, HEIGHT - 10, across, anchor="end"),
        _text(LEFT, TOP - 2, up, size=11),
    ]
    for step in range(5):
        x, y = place(least, top * step / 4)
        drawn.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="0.3"/>')
        drawn.append(_text(LEFT - 8, y + 4, f"{top * step / 4:g}", anchor="end"))
    for x in _ticks(least, most, logarithmic):
        drawn.append(_text(place(x, 0)[0], HEIGHT - BOTTOM + 18, f"{x:,g}", anchor="middle"))
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in curve.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(placed) <= 8:
            drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        drawn.append(_text(WIDTH - RIGHT + 14, TOP + 12 + 18 * number, curve.name, colour=colour))
    return "\n".join([*drawn, "</svg>", ""])


def _part(x: float, least: float, most: float, logarithmic: bool) -> float:
    if most <= least:
        return 0.5
    if logarithmic:
        return math.log(x / least) / math.log(most / least)
    return (x - least) / (most - least)


def _ticks(least: float, most: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        powers = range(math.ceil(math.log10(least)), math.floor(math.log10(most)) + 1)
        return [10.0**power for power in powers]
    step = _round_up((most - least) / 5)
    return [step * number for number in range(math.ceil(least / step), math.floor(most / step) + 1)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 10, 20, …: a number that axes are marked with."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 2, 4, 5, 10) if size * step >= value * 0.999)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
    )
