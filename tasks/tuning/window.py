"""The earlier window that settings are tuned on: cut out of what the night's judged models are trained on.

Whatever happened at or after the night's cutoffs is hidden before anything is computed, and of the users that the
window holds out only the select half is kept. So nothing that the night will be judged by can reach what is tuned.
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
from tasks.artifacts import FittedModel, HeldOut, Snapshot, Split
from tasks.config.settings import Settings, SplitSettings
from tasks.datasets.prepare import prepare
from tasks.errors import UsageError
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.monitoring.events import Watcher, watched
from tasks.preparation import interaction_matrices as building
from tasks.preparation import split as splitting
from tasks.preparation.holdout import hold_out
from tasks.storage.home import Home, locked
from tasks.storage.warehouse import open_warehouse, run_file
from tasks.training.fit import BACKFILL, fit

SMALL_SHARE = 1 / 3
"""Of all interactions, what the small part is fitted on, with those of the judged users first."""


WORTH_A_SMALL_PART = 500_000
"""Interactions. On the demo's 180,000 a third of them takes bpr half to two thirds of the time, als 0.6 and item_knn
all of it, so that with one trial in three going on to the whole nothing is saved."""


@dataclass(frozen=True)
class Part:
    """What to fit on and to judge by: a snapshot, what the select half liked after it, and what completes lists."""

    snapshot: Snapshot
    held_out: HeldOut
    fillers: tuple[FittedModel, ...]


@dataclass(frozen=True)
class Window:
    """The whole earlier window, and a small part of it to tell hopeless settings by.

    Attributes:
        data_key: changes whenever the clean data could.
        as_of: the end of the data (exclusive, UTC), that of the night whose held-out part is hidden.
        why: how it was cut, in words.
        whole: all of it.
        small: about `SMALL_SHARE` of its interactions; None where that saves no time or leaves nobody to judge by.
    """

    data_key: str
    as_of: datetime
    why: str
    whole: Part
    small: Part | None

    @property
    def n_users(self) -> int:
        """How many users judge."""
        return self.whole.held_out.n_select


def earlier_window(home: Home, settings: Settings, folder: Path, watcher: Watcher) -> Window:
    """Take in what is new, cut the window, and write it into the empty `folder`.

    The home's lock and the warehouse are held only meanwhile, so that a night may run while settings are tuned.

    Raises:
        LockedError: a night is running.
        UsageError: the window leaves nobody of the select half to judge by.
    """
    with locked(home):
        prepare(home, watcher)
        with open_warehouse(home.warehouse) as con, watched(watcher, "earlier window") as stage:
            now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
            intake = land(con.cursor(), home.input, settings.data, landed_at=now)
            data = clean(con.cursor(), intake, settings.data, id_types=home.id_types())
            as_of = data.newest_interaction.replace(microsecond=0) + timedelta(seconds=1)
            cut = _make_split(con.cursor(), settings, settings.split, as_of, folder / "night")
            past = con.cursor()  # its temporary tables hide what the night holds out
            run_file(past, "warehouse/split/past.sql", cutoffs_path=str(cut.folder / "cutoffs.parquet"))
            stage.note, snapshot, held_out = _cut_again(past, cut, settings, folder)
    if not held_out.n_select:
        raise UsageError(
            f"Nobody is left to tune by: {stage.note}.",
            "Tuning wants more data, or a night that holds out less.",
        )
    with watched(watcher, "what completes lists"):
        whole = Part(snapshot, held_out, _fillers(snapshot, settings, folder / "fillers"))
        small = _small_part(whole, settings, folder / "small")
    return Window(data.key, as_of, stage.note, whole, small)


def _cut_again(
    past: duckdb.DuckDBPyConnection, night: Split, settings: Settings, folder: Path
) -> tuple[str, Snapshot, HeldOut]:
    """The night's kind of split once more, on what lies before the night's cutoffs."""
    as_of = night.cutoff or night.as_of
    again = settings.split.model_copy(update={"method": night.kind, "cutoff": ""})
    cut = _make_split(past, settings, again, as_of, folder / "split")
    snapshot = building.build_snapshot(
        past, cut, settings.utility, key="window", folder=_made(folder / "snapshot")
    )
    seed, both = settings.run.seed, _made(folder / "both_halves")
    held_out = hold_out(past, cut, snapshot, settings.utility, seed=seed, key="both", folder=both)
    half = np.load(both / "users.npz", allow_pickle=False)["half"]
    selected = _only(held_out, half == 0, "select", _made(folder / "select_half"))
    shutil.rmtree(both)
    return cut.why, snapshot, selected


def _make_split(
    con: duckdb.DuckDBPyConnection, settings: Settings, how: SplitSettings, as_of: datetime, folder: Path
) -> Split:
    return splitting.make_split(
        con, how, settings.utility, as_of=as_of, key=folder.name, folder=_made(folder)
    )


def _small_part(whole: Part, settings: Settings, folder: Path) -> Part | None:
    """The same users and items, with the interactions of only some users: first of those who judge, then of others."""
    if whole.snapshot.n_seen < WORTH_A_SMALL_PART:
        return None
    data = Interactions.load(whole.snapshot.folder)
    judged = np.load(whole.held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
    kept = _some_users(data.seen, judged, settings.run.seed)
    if not kept[judged].any():
        return None
    smaller = replace(
        data,
        seen=_rows(data.seen, kept),
        rating=_rows(data.rating, kept),
        positive=_rows(data.positive, kept),
        composite=_rows(data.composite, kept),
        timestamp=_rows(data.timestamp, kept),
    )
    smaller.save(_made(folder / "snapshot"))
    snapshot = replace(whole.snapshot, key="small", folder=folder / "snapshot")
    held_out = _only(whole.held_out, kept[judged], "small", _made(folder / "select_half"))
    return Part(snapshot, held_out, _fillers(snapshot, settings, folder / "fillers"))


def _some_users(seen: sparse.csr_array, first: NDArray[np.int32], seed: int) -> BoolArray:
    """Users with at most `SMALL_SHARE` of all interactions: some of `first`, and of the others if there is room."""
    n_users = seen.shape[0]
    later = np.ones(n_users, bool)
    later[first] = False
    drawn = np.random.default_rng(seed).permutation(n_users)
    drawn = drawn[np.argsort(later[drawn], kind="stable")]
    kept = np.zeros(n_users, bool)
    kept[drawn[np.cumsum(np.diff(seen.indptr)[drawn]) <= SMALL_SHARE * seen.nnz]] = True
    return kept


def _rows(matrix: sparse.csr_array, kept: BoolArray) -> sparse.csr_array:
    """`matrix` with the rows that are not kept emptied."""
    lengths = np.diff(matrix.indptr)
    entries = np.repeat(kept, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths * kept)]).astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[entries], matrix.indices[entries], starts), shape=matrix.shape)


def _only(held_out: HeldOut, kept: BoolArray, key: str, folder: Path) -> HeldOut:
    """Some of the users with history, and nobody without: what `evaluate` reads, in another folder."""
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as users:
        np.savez(
            folder / "users.npz", allow_pickle=False, **{name: users[name][kept] for name in users.files}
        )
    relevant = load_matrix(held_out.folder, "relevant")[np.flatnonzero(kept)]
    sparse.save_npz(folder / "relevant.npz", relevant, compressed=False)
    return replace(held_out, key=key, folder=folder, n_select=int(kept.sum()), n_report=0, n_cold=0)


def _fillers(snapshot: Snapshot, settings: Settings, folder: Path) -> tuple[FittedModel, ...]:
    """What completes short lists every night, in the same order."""
    return tuple(
        fit(
            snapshot, name, settings.models.config(name), seed=settings.run.seed, progress=None,
            key=name, folder=_made(folder / name),
        )
        for name in BACKFILL
    )  # fmt: skip


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
