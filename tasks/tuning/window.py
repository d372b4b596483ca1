"""The earlier window that settings are tuned on: a split of the data that the night's judged models are trained on.

Interactions at or after the night's cutoffs are hidden before anything is computed, and of the users that the window
holds out only the select half is kept. So no held-out interaction of the night can influence tuned settings.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray
from models.interactions import Interactions, load_matrix
from tasks.artifacts import FittedModel, HeldOut, Snapshot, Source, Split
from tasks.config.settings import Settings, SplitSettings
from tasks.datasets.prepare import prepare
from tasks.errors import UsageError
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.monitoring.events import Watcher, watched
from tasks.preparation.holdout import hold_out
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import make_split
from tasks.preparation.time_windows import order_of
from tasks.storage.home import Home, locked
from tasks.storage.warehouse import open_warehouse, run_file
from tasks.training.fit import fit
from tasks.tuning.confirmation import guiding_users

SMALL_SHARE = 1 / 3
"""Share of all interactions in the small part; those of held-out users come first."""

MIN_INTERACTIONS_FOR_SMALL_PART = 500_000
"""With fewer interactions a small part saves no time: of the demo's 180,000 a third takes bpr half to two thirds of the
time, als 0.6 and item_knn all of it, and one trial in three goes on to the whole window."""


@dataclass(frozen=True)
class Part:
    """A part of the window.

    Attributes:
        snapshot: the training matrices.
        held_out: users of the select half and their positives after the training part.
        backfill: the models that complete short lists, fitted on the snapshot.
    """

    snapshot: Snapshot
    held_out: HeldOut
    backfill: tuple[FittedModel, ...]


@dataclass(frozen=True)
class Window:
    """The earlier window, and a small part of it on which poor settings are recognised in less time.

    Attributes:
        data_key: the key of the clean data.
        as_of: the end of the data (exclusive, UTC) whose newest part, held out as a night's, is hidden.
        why: how it was cut, as text.
        whole: the whole window.
        guides: (n_users,) bool, the users of `whole` whose scores guide the search; the others confirm its result.
        small: about `SMALL_SHARE` of its interactions; None if that saves no time or leaves no held-out user.
    """

    data_key: str
    as_of: datetime
    why: str
    whole: Part
    small: Part | None
    guides: BoolArray

    @property
    def n_users(self) -> int:
        """Number of users that settings are scored on."""
        return self.whole.held_out.n_select

    @property
    def n_confirming(self) -> int:
        """Number of users that take no part in the search."""
        return int(np.count_nonzero(~self.guides))


def earlier_window(home: Home, settings: Settings, folder: Path, watcher: Watcher) -> Window:
    """Land and clean new input files, cut the window, and write it.

    The home's lock and the warehouse are released at the end, so that a night may run while settings are tuned.

    Args:
        home: the home to tune for.
        settings: those of the night.
        folder: where to write; must be empty.
        watcher: receives progress events.

    Raises:
        LockedError: a night is running.
        UsageError: no user of the select half is left to score by.
    """
    with locked(home):
        prepare(home, watcher)
        with open_warehouse(home.warehouse) as con, watched(watcher, "earlier window") as stage:
            now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
            intake = land(con.cursor(), home.input, settings.data, landed_at=now, forgotten=home.forgotten)
            data = clean(con.cursor(), intake, settings.data, id_types=home.id_types())
            as_of = data.newest_interaction.replace(microsecond=0) + timedelta(seconds=1)
            sources = {count.source for count in data.counts}
            without_times = tuple(source for source in settings.data.without_times if source in sources)
            cut = _make_split(
                con.cursor(), settings, settings.split, as_of, folder / "night", without_times=without_times
            )
            past = con.cursor()  # its temporary tables hide what the night holds out
            order_of(past, cut)
            run_file(
                past, "warehouse/split/hide_held_out.sql", cutoffs_path=str(cut.folder / "cutoffs.parquet"),
                cutoff=cut.cutoff or cut.as_of,
            )  # fmt: skip
            stage.note, snapshot, held_out = _cut_again(past, cut, settings, folder)
    if not held_out.n_select:
        raise UsageError(
            f"No users are left to tune on: {stage.note}.",
            "Tuning needs more data, or a split that holds out less.",
        )
    with watched(watcher, "backfill models"):
        whole = Part(snapshot, held_out, _fit_backfill(snapshot, settings, folder / "backfill"))
        guides = guiding_users(held_out.n_select, settings.run.seed)
        small = _small_part(whole, guides, settings, folder / "small")
    return Window(data.key, as_of, stage.note, whole, small, guides)


def _cut_again(
    past: duckdb.DuckDBPyConnection, night: Split, settings: Settings, folder: Path
) -> tuple[str, Snapshot, HeldOut]:
    """Split what lies before the night's cutoffs in the same way once more.

    Args:
        past: a cursor of the warehouse that sees nothing after the night's cutoffs.
        night: the night's split.
        settings: those of the night.
        folder: where to write.

    Returns:
        How it was cut, as text; the training matrices; the held-out users of the select half.
    """
    as_of = night.cutoff or night.as_of
    again = settings.split.model_copy(update={"method": night.kind, "cutoff": ""})
    cut = _make_split(past, settings, again, as_of, folder / "split")
    snapshot = build_snapshot(
        past, cut, settings.utility, key="window", folder=_new_folder(folder / "snapshot")
    )
    seed, both = settings.run.seed, _new_folder(folder / "both_halves")
    held_out = hold_out(
        past, cut, snapshot, settings.utility,
        seed=seed, max_users=settings.judge.max_users, key="both", folder=both,
    )  # fmt: skip
    half = np.load(both / "users.npz", allow_pickle=False)["half"]
    selected = _subset(held_out, half == 0, "select", _new_folder(folder / "select_half"))
    shutil.rmtree(both)
    return cut.why, snapshot, selected


def _make_split(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    how: SplitSettings,
    as_of: datetime,
    folder: Path,
    *,
    without_times: tuple[Source, ...] = (),
) -> Split:
    return make_split(
        con, how, settings.utility, as_of=as_of, seed=settings.run.seed, without_times=without_times,
        key=folder.name, folder=_new_folder(folder),
    )  # fmt: skip


def _small_part(whole: Part, guides: BoolArray, settings: Settings, folder: Path) -> Part | None:
    """Return the window with the interactions of only some users; users and items keep their indices.

    None if that saves no time, or leaves no guiding user. Only guiding users are held out.
    """
    if whole.snapshot.n_seen < MIN_INTERACTIONS_FOR_SMALL_PART:
        return None
    data = Interactions.load(whole.snapshot.folder)
    judged = np.load(whole.held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
    kept = _some_users(data.seen, judged[guides], settings.run.seed)
    held_out = kept[judged] & guides
    if not held_out.any():
        return None
    smaller = replace(
        data,
        seen=_rows(data.seen, kept),
        rating=_rows(data.rating, kept),
        positive=_rows(data.positive, kept),
        composite=_rows(data.composite, kept),
        timestamp=_rows(data.timestamp, kept),
    )
    smaller.save(_new_folder(folder / "snapshot"))
    snapshot = replace(whole.snapshot, key="small", folder=folder / "snapshot")
    users = _subset(whole.held_out, held_out, "small", _new_folder(folder / "select_half"))
    return Part(snapshot, users, _fit_backfill(snapshot, settings, folder / "backfill"))


def _some_users(seen: sparse.csr_array, first: NDArray[np.int32], seed: int) -> BoolArray:
    """Draw users with at most `SMALL_SHARE` of all interactions.

    Args:
        seen: (n_users, n_items).
        first: user indices that are drawn before all others.
        seed: of the order in which users are drawn.

    Returns:
        (n_users,) bool.
    """
    n_users = seen.shape[0]
    later = np.ones(n_users, bool)
    later[first] = False
    drawn = np.random.default_rng(seed).permutation(n_users)
    drawn = drawn[np.argsort(later[drawn], kind="stable")]
    kept = np.zeros(n_users, bool)
    kept[drawn[np.cumsum(np.diff(seen.indptr)[drawn]) <= SMALL_SHARE * seen.nnz]] = True
    return kept


def _rows(matrix: sparse.csr_array, kept: BoolArray) -> sparse.csr_array:
    """Return a copy of `matrix` with only the entries of the kept rows."""
    lengths = np.diff(matrix.indptr)
    entries = np.repeat(kept, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths * kept)]).astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[entries], matrix.indices[entries], starts), shape=matrix.shape)


def _subset(held_out: HeldOut, kept: BoolArray, key: str, folder: Path) -> HeldOut:
    """Write the files that `held_out_lists` and the metrics read for some of the warm users, and for no cold ones.

    Args:
        held_out: the held-out users.
        kept: (its warm users,) bool.
        key: of the new reference.
        folder: where to write, existing.
    """
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as users:
        np.savez(
            folder / "users.npz", allow_pickle=False, **{name: users[name][kept] for name in users.files}
        )
    relevant = load_matrix(held_out.folder, "relevant")[np.flatnonzero(kept)]
    sparse.save_npz(folder / "relevant.npz", relevant, compressed=False)
    return replace(held_out, key=key, folder=folder, n_select=int(kept.sum()), n_report=0, n_cold=0)


def _fit_backfill(snapshot: Snapshot, settings: Settings, folder: Path) -> tuple[FittedModel, ...]:
    """Fit the backfill models of every night, in the same order."""
    return tuple(
        fit(
            snapshot, name, settings.models.config(name), seed=settings.run.seed, progress=None,
            key=name, folder=_new_folder(folder / name),
        )
        for name in settings.recommend.backfill_models
    )  # fmt: skip


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
