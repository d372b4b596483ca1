"""Time the generation of a data set like a public one.

python -m benchmarks.generation [--like ml-25m] [--scale 0.1] [--events]

It is written into a temporary folder. The last line is machine-readable: seconds, seconds of processor time in all
threads, peak memory, and rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.command import refuse_bad_input
from benchmarks.generated import size_of
from benchmarks.last_line import to_line
from tasks.datasets.synthetic.generate import generate_demo
from tasks.datasets.synthetic.public_sets import PUBLIC_SETS
from tasks.monitoring.memory import peak_mb


def main() -> None:
    """Generate, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--like", default="ml-25m", metavar="NAME", help=", ".join(PUBLIC_SETS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--events", action="store_true", help="write events.csv, too")
    asked = parser.parse_args()
    size = size_of(asked.like, asked.scale)
    started, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        made = generate_demo(
            Path(where) / "made", **asdict(size), events=asked.events, habits=PUBLIC_SETS[asked.like].habits
        )
    figures = {"total_s": time.perf_counter() - started, "cpu_s": time.process_time() - used}
    rows = {"ratings": made.ratings, "tags": made.tags, "events": made.events}
    print(to_line(figures | {"peak_mb": peak_mb()} | rows))


if __name__ == "__main__":
    refuse_bad_input(main)
