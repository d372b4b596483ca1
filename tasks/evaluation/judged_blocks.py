"""The lists and metrics of a block of held-out users: the block function of `evaluate`.

It knows references and row numbers only, and opens the artifacts by their paths (`tasks/engine/engine.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, IntArray, Recommender
from models.evaluation.metrics import list_metrics, ranking_metrics
from models.evaluation.slices import ITEM_CLASSES, restricted
from models.interactions import load_matrix, touched_items
from tasks.artifacts import FittedModel, HeldOut, Snapshot
from tasks.engine.engine import Rows
from tasks.preparation.item_statistics import ItemStatistics, load_item_statistics
from tasks.recommendation.backfill import lists_of_items
from tasks.training.load_model import load_model

_ITEMS = "items"
_FILES = ("per_user", *ITEM_CLASSES, "lists")


@dataclass(frozen=True)
class JudgeJob:
    """Everything that a model is judged by, as references and numbers; see `evaluate` for the fields."""

    fitted: FittedModel
    backfill: tuple[FittedModel, ...]
    snapshot: Snapshot
    held_out: HeldOut
    k: tuple[int, ...]


@dataclass(frozen=True)
class JudgedUsers:
    """Ranks items for blocks of held-out users and computes their metrics; opened by `open_judged_users`.

    Attributes:
        models: the model to judge, then those that complete its lists.
        users: (n_users,) the held-out users, row indices of the training part.
        seen: (all users, n_items), the items to leave out.
        touched: (n_items,) bool, the items that may be listed.
        relevant: (n_users, n_items), what is relevant to the held-out users.
        items: statistics of the items.
        k: the lengths at which lists are judged.
    """

    models: Sequence[Recommender]
    users: IntArray
    seen: sparse.csr_array
    touched: BoolArray
    relevant: sparse.csr_array
    items: ItemStatistics
    k: tuple[int, ...]

    def __call__(self, rows: Rows) -> pa.Table:
        """Return a row per user: `items`, the list, and a column `<file>/<metric>` for every metric of every file."""
        users = self.users[rows.start : rows.stop]
        lists = lists_of_items(self.models, users, max(self.k), self.seen, self.touched)
        relevant = sparse.csr_array(self.relevant[rows.start : rows.stop])
        found = {"per_user": ranking_metrics(lists, relevant, self.k)}
        for number, name in enumerate(ITEM_CLASSES):
            of_class = restricted(relevant, self.items.item_class == number)
            found[name] = ranking_metrics(lists, of_class, self.k)
        found["lists"] = list_metrics(lists, self.items, self.k)
        columns = {
            f"{file}/{metric}": pa.array(values)
            for file, metrics in found.items()
            for metric, values in metrics.items()
        }
        rectangle = pa.FixedSizeListArray.from_arrays(pa.array(lists.ravel()), lists.shape[1])
        return pa.table({_ITEMS: rectangle, **columns})


def open_judged_users(job: JudgeJob) -> JudgedUsers:
    """Open what the lists and metrics of held-out users are made of."""
    seen = load_matrix(job.snapshot.folder, "seen")
    with np.load(job.held_out.folder / "users.npz", allow_pickle=False) as held_out:
        users = held_out["user_idx"]
    return JudgedUsers(
        models=[load_model(each) for each in (job.fitted, *job.backfill)],
        users=users,
        seen=seen,
        touched=touched_items(seen),
        relevant=load_matrix(job.held_out.folder, "relevant"),
        items=load_item_statistics(job.held_out),
        k=job.k,
    )


def write_judged(blocks: Iterable[pa.Table], folder: Path) -> None:
    """Write the metrics of ranked lists: `per_user.npz`, a file for each class of items, and `lists.npz`.

    Args:
        blocks: the tables of all blocks of held-out users, in their order.
        folder: where to write.
    """
    table = pa.concat_tables(blocks)
    for file in _FILES:
        arrays = {
            name.partition("/")[2]: table[name].to_numpy()
            for name in table.column_names
            if name.startswith(f"{file}/")
        }
        if file == "lists":
            arrays = {_ITEMS: _lists(table[_ITEMS]), **arrays}
        np.savez(folder / f"{file}.npz", allow_pickle=False, **arrays)


def _lists(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """Return a column of lists of one length as an array (n_users, n)."""
    parts = [chunk.flatten().to_numpy().reshape(-1, column.type.list_size) for chunk in column.chunks]
    return np.concatenate(parts)
