"""Find the newest outcomes of a home's runs, and say why a run has none."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from tasks.errors import UsageError
from tasks.outcomes.outcomes import LIVE, TO_DATE, RunOutcome, read_outcomes
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs


@dataclass(frozen=True)
class FoundOutcomes:
    """The outcomes of earlier runs' lists as one night knew them.

    Attributes:
        scored_by: the night.
        runs: the records of the judged runs, oldest first.
        rows: the figures of these runs.
    """

    scored_by: Run
    runs: tuple[Run, ...]
    rows: tuple[RunOutcome, ...]

    def figure(
        self, run_id: int, metric: str, k: int | None, *, period: str = LIVE, **where: str | None
    ) -> RunOutcome | None:
        """Return one figure; None if there is none.

        Args:
            run_id: the judged run.
            metric: such as `ndcg`.
            k: the list length; None for shares of whole lists.
            period: `live` or `to_date`.
            where: `variant` (by default None, all users), `model` and `segment` (by default `all`).
        """
        wanted = {"variant": None, "model": "all", "segment": "all"} | where
        key = (run_id, metric, k, period, *wanted.values())
        return next(
            (
                row
                for row in self.rows
                if (row.run_id, row.metric, row.k, row.period, row.variant, row.model, row.segment) == key
            ),
            None,
        )

    def period_of(self, run_id: int) -> str:
        """Return the run's own period where it has one, else all time since its lists were made."""
        return LIVE if any(row.run_id == run_id and row.period == LIVE for row in self.rows) else TO_DATE


def find_outcomes(home: Home, run_id: int | None = None) -> FoundOutcomes:
    """Return the outcomes that the newest night with any has written: of all kept runs, or of one.

    Args:
        home: the home.
        run_id: one run; None for all that the newest night has judged.

    Raises:
        UsageError: nothing has been judged, or not this run; the message says why.
    """
    runs = Runs(home.runs)
    recorded = {run.run_id: run for run in runs.all()}
    if run_id is not None and run_id not in recorded:
        raise UsageError(
            f"There is no run {run_id} in {home.path}.",
            f"recs runs --home {shlex.quote(str(home.path))} lists the runs.",
        )
    for night in recorded.values():
        rows = tuple(
            row for row in read_outcomes(runs.folder(night.run_id)) if run_id is None or row.run_id == run_id
        )
        if rows:
            judged = sorted({row.run_id for row in rows} & recorded.keys())
            return FoundOutcomes(night, tuple(recorded[each] for each in judged), rows)
    raise _nothing_judged(home, None if run_id is None else recorded[run_id])


def _nothing_judged(home: Home, run: Run | None) -> UsageError:
    """Return the error for a run, or a home, without outcomes."""
    if run is None:
        return UsageError(
            f"No lists of {home.path} have been judged by what users did next.",
            "Every night judges the lists of earlier ones: run a night on newer data.",
        )
    if not run.switched:
        return UsageError(
            f"The lists of run {run.run_id} were not published ({run.status.replace('_', ' ')}), so that users did "
            "nothing with them.",
            "recs outcomes shows the runs that were judged.",
        )
    return UsageError(
        f"The lists of run {run.run_id} have not been judged: no night has run on data from after {run.as_of} while "
        "they were kept (publish.keep_runs).",
        "recs outcomes shows the runs that were judged.",
    )
