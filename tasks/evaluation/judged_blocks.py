"""The lists and metrics of a block of held-out users: the block function of `evaluate`.

It knows references and row numbers only, and opens the artifacts by their paths (`tasks/engine/engine.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.base import BoolArray, IntArray, Recommender, TopN
from models.ensemble.blend import Blend
from models.evaluation.metrics import list_metrics, ranking_metrics
from models.evaluation.slices import ITEM_CLASSES, restricted
from models.interactions import load_matrix, touched_items
from tasks.artifacts import Evaluation, FittedModel, HeldOut, Snapshot
from tasks.engine.engine import Rows
from tasks.preparation.item_statistics import ItemStatistics, load_item_statistics
from tasks.recommendation.backfill import completed
from tasks.storage.kept_lists import as_lists, columns_to_keep, from_lists, keep_lists, kept_lists
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
    candidates: int = 0
    members: tuple[Evaluation, ...] = ()


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
        candidates: how many items of the model's own lists are kept.
        listed: what the members of an ensemble have listed for `users`; empty: they are asked.
    """

    models: Sequence[Recommender]
    users: IntArray
    seen: sparse.csr_array
    touched: BoolArray
    relevant: sparse.csr_array
    items: ItemStatistics
    k: tuple[int, ...]
    candidates: int = 0
    listed: tuple[TopN, ...] = ()

    def __call__(self, rows: Rows) -> pa.Table:
        """Return a row per user: `items`, the list, and a column `<file>/<metric>` for every metric of every file.

        Where candidates are kept, there are those of `columns_to_keep`, too.
        """
        users, n = self.users[rows.start : rows.stop], max(self.k)
        own = self._own_lists(rows, users)
        short = TopN(own.items[:, :n], own.scores[:, :n])
        lists = completed(short, self.models[1:], users, self.seen, self.touched).items
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
        if self.candidates:
            columns |= columns_to_keep(
                TopN(own.items[:, : self.candidates], own.scores[:, : self.candidates])
            )
        return pa.table({_ITEMS: as_lists(lists), **columns})

    def _own_lists(self, rows: Rows, users: IntArray) -> TopN:
        """Return the lists of the model alone for a block of users; the judged ones are their beginning."""
        model, n = self.models[0], max(*self.k, self.candidates)
        if isinstance(model, Blend) and self.listed and n <= model.config.candidates:
            block = slice(rows.start, rows.stop)
            return model.rank_listed(
                users, n, [TopN(top.items[block], top.scores[block]) for top in self.listed]
            )
        return model.recommend(users, n, exclude=self.seen, items=self.touched)


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
        candidates=job.candidates,
        listed=tuple(map(kept_lists, job.members)),
    )


def write_judged(blocks: Iterable[pa.Table], n_users: int, folder: Path) -> None:
    """Write the metrics of ranked lists: `per_user.npz`, a file for each class of items, and `lists.npz`.

    Candidates are written block by block: with long lists they are larger than all the rest.

    Args:
        blocks: the tables of all blocks of held-out users, in their order.
        n_users: number of all of them.
        folder: where to write.
    """
    table = pa.concat_tables(keep_lists(blocks, n_users, folder))
    for file in _FILES:
        arrays = {
            name.partition("/")[2]: table[name].to_numpy()
            for name in table.column_names
            if name.startswith(f"{file}/")
        }
        if file == "lists":
            arrays = {_ITEMS: from_lists(table[_ITEMS]), **arrays}
        np.savez(folder / f"{file}.npz", allow_pickle=False, **arrays)
