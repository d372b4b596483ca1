"""Simulate a month of nights with everything that goes wrong in one, and check what must hold at every moment.

python -m benchmarks.month [--days 30] [--users 2000 --items 3000 --ratings 200000] [--models popularity,item_knn,als]
                           [--kills 0.35] [--seed 3] [--keep FOLDER]

The demo's last days arrive as daily files in `incoming/`. One file is corrupted, others are repeated, cut in half while
a night runs, absent, ten times as large, or land under a clock set back; a user is forgotten, and delivered once more
(`benchmarks/month_world.py`). Nights are processes of `recs run`, some of them killed at a random moment and started
again. Meanwhile a reader looks at the lists, several times a second.

Exit code 1, after the table, if a reader ever saw no list or an incomplete set of lists, if rows were lost, if a night
ended otherwise than published or with nothing new, or if anything of the forgotten user is left. The last line is
machine-readable; it tells by how much the home grew over the last third, and the rest of it that holds no data.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.command import at_least, refuse_bad_input
from benchmarks.month_reader import Reader
from benchmarks.month_world import Calendar, World, make_world
from tasks.storage.disk_use import DATA, disk_use
from tasks.storage.home import existing_home
from tasks.storage.run_records import Run, Runs

_RECS = "from nightly_recs import main; main()"
_A_YEAR_AGO = """
from datetime import timedelta
from tasks.storage import run_records
now = run_records._now
run_records._now = lambda: now() - timedelta(days=365)
"""
"""Run ids and landing times come from this clock."""
_MAX_TRIES = 20


@dataclass(frozen=True)
class Day:
    """The observations of one day.

    Attributes:
        number: of the day, from 1.
        events: what went wrong, in words.
        delivered: rows that arrived.
        exits: exit code of each process; −9 for a killed one.
        run: the record of the newest run.
        unbalanced: sources whose rows in are not the sum of what became of them.
        reads, bad_reads: how often the reader looked, and how often it saw no complete set of lists.
        traces: places in the home with the forgotten user's id; None before that user is forgotten.
        input_mb: size of the input.
        parts: size of each part of the home after the night, in MB.
        seconds: for all processes together.
    """

    number: int
    events: list[str]
    delivered: int
    exits: list[int]
    run: Run | None
    unbalanced: list[str]
    reads: int
    bad_reads: list[str]
    traces: list[str] | None
    input_mb: float
    parts: dict[str, float]
    seconds: float

    @property
    def home_mb(self) -> float:
        """Return the size of the home after the night."""
        return sum(self.parts.values())

    @property
    def rest_mb(self) -> float:
        """Return the size of what does not grow with the data: pages, records, Prefect's files and the like."""
        return sum(size for part, size in self.parts.items() if part not in DATA)

    @property
    def faults(self) -> list[str]:
        """Return the violations of what must hold, in words; empty if there are none."""
        found = [f"a reader saw {what}" for what in self.bad_reads[:1]]
        found += [f"the rows of {source} do not add up" for source in self.unbalanced]
        found += [f"the forgotten user is in {place}" for place in (self.traces or ())[:1]]
        if not self.exits or self.exits[-1] != 0:
            found.append(f"the night ended with exit code {self.exits[-1] if self.exits else None}")
        return found


class Month:
    """The nights of one simulated month.

    Attributes:
        world: the input, which grows.
        calendar: what goes wrong, and when.
        home: the home folder.
        models: names for `recs run --models`.
        share_killed: share of the nights that are killed once or more.
    """

    def __init__(
        self, world: World, calendar: Calendar, home: Path, models: str, *, share_killed: float, seed: int
    ) -> None:
        self.world, self.calendar = world, calendar
        self.home, self.models, self.share_killed = home, models, share_killed
        self.rng = np.random.default_rng(seed)
        self.runs = Runs(home / "runs")
        self._usual_seconds = 20.0

    def day(self, number: int, reader: Reader) -> Day:
        """Deliver a day's files, run its night until it ends by itself, and look at what it left."""
        started = time.perf_counter()
        delivered = self.world.deliver(number, self.calendar)
        exits = self._night(number)
        if number == self.calendar.forgotten:
            exits.append(self._recs("forget", self.world.forgotten, "--yes", "--home", str(self.home)))
        seconds = time.perf_counter() - started
        reads, bad_reads = reader.take()
        run = next(iter(self.runs.all()), None)
        gone = number >= self.calendar.forgotten
        return Day(
            number,
            self.calendar.events_on(number),
            delivered,
            exits,
            run,
            []
            if run is None
            else [each.source for each in run.summary.intake if each.accounted_for != each.rows_in],
            reads,
            bad_reads,
            self._traces() if gone else None,
            _megabytes(self.world.folder),
            {part: size / 2**20 for part, size in disk_use(existing_home(self.home)).items()},
            seconds,
        )

    def _traces(self) -> list[str]:
        """Search in a process of its own: here, closing the database's file would drop the reader's locks on it."""
        command = [sys.executable, "-m", "benchmarks.month_traces", self.world.forgotten, str(self.home)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  (our own command)
        return found.stdout.splitlines()

    def _night(self, number: int) -> list[int]:
        """Run `recs run` until it ends by itself; return the exit code of each process."""
        arguments = (
            "run",
            "--dataset",
            str(self.world.folder),
            "--home",
            str(self.home),
            "--models",
            self.models,
        )
        shift = _A_YEAR_AGO if number == self.calendar.clock_back else ""
        exits: list[int] = []
        is_killed = number > 1 and self.rng.random() < self.share_killed
        while is_killed and len(exits) < _MAX_TRIES:
            moment = self.rng.uniform(1, self._usual_seconds)
            exits.append(self._recs(*arguments, shift=shift, kill_after=moment))
            is_killed = exits[-1] == -signal.SIGKILL and self.rng.random() < self.share_killed
        if not exits or exits[-1] == -signal.SIGKILL:
            begun = time.perf_counter()
            exits.append(self._recs(*arguments, shift=shift))
            self._usual_seconds = time.perf_counter() - begun
        return exits

    def _recs(self, *arguments: str, shift: str = "", kill_after: float | None = None) -> int:
        """Run a command in a process group of its own; return its exit code."""
        with (self.home.parent / "recs.log").open("a", encoding="utf-8") as log:
            log.write(f"--- recs {' '.join(arguments)}\n")
            log.flush()
            process = subprocess.Popen(  # noqa: S603  (our own command)
                [sys.executable, "-c", shift + _RECS, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(kill_after)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return process.wait()


def _megabytes(folder: Path) -> float:
    """Return the size of all files below a folder, in MB."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 2**20


def table_of(days: list[Day]) -> Table:
    """Return the table of the month."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("day", "what happened", "exit codes", "run", "clean"):
        table.add_column(column)
    for column in ("rows", "gone", "reads", "bad", "traces", "home MB", "rest MB", "s"):
        table.add_column(column, justify="right")
    for day in days:
        run = day.run
        intake = () if run is None else run.summary.intake
        table.add_row(
            str(day.number),
            ", ".join(day.events),
            " ".join(map(str, day.exits)),
            "" if run is None else f"{run.run_id} {run.status}",
            f"{sum(each.clean for each in intake):,}",
            f"{day.delivered:,}",
            f"{sum(each.rows_in - each.clean for each in intake):,}",
            str(day.reads),
            str(len(day.bad_reads)),
            "" if day.traces is None else str(len(day.traces)),
            f"{day.home_mb:.1f}",
            f"{day.rest_mb:.1f}",
            f"{day.seconds:.0f}",
        )
    return table


def growth(sizes: Sequence[float]) -> float:
    """Return by how much a size grew over the last third of the month, as a share; 0 for a short month."""
    last = sizes[-max(len(sizes) // 3, 1) :]
    return last[-1] / last[0] - 1


def main() -> None:
    """Read the command line, run the month, print the table and what must not be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=at_least(1), default=30)
    parser.add_argument("--users", type=at_least(100), default=2000)
    parser.add_argument("--items", type=at_least(100), default=3000)
    parser.add_argument("--ratings", type=at_least(5000), default=200_000)
    parser.add_argument("--models", default="popularity,item_knn,als", metavar="NAMES")
    parser.add_argument("--kills", type=float, default=0.35, help="share of the nights that are killed")
    parser.add_argument("--seed", type=at_least(0), default=3, help="of the kills")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="a new folder to keep input, home and log in"
    )
    asked = parser.parse_args()
    with ExitStack() as stack:
        if asked.keep:
            asked.keep.mkdir(parents=True)
        folder = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightly-recs-")))
        world = make_world(
            folder / "input",
            folder / "generated",
            n_days=asked.days,
            users=asked.users,
            items=asked.items,
            ratings=asked.ratings,
        )
        shutil.rmtree(folder / "generated")
        month = Month(
            world, Calendar(), folder / "home", asked.models, share_killed=asked.kills, seed=asked.seed
        )
        reader = stack.enter_context(Reader(folder / "home" / "recommendations.db"))
        days = []
        for number in range(1, asked.days + 1):
            days.append(month.day(number, reader))
            parts = ", ".join(f"{part} {size:.1f}" for part, size in days[-1].parts.items())
            print(f"day {number}: {days[-1].faults or 'good'}; MB: {parts}", file=sys.stderr, flush=True)
    Console(width=150).print(table_of(days))
    faults = [f"day {day.number}: {fault}" for day in days for fault in day.faults]
    for fault in faults:
        print(fault)
    print(
        f"nights={len(days)} kills={sum(code < 0 for day in days for code in day.exits)} "
        f"reads={sum(day.reads for day in days)} bad_reads={sum(len(day.bad_reads) for day in days)} "
        f"faults={len(faults)} home_mb={days[-1].home_mb:.1f} rest_mb={days[-1].rest_mb:.1f} "
        f"growth_of_last_third={growth([day.home_mb for day in days]):.3f} "
        f"growth_of_rest={growth([day.rest_mb for day in days]):.3f} "
        f"total_s={sum(day.seconds for day in days):.0f}"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    refuse_bad_input(main)
