"""`make bench`: the figures that everynode holds, as a table, and as JSON in `.cache/bench.json`.

    python -m benchmarks [NAME …]      all of them, or those named

Each bench runs in a process of its own, so that none sees what another left behind, and prints lines `name value unit limit`
through `benchmarks.figures`. CPU time and counters are preferred to wall time, which a busy machine stretches.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, read

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ("start", "rollout", "planner", "store")


def run(bench: str) -> list[Figure]:
    """The figures of one bench; raises SystemExit when it fails."""
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{bench}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench {bench} failed with exit status {done.returncode}")
    return read(done.stdout)


def main() -> None:
    wanted = sys.argv[1:] or BENCHES
    unknown = sorted(set(wanted) - set(BENCHES))
    if unknown:
        raise SystemExit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    figures: list[Figure] = []
    print(f"{'figure':<86} {'value':>10} {'must':>10}  unit")
    for bench in wanted:
        for figure in run(bench):
            figures.append(figure)
            must = f"{figure.must:g}" if figure.must is not None else ""
            verdict = "  <-- missed" if figure.is_missed else ""
            print(f"{figure.name:<86} {figure.value:>10.3f} {must:>10}  {figure.unit}{verdict}", flush=True)
    output = ROOT / ".cache" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")
    print(f"as JSON: {output.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
