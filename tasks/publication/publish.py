"""Publication: load a run's lists beside the live ones, verify them, switch all readers at one instant.

It runs without Prefect and may be killed at any instant: readers see the complete old lists or the complete new ones,
and the next publication removes what was left behind. Tests kill it at the steps that `on_step` is called with.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.exc import SQLAlchemyError

from tasks.artifacts import CleanData, Lists
from tasks.errors import CheckFailedError, NightError, as_night_error
from tasks.publication.checksum import Digest
from tasks.publication.errors import LiveRunChangedError, RunNotFoundError, no_lists
from tasks.publication.targets.base import OnStep, PublishedRun, Target, ignore_steps
from tasks.publication.targets.schema import KINDS, IdTypes, Kind
from tasks.recommendation.trial_arms import VARIANT
from tasks.storage.run_records import Run, Status
from tasks.storage.stage import stage

log = logging.getLogger(__name__)

BLOCK_ROWS = 50_000  # about 10 MB as Python values, 5 MB in SQLite's write-ahead log


@dataclass(frozen=True)
class Published:
    """Outcome of a publication.

    Attributes:
        rows: rows of `recommendations` that are live; 0 if it did not switch.
        seconds: its duration.
        switched: True if the run is live.
        why: one sentence that says why it is live or not.
    """

    rows: int
    seconds: float
    switched: bool
    why: str


def publish(
    target: Target,
    run: int,
    lists: Lists,
    *,
    expected_live: int | None,
    keep_runs: int,
    force: bool = False,
    on_step: OnStep = ignore_steps,
) -> Published:
    """Load the lists of `run` and make it the live run. Idempotent: a run that is live already stays as it is.

    Args:
        target: a serving database whose schema exists.
        run: the run's id.
        lists: the lists to publish.
        expected_live: the run that was live when the night began. If another run is live by now, or `run` was
            rolled back by hand, nothing is switched unless `force`.
        keep_runs: complete runs to keep for a rollback, the live one included; 1 or more.
        force: switch regardless.
        on_step: called with `leftovers_removed`, `items`, `block` (after each), `loaded`, `keyed` and `attached` (on
            PostgreSQL), `complete`, `before_switch`, `in_switch`, `switched`, `old_runs_dropped`.

    Returns:
        Whether the run is live, and why.

    Raises:
        LockedError: another night is publishing there.
        NightError: the database refused, or its row counts differ from those of the lists. The live lists are
            untouched: after the switch, errors are logged instead of raised.
    """
    with target.publication_lock():
        return _publish(target, run, lists, expected_live, keep_runs=keep_runs, force=force, on_step=on_step)


def _publish(
    target: Target,
    run: int,
    lists: Lists,
    expected_live: int | None,
    *,
    keep_runs: int,
    force: bool,
    on_step: OnStep,
) -> Published:
    started = time.monotonic()

    def outcome(switched: bool, why: str) -> Published:
        return Published(lists.n_rows if switched else 0, time.monotonic() - started, switched, why)

    live = target.live_run()
    reason_not_to = None if force or live == run else _reason_not_to_switch(target, run, live, expected_live)
    target.remove_leftovers(resuming=None if reason_not_to else run)
    on_step("leftovers_removed")
    if reason_not_to:
        return outcome(False, reason_not_to)
    if live != run:
        _load(target, run, lists, on_step)
        on_step("before_switch")
        if not target.switch_active_run(run, expected_live=expected_live, force=force, on_step=on_step):
            target.drop_run(run)
            return outcome(False, _live_run_changed(target.live_run(), expected_live))
        on_step("switched")
    _try_to_drop_old_runs(target, keep_runs)
    on_step("old_runs_dropped")
    return outcome(True, f"Run {run} is live.")


class Verdict(NamedTuple):
    """The status that a night ends with, and the reason in one sentence."""

    status: Status
    reason: str


@stage("publish", stored=False, retried=True, note=lambda verdict: verdict.reason)
def publish_or_hold_back(
    target: Target,
    lists: Lists,
    data: CleanData,
    record: Run,
    *,
    failure: CheckFailedError | None,
    newer: Callable[[], Run | None],
    keep_runs: int,
    force: bool,
) -> Verdict:
    """Publish the lists of a night, unless a check has failed or the live lists are of newer data.

    Args:
        target: the serving database.
        lists: what to publish.
        data: the clean tables, which fix the types of ids.
        record: the run record; `switched` and `rows` are set at once after the switch.
        failure: the check that failed, if any.
        newer: returns the live run if its data reach further than tonight's, else None.
        keep_runs: complete runs to keep for a rollback, the live one included.
        force: publish even if the live lists are of newer data or another run went live during the night.
    """
    target.ensure_schema(IdTypes(data.user_id_type, data.item_id_type))
    if failure is not None:
        return Verdict("check_failed", f"{failure} {failure.hint}".strip())
    live = newer()
    if live is not None and not force:
        return Verdict(
            "not_switched",
            f"The live run {live.run_id} is of newer data, until {live.data_until} and not {record.data_until}; "
            "its lists stay. --force switches all the same.",
        )
    published = publish(
        target, record.run_id, lists, expected_live=record.expected_live, keep_runs=keep_runs, force=force
    )
    record.switched, record.rows = published.switched, published.rows
    if published.switched:
        record.summary.example_user = first_user(lists)
    return Verdict("published" if published.switched else "not_switched", published.why)


def first_user(lists: Lists) -> int | str:
    """Return the user whose list comes first, as an example for queries."""
    first = next(_blocks(lists.folder / "recommendations.parquet"))
    user: int | str = first["user_id"][0].as_py()
    return user


def rollback(target: Target, run: int | None = None) -> int:
    """Make an earlier run live again, by default the newest kept one before the live run, and return its id.

    The run that was live is held back: no night makes it live again unless forced. Going to a newer run, by its id,
    holds nothing back.

    Raises:
        NoListsError: nothing has been published yet.
        RunNotFoundError: there is no such run to show.
        LiveRunChangedError: another process switched or removed runs meanwhile.
    """
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    to = _rollback_destination(target, live, run)
    if not target.switch_active_run(to, expected_live=live, hold_back=live if to < live else None):
        raise LiveRunChangedError(
            "Another process switched or removed runs at the same moment.", "Look at: recs runs"
        )
    return to


def drop_old_runs(target: Target, keep_runs: int) -> None:
    """Drop complete runs until `keep_runs` are left; the live run stays, then runs not rolled back, then newer ones."""
    live, held = target.live_run(), target.held_back()

    def priority(run: PublishedRun) -> tuple[bool, bool, int]:
        return (run.run_id == live, run.run_id not in held, run.run_id)

    for run in sorted(target.published_runs(), key=priority, reverse=True)[keep_runs:]:
        target.drop_run(run.run_id)


def _reason_not_to_switch(
    target: Target, run: int, live: int | None, expected_live: int | None
) -> str | None:
    """Return why `run` must not become live without force; None if it may."""
    if run in target.held_back():
        return f"Run {run} was rolled back by hand; --force switches it on again."
    return _live_run_changed(live, expected_live) if live != expected_live else None


def _live_run_changed(live: int | None, expected_live: int | None) -> str:
    return (
        f"Run {live} went live while this night ran, in place of {expected_live or 'none'}; its lists stay. "
        "--force switches."
    )


def _load(target: Target, run: int, lists: Lists, on_step: OnStep) -> None:
    """Load a run and mark it complete, unless an earlier night did so and was killed before the switch."""
    target.upsert_items(_blocks(lists.folder / "items.parquet"))
    on_step("items")
    loaded = {known.run_id: known.lists_key for known in target.published_runs()}
    if run in loaded:
        if loaded[run] != lists.key:
            raise NightError(f"Run {run} was published with other lists before.", "Run again with --force.")
        return
    target.begin_load(run)
    digest = Digest()
    for kind in KINDS:
        blocks = _with_variant(_blocks(lists.folder / f"{kind}.parquet"), kind)
        target.load(run, kind, _digested(blocks, kind, digest), on_step)
    on_step("loaded")
    _check_row_counts(target, run, lists)
    target.mark_complete(
        run, lists_key=lists.key, rows=lists.n_rows, digest=digest.hexdigest(), on_step=on_step
    )
    on_step("complete")


def _with_variant(blocks: Iterator[pa.RecordBatch], kind: Kind) -> Iterator[pa.RecordBatch]:
    """Yield the blocks; those of users' lists get a column `variant` of nulls if the run has no trial."""
    for block in blocks:
        if kind == "recommendations" and VARIANT not in block.schema.names:
            yield block.append_column(VARIANT, pa.nulls(block.num_rows, pa.string()))
        else:
            yield block


def _digested(blocks: Iterator[pa.RecordBatch], kind: Kind, digest: Digest) -> Iterator[pa.RecordBatch]:
    """Yield the blocks unchanged and add each to `digest`."""
    for block in blocks:
        digest.add(kind, block)
        yield block


def _check_row_counts(target: Target, run: int, lists: Lists) -> None:
    expected = dict(zip(KINDS, (lists.n_rows, lists.n_similar, lists.n_fallback), strict=True))
    for kind, rows in expected.items():
        found = target.count(run, kind)
        if found != rows:
            raise NightError(
                f"{target.place} holds {found:,} rows of {kind} for run {run}, but {rows:,} were made.",
                "Nothing was switched. Run again; if it stays, the artifacts of the home are damaged.",
            )


def _try_to_drop_old_runs(target: Target, keep_runs: int) -> None:
    """Drop old runs; log errors instead of raising them, because the lists are live. The next night tries again."""
    try:
        drop_old_runs(target, keep_runs)
    except (NightError, SQLAlchemyError) as error:
        readable = as_night_error(error)
        log.warning("The lists are live, but older ones could not be removed: %s %s", readable, readable.hint)


def _rollback_destination(target: Target, live: int, run: int | None) -> int:
    kept = [known.run_id for known in target.published_runs() if known.switched and known.run_id != live]
    if run is None:
        held = target.held_back()
        older = [known for known in kept if known < live and known not in held]
        if not older:
            raise RunNotFoundError(
                f"No run older than the live one ({live}) is kept.", "See what there is: recs runs"
            )
        return older[0]
    if run == live:
        raise RunNotFoundError(f"Run {run} is live already.", "See what there is: recs runs")
    if run not in kept:
        names = ", ".join(map(str, kept)) or "none"
        raise RunNotFoundError(
            f"Run {run} is not kept in {target.place}, which keeps {names} beside the live one.",
            "See what there is: recs runs",
        )
    return run


def _blocks(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the record batches of a Parquet file, one in memory at a time."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=BLOCK_ROWS)
