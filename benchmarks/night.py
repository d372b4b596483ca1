"""Run a whole night on generated data, in a home of its own: seconds and peak memory of each stage.

python -m benchmarks.night [--like ml-25m] [--scale 0.1] [--models popularity,item_knn,als] [--no-events] [--set K=V]

The data set is generated on first use and kept (--cache); --folder takes another one. The command is `recs run` with
default settings, started as a process as cron would start it; its home is temporary and lists go into its SQLite file.
Without --models the whole nightly shelf is judged. `total_s` is the wall time of the command, `peak_mb` the largest
resident memory of its process. The last line is machine-readable; its seconds are sums over stages: land (land,
clean), utility (split, everything, utility, held_out), fit (all fits), score (evaluate, recommend), publish.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.command import refuse_bad_input
from benchmarks.generated import ROOT, add_data_arguments, data_of
from benchmarks.last_line import to_line
from tasks.errors import NightError
from tasks.storage.run_records import Run, Runs, StageTime

GROUPS = {
    "land": ("land", "clean"),
    "utility": ("split", "everything", "utility", "held_out"),
    "fit": ("fit",),
    "score": ("evaluate", "recommend"),
    "publish": ("publish",),
}
"""Figure of the last line → the stages that it sums."""
LAST_WORDS = 2000


def main() -> None:
    """Run the night and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.add_argument("--models", help="the models to judge, with commas between them")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as for recs run"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the stages and figures here, too")
    asked = parser.parse_args()
    folder = data_of(asked)
    options = [*(["--models", asked.models] if asked.models else [])]
    options += [word for setting in asked.set for word in ("--set", setting)]
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as home:
        run, total_s = run_night(folder, Path(home), options)
    figures = summed(run.stages, total_s)
    print(stage_table(run.stages))
    print(f"{run.status}, {run.rows or 0:,} rows, champion {run.champion}")
    if asked.json:
        stages = [
            {"stage": s.stage, "model": s.model, "seconds": s.seconds, "peak_mb": s.peak_mb}
            for s in run.stages
        ]
        asked.json.write_text(json.dumps({"figures": figures, "stages": stages}, indent=1))
    print(to_line(figures))


def run_night(dataset: Path, home: Path, options: Sequence[str]) -> tuple[Run, float]:
    """Run `recs run` in a process of its own; return its record and its wall seconds.

    Args:
        dataset: the folder of the input files.
        home: an empty folder, in which the home is made.
        options: further options of the command.

    Raises:
        NightError: it did not publish.
    """
    command = [sys.executable, "-m", "nightly_recs_of_benchmark"]
    (home / "nightly_recs_of_benchmark.py").write_text("from nightly_recs import main\nmain()\n")
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603  (our own command)
        [*command, "run", "--dataset", str(dataset), "--home", str(home / "home"), *options],
        cwd=home,  # without a pipeline.toml, so that all settings are the defaults
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    total_s = time.perf_counter() - started
    runs = Runs(home / "home" / "runs").all()
    if done.returncode or not runs or runs[0].status != "published":
        why = runs[0].reason if runs else ""
        raise NightError(
            f"The night ended with exit code {done.returncode}. {why}",
            (done.stdout + done.stderr)[-LAST_WORDS:],
        )
    return runs[0], total_s


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return `given` without settings of `recs` and Prefect, and with this checkout's code."""
    kept = {name: value for name, value in given.items() if not re.match(r"(?i)(RECS_|PREFECT_)", name)}
    return kept | {"PYTHONPATH": str(ROOT)}


def summed(stages: Sequence[StageTime], total_s: float) -> dict[str, float]:
    """Return the figures of the last line.

    Args:
        stages: of the night.
        total_s: wall seconds of the command.
    """
    figures = {"total_s": total_s, "peak_mb": max((stage.peak_mb for stage in stages), default=0.0)}
    for name, members in GROUPS.items():
        figures[f"{name}_s"] = sum(stage.seconds for stage in stages if stage.stage in members)
    return figures


def stage_table(stages: Sequence[StageTime]) -> str:
    """Return a line of each stage in the order in which they ran: seconds, peak memory, name, model and note."""
    head = f"{'s':>8} {'MB':>7}  stage"
    lines = [
        f"{stage.seconds:8.1f} {stage.peak_mb:7.0f}  {stage.stage} {stage.model or ''} {stage.note}".rstrip()
        for stage in stages
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    refuse_bad_input(main)
