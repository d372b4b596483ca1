"""Choose each user's cutoff: interactions before it train the judged models, later ones evaluate them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow.parquet as pq

from tasks.artifacts import Source, Split
from tasks.config.settings import SplitSettings, UtilitySettings
from tasks.errors import UsageError
from tasks.preparation.time_windows import liking, open_windows, order_by_chance, order_by_time
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file

_WIDEST = 0.3
"""Greatest share of all interactions that `auto` holds out: more would leave too little to learn from."""


@dataclass(frozen=True)
class _Cut:
    """A way to choose the temporary table `cutoffs`, and how many of the `users` it makes `judgeable`.

    `holds_out` says whether any interaction lies after its user's cutoff.
    """

    kind: Literal["temporal", "leave_last", "random"]
    cutoff: datetime | None
    judgeable: int
    users: int
    why: str
    holds_out: bool


@stage("split", note=lambda made: made.why)
def make_split(
    con: duckdb.DuckDBPyConnection,
    settings: SplitSettings,
    utility: UtilitySettings,
    *,
    as_of: datetime,
    seed: int = 0,
    without_times: tuple[Source, ...] = (),
    key: str,
    folder: Path,
) -> Split:
    """Choose cutoffs by `settings.method` and write `cutoffs.parquet` into the existing `folder`.

    `cutoffs.parquet` has one row per user with any interaction before `as_of`. Data that cannot be split (one user
    with one rating, everything at one moment) give a valid split that holds nothing out, and `why` says so.

    Args:
        con: the warehouse, with clean tables.
        settings: the method and its shares.
        utility: which interactions are positive; `auto` counts the users with later positives.
        as_of: the end of the data, UTC, exclusive.
        seed: of the order in which `random` holds out; `auto` is `random` if a source has no times, or if no user has
            two different ones.
        without_times: the sources that have no times.
        key: the cache key of the result.
        folder: an existing folder.

    Returns:
        The reference to the file, with the method that was used and why.

    Raises:
        UsageError: the settings ask for times, and there are none or they do not count.
    """
    is_random = settings.method == "random" or (settings.method == "auto" and bool(without_times))
    _refuse_times_that_are_not_there(settings, utility, without_times, is_random=is_random)
    order_by_time(con)
    if is_random:
        cut = _cut_random(con, settings, utility, as_of, seed, without_times)
    elif settings.method == "temporal":
        cut = _cut_temporal(con, settings, utility, as_of)
    elif settings.method == "leave_last":
        cut = _cut_last(con, settings, utility, as_of)
    else:
        cut = _cut_auto(con, settings, utility, as_of, seed)
    _write_cutoffs(con, folder)
    drawn_by = seed if cut.kind == "random" else None
    return Split(key, folder, cut.kind, f"{cut.kind}: {cut.why}", as_of, cut.cutoff, drawn_by)


@stage("everything", note=lambda made: f"all before {made.as_of}")
def everything(con: duckdb.DuckDBPyConnection, *, as_of: datetime, key: str, folder: Path) -> Split:
    """Write the split of the refit: every cutoff is `as_of`, nothing is held out.

    Args:
        con: the warehouse.
        as_of: end of the data, exclusive, UTC.
        key: of the artifact.
        folder: where to write, existing.
    """
    order_by_time(con)
    run_file(con, "warehouse/split/common_cutoff.sql", as_of=as_of, cutoff=as_of)
    _write_cutoffs(con, folder)
    return Split(key, folder, "everything", "everything before as_of", as_of, as_of)


def _refuse_times_that_are_not_there(
    settings: SplitSettings, utility: UtilitySettings, without_times: tuple[Source, ...], *, is_random: bool
) -> None:
    if without_times and not is_random:
        raise UsageError(
            f"split.method is {settings.method}, but the {without_times[0]} have no times "
            f'(data.{without_times[0]}.timestamp = "").',
            "Set split.method to auto or random.",
        )
    aging = [name for name, signal in utility.signals.items() if signal.half_life_days]
    if is_random and aging:
        reason = f"the {without_times[0]} have no times" if without_times else "split.method is random"
        raise UsageError(
            f"utility.signals.{aging[0]} has a half-life, but {reason}: an interaction has no age.",
            f"Set utility.signals.{aging[0]}.half_life_days to 0.",
        )


def _cut_random(
    con: duckdb.DuckDBPyConnection,
    settings: SplitSettings,
    utility: UtilitySettings,
    as_of: datetime,
    seed: int,
    without_times: tuple[Source, ...] = (),
) -> _Cut:
    """Draw an order of the interactions, and hold out the last of each user's."""
    order_by_chance(con, seed, as_of)
    share, n = settings.leave_last_share, settings.leave_last_n
    run_file(con, "warehouse/split/leave_last_cutoffs.sql", as_of=as_of, share=share, n=n)
    users, _, with_future, judgeable = _count_users(con, utility, as_of)
    drawn = f"{n:,}" if n else f"{share:.0%}"
    why = f"{judgeable:,} of {users:,} users have positives among {drawn} of their interactions, drawn at random"
    if not with_future:
        why = "nothing is held out, because no user has two interactions"
    if without_times:
        why += f"; the {' and '.join(without_times)} have no times"
    return _Cut("random", None, judgeable, users, why, with_future > 0)


def _cut_auto(
    con: duckdb.DuckDBPyConnection,
    settings: SplitSettings,
    utility: UtilitySettings,
    as_of: datetime,
    seed: int,
) -> _Cut:
    """Cut at one moment for all if that can judge enough users, at an earlier one if need be; else leave_last.

    Times that cannot tell a user's interactions apart, such as the moment of an import, are as good as none: then
    interactions are held out at random, unless a half-life needs the times.
    """
    needed = f"auto asks for {settings.min_users:,} users or {settings.min_user_share:.0%} of all"
    tried: list[_Cut] = []
    for share in _temporal_shares(settings):
        temporal = _cut_temporal(con, settings.model_copy(update={"temporal_share": share}), utility, as_of)
        if temporal.judgeable >= max(min(settings.min_users, settings.min_user_share * temporal.users), 1):
            wider = f", with the newest {share:.0%} held out" if tried else ""
            return replace(temporal, why=f"{temporal.why}{wider} ({needed})")
        tried.append(temporal)
    best = max(tried, key=lambda cut: cut.judgeable)
    last = _cut_last(con, settings, utility, as_of)
    if not last.holds_out:
        return _without_differing_times(con, settings, utility, as_of, seed, last)
    return replace(last, why=f"{last.why}; not temporal, because {best.why} ({needed})")


def _without_differing_times(
    con: duckdb.DuckDBPyConnection,
    settings: SplitSettings,
    utility: UtilitySettings,
    as_of: datetime,
    seed: int,
    last: _Cut,
) -> _Cut:
    """Hold out at random where `last`, the cut by leave_last, holds nothing out."""
    aging = [name for name, signal in utility.signals.items() if signal.half_life_days]
    if aging:
        return replace(
            last,
            why=f"{last.why}; without utility.signals.{aging[0]}.half_life_days, some would be at random",
        )
    drawn = _cut_random(con, settings, utility, as_of, seed)
    if not drawn.holds_out:
        order_by_time(con)
        return _cut_last(con, settings, utility, as_of)
    return replace(drawn, why=f"{drawn.why}; no user has interactions at two different times")


def _temporal_shares(settings: SplitSettings) -> tuple[float, ...]:
    """Return the shares of all interactions that `auto` tries to hold out, the first one preferred."""
    share = settings.temporal_share
    wider = () if settings.cutoff else (2 * share, 3 * share)
    return (share, *(each for each in wider if each <= _WIDEST + 1e-9))


def _cut_temporal(
    con: duckdb.DuckDBPyConnection, settings: SplitSettings, utility: UtilitySettings, as_of: datetime
) -> _Cut:
    if settings.cutoff:
        cutoff = _naive_utc(settings.cutoff)
    else:
        run_file(con, "warehouse/split/temporal_cutoff.sql", as_of=as_of, share=settings.temporal_share)
        [(newest_share,)] = con.fetchall()
        cutoff = newest_share or as_of
    run_file(con, "warehouse/split/common_cutoff.sql", as_of=as_of, cutoff=cutoff)
    users, with_history, with_future, judgeable = _count_users(con, utility, as_of)
    if with_history and with_future:
        why = f"{judgeable:,} of {users:,} users have history before {cutoff} and positives from then on"
        return _Cut("temporal", cutoff, judgeable, users, why, True)
    run_file(con, "warehouse/split/common_cutoff.sql", as_of=as_of, cutoff=as_of)
    reason = f"{settings.cutoff} leaves one side empty" if settings.cutoff else "everything has one timestamp"
    return _Cut("temporal", as_of, 0, users, f"nothing is held out, because {reason}", False)


def _cut_last(
    con: duckdb.DuckDBPyConnection, settings: SplitSettings, utility: UtilitySettings, as_of: datetime
) -> _Cut:
    share, n = settings.leave_last_share, settings.leave_last_n
    run_file(con, "warehouse/split/leave_last_cutoffs.sql", as_of=as_of, share=share, n=n)
    users, _, with_future, judgeable = _count_users(con, utility, as_of)
    if with_future:
        newest = f"{n:,}" if n else f"{share:.0%}"
        why = (
            f"{judgeable:,} of {users:,} users have positives among the newest {newest} of their interactions; "
            "models know what others did later, which flatters them"
        )
    else:
        why = "nothing is held out, because no user has interactions at two different times"
    return _Cut("leave_last", None, judgeable, users, why, with_future > 0)


def _count_users(
    con: duckdb.DuckDBPyConnection, utility: UtilitySettings, as_of: datetime
) -> tuple[int, int, int, int]:
    """Count users, those with interactions before their cutoff, those with later ones, and the judgeable ones."""
    open_windows(con, "after", as_of)
    run_file(con, "warehouse/split/judgeable_users.sql", as_of=as_of, **liking(utility))
    [(users, with_history, with_future, judgeable)] = con.fetchall()
    return users, with_history, with_future, judgeable


def _naive_utc(text: str) -> datetime:
    """Return a date of the settings in the warehouse's format: UTC without a zone."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _write_cutoffs(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    cutoffs = con.sql("from cutoffs order by user_id").to_arrow_table()
    pq.write_table(cutoffs, folder / "cutoffs.parquet")
