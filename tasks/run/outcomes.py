"""Judge the lists of earlier runs by tonight's data. Without its figures a night goes on."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict

from tasks.artifacts import Lists
from tasks.errors import in_words
from tasks.outcomes.live_windows import PublishedLists, lists_to_judge
from tasks.outcomes.outcomes import FILE, Outcomes, judge_outcomes, outcome_in_words, read_outcomes
from tasks.outcomes.trial_users import keep_trial_users
from tasks.reporting.run_artifacts import find_lists
from tasks.run.context import Night

log = logging.getLogger(__name__)


def judge_earlier_lists(night: Night) -> None:
    """Judge the lists of all kept runs, and keep the figures in the run folder and in the serving database.

    If this fails, only its figures are missing: the night says so and goes on.
    """
    try:
        published = published_lists(night)
        if not published:
            return
        settings = night.settings
        call = judge_outcomes.call(
            published, night.as_of, settings.utility, settings.judge, seed=settings.run.seed
        )
        keep_outcomes(night, night.run(call))
    except Exception as error:
        night.failed_stage = ""
        why = in_words(error)
        night.note(outcome=f"Earlier lists could not be judged: {why}")
        log.warning("The stage outcomes failed, and the night goes on without its figures: %s", why)
        log.debug("It happened here:", exc_info=True)


def published_lists(night: Night) -> tuple[PublishedLists, ...]:
    """Return the kept runs that went live before tonight, as far as their lists are still in the artifact store."""
    lists: dict[int, Lists] = {}
    gone = []
    for run in night.target.published_runs():
        if not run.switched or run.run_id == night.record.run_id:  # resumed after its own switch
            continue
        record = night.runs.find(
            run.run_id
        )  # it names the lists that `recs forget` rewrote under another key
        found = None if record is None else find_lists(night.store, record)
        if found is None:
            gone.append(run.run_id)
        else:
            lists[run.run_id] = found
    if gone:
        log.warning(
            "The lists of run %s cannot be judged by what users did next: they are not in %s any more.",
            ", ".join(map(str, gone)), night.home.artifacts,
        )  # fmt: skip
    return lists_to_judge(night.runs.all(), lists, night.target.held_back(), night.as_of)


def keep_outcomes(night: Night, outcomes: Outcomes) -> None:
    """Copy the figures into the run folder and the serving database, and those of users into their runs' folders."""
    folder = night.runs.folder(night.record.run_id)
    shutil.copyfile(outcomes.folder / FILE, folder / FILE)
    rows = read_outcomes(folder)
    for run_id in outcomes.runs:
        keep_trial_users(outcomes.folder, run_id, night.runs.folder(run_id))
    night.note(outcome=outcome_in_words(rows, night.record.expected_live))
    if night.target.has_schema:
        night.target.record_outcomes(night.record.run_id, [asdict(row) for row in rows])
