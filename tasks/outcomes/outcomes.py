"""The stage `outcomes`: judge the lists of every kept run by what users came to like since they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from pydantic import TypeAdapter

from models.base import Progress
from tasks.config.settings import JudgeSettings, UtilitySettings
from tasks.outcomes.judged_lists import Window, judge_lists, read_histories
from tasks.outcomes.live_windows import PublishedLists
from tasks.outcomes.outcome_rows import ALL, OutcomeRow, outcome_rows
from tasks.outcomes.trial_users import trial_file, write_trial_users
from tasks.recommendation.trial_arms import VARIANTS
from tasks.storage.artifact_store import write_json
from tasks.storage.stage import stage

FILE = "outcomes.json"
LIVE, TO_DATE = "live", "to_date"
"""Periods: while a run's lists were the newest ones, and all the time since they were made."""


@dataclass(frozen=True, kw_only=True)
class RunOutcome(OutcomeRow):
    """One figure of one run: a row of `run_outcomes`, without scored_by.

    Attributes:
        run_id: the run that made the lists.
        period: `live` or `to_date`.
        since, until: the period, UTC.
    """

    run_id: int
    period: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of the kept runs. Folder: `outcomes.json`, rows of `run_outcomes`.

    Also `trial-<run_id>.parquet` for each run with a trial, the outcome of each user (`tasks/outcomes/trial_users.py`).

    `runs`: the runs that were judged. `n_rows`: the number of rows.
    """

    key: str
    folder: Path
    runs: tuple[int, ...]
    n_rows: int


_ROWS = TypeAdapter(tuple[RunOutcome, ...])


@stage("outcomes", note=lambda made: f"{len(made.runs)} run{'' if len(made.runs) == 1 else 's'} judged")
def judge_outcomes(
    con: duckdb.DuckDBPyConnection,
    published: Sequence[PublishedLists],
    until: datetime,
    utility: UtilitySettings,
    judge: JudgeSettings,
    *,
    seed: int,
    progress: Progress | None = None,
    key: str,
    folder: Path,
) -> Outcomes:
    """Judge the lists of some runs, each by both periods.

    Args:
        con: the warehouse, with clean tables.
        published: the runs, each with an `as_of` before `until`.
        until: the end of the data, UTC, exclusive.
        utility: which interactions are positive.
        judge: list lengths, and how the bootstrap is drawn.
        seed: of the bootstrap.
        progress: told the number of runs done, and of all.
        key: of the reference that is returned.
        folder: where to write, existing.
    """
    rows: list[RunOutcome] = []
    if published:
        read_histories(con, until)
    for number, run in enumerate(published, 1):
        rows += _outcomes_of(con, run, until, utility, judge, seed, folder)
        if progress is not None:
            progress(number, len(published))
    write_json(folder / FILE, _ROWS.dump_python(tuple(rows), mode="json"))
    return Outcomes(key, folder, tuple(run.run_id for run in published), len(rows))


def _outcomes_of(
    con: duckdb.DuckDBPyConnection,
    run: PublishedLists,
    until: datetime,
    utility: UtilitySettings,
    judge: JudgeSettings,
    seed: int,
    folder: Path,
) -> list[RunOutcome]:
    """Rows of one run; the period to date is judged once more only where it is not the run's own."""
    ends = {LIVE: run.live_window_end(until), TO_DATE: until}
    found: dict[datetime, tuple[OutcomeRow, ...]] = {}
    rows: list[RunOutcome] = []
    for period, end in ends.items():
        if end is None:
            continue
        window = Window(run.since, end)
        if end not in found:
            judged = judge_lists(con, run.lists.folder, window, utility)
            found[end] = outcome_rows(judged, judge, seed=seed)
            if period == LIVE and VARIANTS[1] in judged.n_listed:
                write_trial_users(folder / trial_file(run.run_id), run, judged, judge.k)
        rows += [
            RunOutcome(run_id=run.run_id, period=period, since=window.since, until=end, **asdict(row))
            for row in found[end]
        ]
    return rows


def read_outcomes(folder: Path) -> tuple[RunOutcome, ...]:
    """Read the rows in a folder; none if there is no file, as in the folder of a night of an older version."""
    try:
        return _ROWS.validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return ()


def outcome_in_words(rows: Sequence[RunOutcome], run_id: int | None) -> str:
    """Return one sentence on the lists of one run; empty if they were not judged.

    Args:
        rows: of all judged runs.
        run_id: the run whose lists were live, or else the newest judged one.
    """
    judged = {row.run_id for row in rows}
    if not judged:
        return ""
    run = run_id if run_id in judged else max(judged)
    mine = [row for row in rows if row.run_id == run and row.variant is None]
    period = LIVE if any(row.period == LIVE for row in mine) else TO_DATE
    k = min((row.k for row in mine if row.k is not None), default=None)
    hit_rate = next(
        (
            row
            for row in mine
            if (row.period, row.model, row.segment, row.metric, row.k) == (period, ALL, ALL, "hit_rate", k)
        ),
        None,
    )
    since = f"{mine[0].since:%Y-%m-%d %H:%M}"
    if hit_rate is None:
        return f"Lists of run {run}: since {since} none of their users came to like anything new."
    users = "the one user" if hit_rate.n_users == 1 else f"the {hit_rate.n_users:,} users"
    return (
        f"Lists of run {run}: of {users} who came to like something new since {since}, {hit_rate.value:.0%} "
        f"[{hit_rate.ci_low:.0%}, {hit_rate.ci_high:.0%}] took it from the first {k} rows."
    )
