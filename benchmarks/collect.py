"""Run the benchmarks, keep their figures in one JSON, and write the tables of docs/benchmarks.md from it.

make bench:       python -m benchmarks.collect           (a tenth of the size; about ten minutes on two cores)
make bench-full:  python -m benchmarks.collect --full    (the size of ml-25m, and growth up to 100 million: hours)
                  python -m benchmarks.collect --write   (measures nothing, only writes the page)

--only takes names of steps (landing, topn, night, …, growth or peers), and replaces those of the last run. The JSON is
docs/benchmarks.json: machine, versions, commit, load before the run, and for each step its command, its figures and
what failed. A missed budget is said in the table; the exit code is 1 only if something could not be measured. A full
run compares other libraries at a tenth of the size; --peers FILE takes a comparison of your own, which
`python -m benchmarks.peers … --json FILE` wrote: its rows replace those of the same models.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.child import Measurement
from benchmarks.command import refuse_bad_input
from benchmarks.generated import CACHE, ROOT, generated
from benchmarks.growth import LIKE, measured_growth
from benchmarks.machine import machine_facts
from benchmarks.peers_section import measure_peers, read_peers, renewed
from benchmarks.results import RESULTS, read_results, write_section
from benchmarks.suite import MODELS, QUICK_SCALE, STEPS, run_suite
from benchmarks.tables import page_tables, updated
from tasks.errors import NightError, UsageError
from tasks.storage.artifact_store import write_text

PAGE = ROOT / "docs" / "benchmarks.md"
GROWTH, PEERS = "growth", "peers"
SIZES = {True: ((1.0, 5.0, 25.0, 100.0), 25.0), False: ((0.1, 0.5, 1.0), 0.0)}
"""Whether it is a full run → sizes in millions of ratings, and the largest with a whole night."""


def main() -> None:
    """Measure, write the JSON after each step, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="at full size")
    parser.add_argument("--write", action="store_true", help="only write the page from the JSON")
    parser.add_argument("--only", default="", metavar="NAMES", help="steps, with commas between them")
    parser.add_argument("--peers", type=Path, metavar="FILE", help="a comparison with other libraries")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="FOLDER")
    asked = parser.parse_args()
    failed = []
    if asked.peers:
        write_section(
            asked.json, PEERS, renewed(read_results(asked.json).get(PEERS), read_peers(asked.peers))
        )
    if not asked.write:
        failed = collect(asked.json, asked.cache, chosen_steps(asked.only), is_full=asked.full)
    results = read_results(asked.json)
    write_text(asked.page, updated(asked.page.read_text(encoding="utf-8"), results))
    print(page_tables(results)["budgets" if asked.full else "quick"])
    if failed:
        print(f"Not measured: {', '.join(failed)}.", file=sys.stderr)
        sys.exit(1)


def chosen_steps(only: str) -> tuple[str, ...]:
    """Return the steps of --only; empty for all.

    Raises:
        UsageError: one is no step.
    """
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    known = (*STEPS, GROWTH, PEERS)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"There is no step {unknown[0]!r}.", f"Steps: {', '.join(known)}.")
    return names


def collect(json: Path, cache: Path, only: tuple[str, ...], *, is_full: bool) -> list[str]:
    """Run the steps and write the JSON after each; return the names of those that failed.

    Args:
        json: the file of all results.
        cache: where generated data sets are kept.
        only: the steps to run; empty for all. The last run's figures of the others are kept.
        is_full: at full size.
    """
    section = "bench-full" if is_full else "bench"
    kept = read_results(json).get(section, {}).get("measurements", {}) if only else {}
    machine = machine_facts()
    content: dict[str, Any] = {"machine": machine, "measurements": dict(kept)}
    failed = []

    def keep(name: str, measurement: Measurement) -> None:
        moment = {fact: machine[fact] for fact in ("began", "commit", "load")}
        content["measurements"][name] = asdict(measurement) | moment
        write_section(json, section, content)
        print(f"{name}: {measurement.error or measurement.figures}", file=sys.stderr, flush=True)
        if measurement.error:
            failed.append(name)

    steps = tuple(name for name in only if name in STEPS)
    if steps or not only:
        run_suite(is_full=is_full, cache=cache, only=steps, measured=keep)
    if not only or GROWTH in only:
        millions, nights_up_to = SIZES[is_full]
        growth = measured_growth(
            millions,
            nights_up_to=nights_up_to,
            models=MODELS,
            cache=cache,
            measured=partial(write_section, json, "growth" if is_full else "growth-quick"),
            machine=machine,
        )
        failed += [f"growth at {point['ratings']:,}" for point in growth["points"] if point["errors"]]
    if PEERS in only or (is_full and not only):
        data = generated(LIKE, QUICK_SCALE, events=False, cache=cache)
        try:
            write_section(json, PEERS, measure_peers(data, machine))
        except NightError as error:
            print(error, file=sys.stderr)
            failed.append(PEERS)
    return failed


if __name__ == "__main__":
    refuse_bad_input(main)
