"""`make bench`: the figures that everynode holds, as a table, as JSON in `.cache/bench.json`, and as charts in `docs/`.

    python -m benchmarks [NAME …] [--sizes N,N,…] [--largest]

All of them, or those named. `--sizes` are the fleets of `rollout`; `--largest` adds fleets of 100,000 nodes and a million to
the planner's (20 minutes more). Each bench runs in a process of its own, so that none sees what another left behind, and prints
its figures through `benchmarks.figures`. CPU time and counters are preferred to wall time, which a busy machine stretches.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks import rollout
from benchmarks.charts import chart
from benchmarks.figures import Figure, Series, read

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ("start", "rollout", "planner", "store", "outside")


def run(bench: str, *arguments: str) -> tuple[list[Figure], list[Series]]:
    """The figures and curves of one bench; raises SystemExit when it fails."""
    command = [sys.executable, "-m", f"benchmarks.{bench}", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench {bench} failed with exit status {done.returncode}")
    return read(done.stdout)


def show(figure: Figure) -> None:
    """One row of the table."""
    must, aim = (f"{limit:g}" if limit is not None else "" for limit in (figure.must, figure.aim))
    print(f"{figure.name:<72} {figure.value:>11.3f} {must:>8} {aim:>6}  {figure.unit:<6} {figure.verdict}", flush=True)


def draw(curves: list[Series]) -> None:
    """Puts the charts where the documentation shows them."""
    costs = [curve for curve in curves if curve.chart == "cpu"]
    courses = [curve for curve in curves if curve.chart == "progress"]
    if costs:
        text = chart("CPU of a rolling update", "nodes", "ms a node", costs, logarithmic=True)
        (ROOT / "docs/performance-cpu.svg").write_text(text)
    if courses:
        text = chart("A rolling update at 10%", "seconds", "% of the nodes updated", courses)
        (ROOT / "docs/performance-progress.svg").write_text(text)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("benches", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    arguments.add_argument("--sizes", default=",".join(map(str, rollout.SIZES)), help="fleets of rollout")
    arguments.add_argument("--largest", action="store_true", help="also what takes long")
    given = arguments.parse_args()
    unknown = sorted(set(given.benches) - set(BENCHES))
    if unknown:
        raise SystemExit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    options: dict[str, list[str]] = {
        "rollout": given.sizes.split(",") + [str(rollout.LARGEST)] * given.largest,
        "planner": ["--most", "1000000"] if given.largest else [],
        "start": ["--largest"] if given.largest else [],
    }
    figures: list[Figure] = []
    curves: list[Series] = []
    print(f"{'figure':<72} {'value':>11} {'must':>8} {'aim':>6}  unit")
    for bench in given.benches or BENCHES:
        found, drawn = run(bench, *options.get(bench, []))
        for figure in found:
            show(figure)
        figures += found
        curves += drawn
    draw(curves)
    output = ROOT / ".cache" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")
    print(f"as JSON: {output.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
