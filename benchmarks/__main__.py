"""`python -m benchmarks [--quick | --large] [NAME...]`: measures all parts or those named, prints and writes them.

Parts that are not named keep the results that are in the folder, each with its date.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import charts, effort, report
from benchmarks.parts import batches, changes, cold, columns, compare, cpu, formats, history, instance, load, scale
from benchmarks.progress import Progress

PARTS = {
    "compare": compare,
    "instance": instance,
    "cpu": cpu,
    "formats": formats,
    "changes": changes,
    "scale": scale,
    "history": history,
    "cold": cold,
    "batches": batches,
    "columns": columns,
    "load": load,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer users: about three minutes")
    parser.add_argument("--large", action="store_true", help="scale to 5,000,000 users")
    parser.add_argument("--out", type=Path, help="the folder for the results (default: benchmarks/results)")
    options = parser.parse_args()
    names = options.parts or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}: {', '.join(PARTS)}")
    chosen = effort.QUICK if options.quick else effort.LARGE if options.large else effort.FULL
    # A first look takes the place of no result.
    out = options.out or Path(".local/benchmarks" if options.quick else "benchmarks/results")
    progress = Progress(sum(PARTS[name].steps(chosen) for name in names))
    sections = {each.name: each for each in report.read(out)} if options.parts else {}
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        progress.part = name
        sections[name] = report.dated(PARTS[name].run(chosen, progress.step))
        ordered = [sections[each] for each in PARTS if each in sections]
        # Written after each part: what was measured is not lost when a later part fails.
        text = report.write(out, ordered, charts.draw(out, ordered))
    progress.end()
    print(text)
    print(f"Written to {out}/results.md, results.json and the charts.")
    if options.quick:
        print("With so few users, what is fixed weighs more: the goals are those of a run without --quick.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
