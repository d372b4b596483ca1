"""The lists of a block of users, and the similar items of a block of items: the block functions of `recommend`.

They know references and row numbers only, and open the artifacts by their paths (`tasks/engine/engine.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, Recommender
from models.interactions import load_matrix
from tasks.artifacts import FittedModel, Snapshot
from tasks.config.settings import RecommendSettings
from tasks.engine.engine import BlockWork, MakeTable, Rows
from tasks.engine.memory_requests import lists_mb
from tasks.recommendation.backfill import CompletedLists
from tasks.recommendation.explanations import explain_lists, explainable_positives
from tasks.recommendation.item_rules import Rules, by_index
from tasks.recommendation.rerank import Reranking, eligible_items, resolve_reranking
from tasks.recommendation.trial_arms import CONTROL, TRIAL, VARIANT, Arms
from tasks.training.load_model import load_model, module_of

PINNED = "pinned"
"""The value of the column `model` where a rule pinned the item."""


@dataclass(frozen=True)
class ListJob:
    """Everything that the lists of a night are made of, as references and settings; see `recommend` for the fields."""

    snapshot: Snapshot
    champion: FittedModel
    backfill: tuple[FittedModel, ...]
    similar: tuple[FittedModel, ...]
    settings: RecommendSettings
    rules: Rules
    seed: int
    new_items: FittedModel | None = None
    challenger: FittedModel | None = None
    arms: Arms | None = None


@dataclass(frozen=True)
class UserLists:
    """Makes the lists of blocks of users; opened by `open_user_lists`.

    Attributes:
        job: what it was opened for.
        reranking: the settings and rules, resolved for the snapshot.
        models: the model that ranks, then the backfill models.
        challenger: the same for the users of a trial; None without one.
        similar: the models of similar items.
        exclude: (n_users, n_items), the items to leave out; None: none.
        liked: (n_users, n_items), the items that may explain others.
        users, items: external ids by index.
        in_trial: (n_users,) bool, the users of the trial arm; None without a trial.
    """

    job: ListJob
    reranking: Reranking
    models: Sequence[Recommender]
    challenger: Sequence[Recommender] | None
    similar: Sequence[Recommender]
    exclude: sparse.csr_array | None
    liked: sparse.csr_array
    users: pa.Array
    items: pa.Array
    in_trial: BoolArray | None

    def __call__(self, rows: Rows) -> pa.Table:
        """Return the lists of a block of users, by primary key."""
        block = np.arange(rows.start, rows.stop)
        if self.challenger is None or self.in_trial is None:
            return self._lists(self.models, block)
        parts = []
        for models, variant, members in (
            (self.models, CONTROL, ~self.in_trial[block]),
            (self.challenger, TRIAL, self.in_trial[block]),
        ):
            if members.any():
                table = self._lists(models, block[members])
                parts.append(table.append_column(VARIANT, pa.repeat(pa.scalar(variant), table.num_rows)))
        return pa.concat_tables(parts).sort_by([("user_id", "ascending"), ("rank", "ascending")])

    def _lists(self, models: Sequence[Recommender], block: NDArray[np.int64]) -> pa.Table:
        """Return the lists of users, (n_users,) indices, with explanations, in the order of the block."""
        placers = self.reranking.placers(models)
        names = pa.array([*(model.name for model in placers), PINNED])
        lists = self.reranking.lists(models, block, self.exclude)
        reasons = explain_lists(lists, block, placers, self.similar, self.liked)
        return _list_table(lists, reasons, self.users.take(pa.array(block)), self.items, names)

    def similar_items(self) -> SimilarItems:
        """Return what makes the similar items of the same job."""
        return _similar_items(self.job, self.similar, self.items, self.reranking.eligible)

    @property
    def n_trial(self) -> int | None:
        """How many users are in the trial; None without one."""
        return None if self.in_trial is None else int(self.in_trial.sum())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the lists."""
        columns = {
            "user_id": self.users.type,
            "rank": pa.int32(),
            "item_id": self.items.type,
            "score": pa.float32(),
            "model": pa.string(),
            "model_score": pa.float32(),
            "reason_item_id": self.items.type,
        }
        return pa.schema(columns if self.in_trial is None else columns | {VARIANT: pa.string()})


@dataclass(frozen=True)
class SimilarItems:
    """Makes the similar items of blocks of items; opened by `open_similar_items`.

    Attributes:
        models: in order of precedence: each is asked about the items that those before it do not know.
        items: external ids by index.
        listed: the indices of the items that have a list, which blocks are counted by.
        eligible: (n_items,) bool, items that may be listed; None: all.
        n: length of the lists.
    """

    models: Sequence[Recommender]
    items: pa.Array
    listed: NDArray[np.int64]
    eligible: BoolArray | None
    n: int

    def __call__(self, rows: Rows) -> pa.Table:
        """Return the most similar items of a block of `listed`."""
        block = self.listed[rows.start : rows.stop]
        top = self.models[0].similar_items(block, self.n, among=self.eligible)
        for model in self.models[1:]:
            without = np.flatnonzero(top.items[:, 0] < 0)
            found = model.similar_items(block[without], self.n, among=self.eligible)
            top.items[without], top.scores[without] = found.items, found.scores
        row, rank, item = flat(top.items)
        return pa.table(
            {
                "item_id": self.items.take(pa.array(block[row])),
                "rank": pa.array(rank + 1, pa.int32()),
                "similar_item_id": self.items.take(pa.array(item)),
                "score": pa.array(top.scores[row, rank], pa.float32()),
            }
        )

    @property
    def n_listed(self) -> int:
        """How many items have a list."""
        return len(self.listed)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the similar items."""
        item_id = self.items.type
        return pa.schema(
            {"item_id": item_id, "rank": pa.int32(), "similar_item_id": item_id, "score": pa.float32()}
        )


def block_work(open_it: Callable[[ListJob], MakeTable], job: ListJob) -> BlockWork[ListJob]:
    """Return the work that `open_it`, one of the functions below, does for blocks of users or items."""
    others = (job.new_items, job.challenger)
    models = (job.champion, *job.backfill, *job.similar, *(each for each in others if each is not None))
    modules = tuple(dict.fromkeys(map(module_of, models)))
    return BlockWork(open_it, job, lists_mb(job.snapshot, models), modules)


def open_user_lists(job: ListJob) -> UserLists:
    """Open what the lists of users are made of."""
    snapshot, settings = job.snapshot, job.settings
    users = pq.read_table(snapshot.folder / "users.parquet")["user_id"].combine_chunks()
    items = _item_ids(snapshot)
    models = [load_model(model) for model in (job.champion, *job.backfill)]
    rules = by_index(job.rules, items.to_pylist())
    # Vectors of items are those of the champion, so that diversity means the same in both arms of a trial.
    reranking = resolve_reranking(
        snapshot, settings, rules, models, new_item_model=_loaded(job.new_items, models), seed=job.seed
    )
    on_trial = job.challenger is not None and job.arms is not None
    return UserLists(
        job=job,
        reranking=reranking,
        models=models,
        challenger=[load_model(job.challenger), *models[1:]] if job.challenger and on_trial else None,
        similar=[load_model(model) for model in job.similar],
        exclude=load_matrix(snapshot.folder, "seen") if settings.exclude_seen else None,
        liked=explainable_positives(load_matrix(snapshot.folder, "positive"), rules.blocked),
        users=users,
        items=items,
        in_trial=job.arms.in_trial(users.to_pylist()) if job.arms and on_trial else None,
    )


def open_similar_items(job: ListJob) -> SimilarItems:
    """Open what the similar items are made of."""
    items = _item_ids(job.snapshot)
    rules = by_index(job.rules, items.to_pylist())
    models = [load_model(model) for model in job.similar]
    return _similar_items(job, models, items, eligible_items(job.snapshot, job.settings, rules))


def _similar_items(
    job: ListJob, models: Sequence[Recommender], items: pa.Array, eligible: BoolArray | None
) -> SimilarItems:
    blocked = by_index(job.rules, items.to_pylist()).blocked
    return SimilarItems(models, items, np.flatnonzero(~blocked), eligible, job.settings.similar_n)


def _item_ids(snapshot: Snapshot) -> pa.Array:
    return pq.read_table(snapshot.folder / "items.parquet")["item_id"].combine_chunks()


def _loaded(fitted: FittedModel | None, models: Sequence[Recommender]) -> Recommender | None:
    """Return the model of a reference: the one of `models` if it is there."""
    if fitted is None:
        return None
    return next((model for model in models if model.name == fitted.model), None) or load_model(fitted)


def _list_table(
    lists: CompletedLists, reasons: NDArray[np.int32], users: pa.Array, items: pa.Array, names: pa.Array
) -> pa.Table:
    """Return a row per listed item, with external ids; `names` are those of the models that `placed_by` numbers."""
    row, rank, item = flat(lists.items)
    there = (row, rank)
    reason, model_score = reasons[there], lists.model_scores[there]
    return pa.table(
        {
            "user_id": users.take(pa.array(row)),
            "rank": pa.array(rank + 1, pa.int32()),
            "item_id": items.take(pa.array(item)),
            "score": pa.array(lists.scores[there], pa.float32()),
            "model": names.take(pa.array(lists.placed_by[there])),
            "model_score": pa.array(model_score, pa.float32(), mask=np.isnan(model_score)),
            "reason_item_id": items.take(pa.array(reason, mask=reason < 0)),
        }
    )


def flat(items: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return row, position and item of all places that hold an item, in order."""
    row, position = np.nonzero(items >= 0)
    return row, position, items[row, position]
