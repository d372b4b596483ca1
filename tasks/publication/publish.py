"""Publication: load a run's lists beside the live ones, verify them, switch all readers at one instant.

It runs without Prefect and may be killed at any instant: readers see the complete old lists or the complete
new ones, and the next publication removes what was left behind. Tests kill it at the points told to `at`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.exc import SQLAlchemyError

from tasks.artifacts import CleanData, Lists
from tasks.errors import CheckFailedError, NightError, UsageError, as_night_error
from tasks.publication.checksum import Digest
from tasks.publication.targets.base import At, PublishedRun, Target, pass_by
from tasks.publication.targets.ownership import no_lists
from tasks.publication.targets.schema import KINDS, IdTypes, Kind
from tasks.storage.run_records import Run, Status
from tasks.storage.stage import stage

log = logging.getLogger(__name__)

BLOCK_ROWS = 50_000  # about 10 MB as Python values, 5 MB in the log


@dataclass(frozen=True)
class Published:
    """What became of a publication. `rows` are those of `recommendations`; `why` is one sentence."""

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
    at: At = pass_by,
) -> Published:
    """Load and show the lists of `run`; publishing the same run again changes nothing.

    Args:
        target: a claimed target.
        run: the run's id.
        lists: what to publish.
        expected_live: the run that was live when the night began. If another is live by now, or `run` was
            rolled back by hand, nothing is switched unless `force`.
        keep_runs: complete runs to keep for a rollback, the live one included.
        force: switch regardless.
        at: called at `swept`, `items`, `block` (after each), `loaded`, `keyed` and `attached` (on PostgreSQL),
            `sealed`, `before_switch`, `in_switch`, `switched`, `retained`.

    Raises:
        LockedError: another night is publishing there.
        NightError: the database refused, or does not hold what the lists say. The live lists are untouched:
            once it has switched it raises none.
    """
    with target.publishing():
        return _publish(target, run, lists, expected_live, keep_runs=keep_runs, force=force, at=at)


def _publish(
    target: Target,
    run: int,
    lists: Lists,
    expected_live: int | None,
    *,
    keep_runs: int,
    force: bool,
    at: At,
) -> Published:
    started = time.monotonic()

    def outcome(switched: bool, why: str) -> Published:
        return Published(lists.n_rows if switched else 0, time.monotonic() - started, switched, why)

    live = target.live_run()
    obstacle = None if force or live == run else _obstacle(target, run, live, expected_live)
    target.sweep(resuming=None if obstacle else run)
    at("swept")
    if obstacle:
        return outcome(False, obstacle)
    if live != run:
        _load(target, run, lists, at)
        at("before_switch")
        if not target.switch(run, expected_live=expected_live, force=force, at=at):
            target.drop_run(run)
            return outcome(False, _moved(target.live_run(), expected_live))
        at("switched")
    _retain(target, keep_runs)
    at("retained")
    return outcome(True, f"Run {run} is live.")


class Verdict(NamedTuple):
    """How a night ends, and why in one sentence."""

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
    newer: Run | None,
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
        newer: the live run, if its data reach further than tonight's.
        keep_runs: complete runs to keep for a rollback, the live one included.
        force: publish even if `newer` is given or another run went live during the night.
    """
    target.claim(IdTypes(data.user_id_type, data.item_id_type))
    if failure is not None:
        return Verdict("check_failed", f"{failure} {failure.hint}".strip())
    if newer is not None and not force:
        return Verdict(
            "not_switched",
            f"The live run {newer.run_id} is of newer data, until {newer.data_until} and not {record.data_until}; "
            "its lists stay. --force switches all the same.",
        )
    published = publish(
        target, record.run_id, lists, expected_live=record.expected_live, keep_runs=keep_runs, force=force
    )
    record.switched, record.rows = published.switched, published.rows
    return Verdict("published" if published.switched else "not_switched", published.why)


def first_user(lists: Lists) -> int | str:
    """The user whose list comes first: somebody to try a query with."""
    first = next(_blocks(lists.folder / "recommendations.parquet"))
    user: int | str = first["user_id"][0].as_py()
    return user


def rollback(target: Target, run: int | None = None) -> int:
    """Show an earlier run again, by default the newest kept one before the live run; returns its id.

    The run that is left stays held back: no night switches it on again unless forced. Going forward
    again, to a newer run by its id, holds nothing back.

    Raises:
        UsageError: there is no such run to show.
        NightError: the live run changed meanwhile.
    """
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    to = _destination(target, live, run)
    if not target.switch(to, expected_live=live, hold_back=live if to < live else None):
        raise NightError("Somebody switched or removed runs at the same moment.", "Look at: recs runs")
    return to


def drop_all_but(target: Target, keep_runs: int) -> None:
    """Drop complete runs but the live one and the newest others, `keep_runs` together; those rolled back go first."""
    live, held = target.live_run(), target.held_back()

    def worth(run: PublishedRun) -> tuple[bool, bool, int]:
        return (run.run_id == live, run.run_id not in held, run.run_id)

    for run in sorted(target.published_runs(), key=worth, reverse=True)[keep_runs:]:
        target.drop_run(run.run_id)


def _obstacle(target: Target, run: int, live: int | None, expected_live: int | None) -> str | None:
    if run in target.held_back():
        return f"Run {run} was rolled back by hand; --force switches it on again."
    return _moved(live, expected_live) if live != expected_live else None


def _moved(live: int | None, expected_live: int | None) -> str:
    return (
        f"Run {live} went live while this night ran, in the place of {expected_live or 'none'}; its lists stay. "
        "--force switches."
    )


def _load(target: Target, run: int, lists: Lists, at: At) -> None:
    """Bring a run into the database up to its seal, unless a night that was killed later had done so."""
    target.upsert_items(_blocks(lists.folder / "items.parquet"))
    at("items")
    loaded = {known.run_id: known.lists_key for known in target.published_runs()}
    if run in loaded:
        if loaded[run] != lists.key:
            raise NightError(f"Run {run} was published with other lists before.", "Run again with --force.")
        return
    target.begin_load(run)
    digest = Digest()
    for kind in KINDS:
        target.load(run, kind, _digested(_blocks(lists.folder / f"{kind}.parquet"), kind, digest), at)
    at("loaded")
    _verify(target, run, lists)
    target.seal(run, lists_key=lists.key, rows=lists.n_rows, digest=digest.hexdigest(), at=at)
    at("sealed")


def _digested(blocks: Iterator[pa.RecordBatch], kind: Kind, digest: Digest) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        digest.add(kind, block)
        yield block


def _verify(target: Target, run: int, lists: Lists) -> None:
    expected = dict(zip(KINDS, (lists.n_rows, lists.n_similar, lists.n_fallback), strict=True))
    for kind, rows in expected.items():
        found = target.count(run, kind)
        if found != rows:
            raise NightError(
                f"{target.place} holds {found:,} rows of {kind} for run {run}, but {rows:,} were made.",
                "Nothing was switched. Run again; if it stays, the artifacts of the home are damaged.",
            )


def _retain(target: Target, keep_runs: int) -> None:
    """Keep the live run and the newest others; those rolled back go first.

    The lists are live by now, whatever happens here: what cannot be dropped tonight is left to the next night.
    """
    try:
        drop_all_but(target, keep_runs)
    except (NightError, SQLAlchemyError) as error:
        told = as_night_error(error)
        log.warning("The lists are live, but older ones could not be removed: %s %s", told, told.hint)


def _destination(target: Target, live: int, run: int | None) -> int:
    kept = [known.run_id for known in target.published_runs() if known.switched and known.run_id != live]
    if run is None:
        held = target.held_back()
        older = [known for known in kept if known < live and known not in held]
        if not older:
            raise UsageError(
                f"No run older than the live one ({live}) is kept.", "See what there is: recs runs"
            )
        return older[0]
    if run == live:
        raise UsageError(f"Run {run} is live already.", "See what there is: recs runs")
    if run not in kept:
        names = ", ".join(map(str, kept)) or "none"
        raise UsageError(f"Run {run} is not kept in {target.place}.", f"Kept beside the live one: {names}")
    return run


def _blocks(path: Path) -> Iterator[pa.RecordBatch]:
    """Record batches of a Parquet file, never more than one in memory."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=BLOCK_ROWS)
