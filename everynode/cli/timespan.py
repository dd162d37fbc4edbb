"""A span of time on the command line: `90`, `90s`, `5m`, `2h`."""

from __future__ import annotations

import re

import click

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smh]?)", re.ASCII)


class _Timespan(click.ParamType[float]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no span of time: 90s, 5m, 2h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


# Seconds.
TIMESPAN = _Timespan()
