"""Write the files that will be published: a list per user, similar items, fallback lists and the catalogue."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from models.base import Progress, Recommender
from models.interactions import load_matrix
from tasks.artifacts import FittedModel, Lists, Snapshot
from tasks.config.settings import RecommendSettings
from tasks.recommendation.backfill import CompletedLists
from tasks.recommendation.explanations import explain_lists, explainable_positives
from tasks.recommendation.genre_filter import genres_of_items
from tasks.recommendation.item_rules import Rules, by_index, warn_of_rules_without_effect
from tasks.recommendation.rerank import Reranking, resolve_reranking
from tasks.recommendation.trial_arms import CONTROL, TRIAL, VARIANT, Arms
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.training.load_model import load_model

PINNED = "pinned"
"""The value of the column `model` where a rule pinned the item."""

_BLOCK = 4096  # users or items at a time

Segments = dict[str, NDArray[np.bool_] | None]
"""Segment → (n_items,) the items that its fallback list may hold; None for all."""

log = logging.getLogger(__name__)


@stage("recommend", model=lambda given: str(given["champion"].model), note=lambda made: made.in_short)
def recommend(
    con: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    champion: FittedModel,
    backfill: Sequence[FittedModel],
    similar: Sequence[FittedModel],
    settings: RecommendSettings,
    *,
    new_items: FittedModel | None = None,
    challenger: FittedModel | None = None,
    arms: Arms | None = None,
    rules: Rules,
    seed: int,
    progress: Progress | None = None,
    key: str,
    folder: Path,
) -> Lists:
    """Write the four Parquet files of `Lists` with external ids, block by block, sorted by primary key.

    Args:
        con: the warehouse, for the catalogue.
        snapshot: the training matrices that the models were fitted on.
        champion: the model that ranks the users' lists.
        backfill: the models that complete its short lists, in order of precedence; the last one, popularity, makes the
            fallback lists.
        similar: the models of similar items, in order of precedence: each is asked about the items that those before it
            do not know. They also explain the items of models that cannot explain.
        settings: lengths, exclusions and reranking.
        new_items: the model for the places of items without any interaction; None: the champion if it knows such items,
            else the first backfill model that does.
        challenger: the model that ranks the lists of the users in a trial; None without one.
        arms: which users these are; None without a trial.
        rules: of single items.
        seed: of what reranking draws at random.
        progress: called as progress(done users, all users).
        key: of the artifact.
        folder: where to write, existing.
    """
    users = pq.read_table(snapshot.folder / "users.parquet")["user_id"].combine_chunks()
    items = pq.read_table(snapshot.folder / "items.parquet")["item_id"].combine_chunks()
    seen = load_matrix(snapshot.folder, "seen") if settings.exclude_seen else None
    models = [load_model(model) for model in (champion, *backfill)]
    similar_models = [load_model(model) for model in similar]
    item_ids = items.to_pylist()
    resolved = by_index(rules, item_ids)
    warn_of_rules_without_effect(resolved, models[0].known_items_, champion.model, settings.n, item_ids)
    reranking = resolve_reranking(
        snapshot, settings, resolved, models, new_item_model=_loaded(new_items, models), seed=seed
    )
    liked = explainable_positives(load_matrix(snapshot.folder, "positive"), resolved.blocked)
    written = folder / "recommendations.parquet"
    makers = [_ListMaker(reranking, models, similar_models, seen, liked, users, items)]
    schema, in_trial = _list_schema(users.type, items.type), np.zeros(len(users), np.bool_)
    if challenger is not None and arms is not None:
        other = [load_model(challenger), *models[1:]]
        # Vectors of items are those of the champion, so that diversity means the same in both arms.
        makers.append(replace(makers[0], models=other))
        schema, in_trial = schema.append(pa.field(VARIANT, pa.string())), arms.in_trial(users.to_pylist())
    rows = _write(written, schema, _user_lists(makers, in_trial, progress))
    n_similar = _write(
        folder / "similar_items.parquet",
        _similar_schema(items.type),
        _similar(similar_models, items, reranking, settings.similar_n),
    )
    n_fallback = _write(
        folder / "fallback_recommendations.parquet",
        _fallback_schema(items.type),
        _fallback(models[-1], reranking, _segments(snapshot, settings), items, settings.fallback_n),
    )
    n_items = _write_catalogue(con, items, folder / "items.parquet")
    new_items = items.filter(pa.array(reranking.is_new))
    n_new = _rows_with(written, "item_id", new_items) if settings.new_item_share else None
    # Users who have seen every item have no list.
    n_users = _rows_with(written, "rank", pa.array([1], pa.int32()))
    n_trial = int(in_trial.sum()) if len(makers) > 1 else None
    return Lists(key, folder, n_users, rows, n_similar, n_fallback, n_items, n_new, n_trial)


def _loaded(fitted: FittedModel | None, models: Sequence[Recommender]) -> Recommender | None:
    """Return the model of a reference: the one of `models` if it is there."""
    if fitted is None:
        return None
    return next((model for model in models if model.name == fitted.model), None) or load_model(fitted)


@dataclass(frozen=True)
class _ListMaker:
    """Everything that lists of users are made of; the arms of a trial differ in the first of `models`.

    Attributes:
        reranking, exclude, liked, users, items: see `recommend`.
        models: the model that ranks, then the backfill models.
        similar: the models of similar items.
    """

    reranking: Reranking
    models: Sequence[Recommender]
    similar: Sequence[Recommender]
    exclude: sparse.csr_array | None
    liked: sparse.csr_array
    users: pa.Array
    items: pa.Array

    def table(self, block: NDArray[np.int64]) -> pa.Table:
        """Return the lists of a block of users, (n_users,) indices, with explanations, in the order of the block."""
        placers = self.reranking.placers(self.models)
        names = pa.array([*(model.name for model in placers), PINNED])
        lists = self.reranking.lists(self.models, block, self.exclude)
        reasons = explain_lists(lists, block, placers, self.similar, self.liked)
        return _list_table(lists, reasons, self.users.take(pa.array(block)), self.items, names)


def _user_lists(
    makers: Sequence[_ListMaker], in_trial: NDArray[np.bool_], progress: Progress | None
) -> Iterator[pa.Table]:
    """Yield the lists of one block of users after another, by primary key.

    Args:
        makers: the maker of everybody's lists or, in a trial, those of the control arm and of the trial arm.
        in_trial: (n_users,) the users of the trial arm.
        progress: called as progress(done users, all users).
    """
    n_users = len(in_trial)
    for start in range(0, n_users, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, n_users))
        yield makers[0].table(block) if len(makers) == 1 else _arms_of_block(makers, block, in_trial)
        if progress is not None:
            progress(int(block[-1]) + 1, n_users)


def _arms_of_block(
    makers: Sequence[_ListMaker], block: NDArray[np.int64], in_trial: NDArray[np.bool_]
) -> pa.Table:
    """Return the lists of a block of users of both arms with the column `variant`, by primary key."""
    parts = []
    for maker, variant, members in zip(
        makers, (CONTROL, TRIAL), (~in_trial[block], in_trial[block]), strict=True
    ):
        if members.any():
            table = maker.table(block[members])
            parts.append(table.append_column(VARIANT, pa.repeat(pa.scalar(variant), table.num_rows)))
    return pa.concat_tables(parts).sort_by([("user_id", "ascending"), ("rank", "ascending")])


def _list_table(
    lists: CompletedLists, reasons: NDArray[np.int32], users: pa.Array, items: pa.Array, names: pa.Array
) -> pa.Table:
    """Return a row per listed item, with external ids; `names` are those of the models that `placed_by` numbers."""
    row, rank, item = _flat(lists.items)
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


def _similar(
    models: Sequence[Recommender], items: pa.Array, reranking: Reranking, n: int
) -> Iterator[pa.Table]:
    """Yield the n most similar items of every item that is not blocked, block by block."""
    listed = np.flatnonzero(~reranking.rules.blocked)
    for start in range(0, len(listed), _BLOCK):
        block = listed[start : start + _BLOCK]
        top = models[0].similar_items(block, n, among=reranking.eligible)
        for model in models[1:]:
            without = np.flatnonzero(top.items[:, 0] < 0)
            found = model.similar_items(block[without], n, among=reranking.eligible)
            top.items[without], top.scores[without] = found.items, found.scores
        row, rank, item = _flat(top.items)
        yield pa.table(
            {
                "item_id": items.take(pa.array(block[row])),
                "rank": pa.array(rank + 1, pa.int32()),
                "similar_item_id": items.take(pa.array(item)),
                "score": pa.array(top.scores[row, rank], pa.float32()),
            }
        )


def _segments(snapshot: Snapshot, settings: RecommendSettings) -> Segments:
    """Return the segments: `all`, and one per genre where `recommend.fallback_genres` is on."""
    segments: Segments = {"all": None}
    if not settings.fallback_genres:
        return segments
    genres = genres_of_items(snapshot)
    for genre in genres.names:
        if genre == "all":
            log.warning("The genre 'all' gets no fallback list: the list of that name is everybody's.")
        else:
            segments[genre] = genres.any_of([genre])
    return segments


def _fallback(
    popularity: Recommender, reranking: Reranking, segments: Segments, items: pa.Array, n: int
) -> Iterator[pa.Table]:
    """Yield the fallback list of each segment, in the order of their names."""
    for segment in sorted(segments):
        top = reranking.for_segment(segments[segment], n).lists([popularity], np.array([0]), None)
        _, rank, item = _flat(top.items)
        yield pa.table(
            {
                "segment": pa.array([segment] * len(rank), pa.string()),
                "rank": pa.array(rank + 1, pa.int32()),
                "item_id": items.take(pa.array(item)),
                "score": pa.array(top.scores[0, rank], pa.float32()),
            }
        )


def _write_catalogue(con: duckdb.DuckDBPyConnection, items: pa.Array, path: Path) -> int:
    """Write every item of the catalogue, and every item of `items` that it lacks (without a title); return how many."""
    con.register("known_items", pa.table({"item_id": items}))
    run_file(con, "warehouse/features/catalogue.sql")
    con.unregister("known_items")
    catalogue = con.sql("from catalogue order by item_id").to_arrow_table()
    pq.write_table(catalogue, path)
    return int(catalogue.num_rows)


def _flat(items: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Return row, position and item of all places that hold an item, in order."""
    row, position = np.nonzero(items >= 0)
    return row, position, items[row, position]


def _rows_with(path: Path, column: str, values: pa.Array) -> int:
    """Return how many rows of a file of lists hold one of the values in a column."""
    with pq.ParquetFile(path) as file:
        blocks = file.iter_batches(columns=[column])
        return sum(pc.is_in(block[column], value_set=values).true_count for block in blocks)


def _list_schema(user_id: pa.DataType, item_id: pa.DataType) -> pa.Schema:
    return pa.schema(
        {
            "user_id": user_id,
            "rank": pa.int32(),
            "item_id": item_id,
            "score": pa.float32(),
            "model": pa.string(),
            "model_score": pa.float32(),
            "reason_item_id": item_id,
        }
    )


def _similar_schema(item_id: pa.DataType) -> pa.Schema:
    columns = {"item_id": item_id, "rank": pa.int32(), "similar_item_id": item_id, "score": pa.float32()}
    return pa.schema(columns)


def _fallback_schema(item_id: pa.DataType) -> pa.Schema:
    return pa.schema({"segment": pa.string(), "rank": pa.int32(), "item_id": item_id, "score": pa.float32()})


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    """Write tables into one Parquet file, which is empty if there are none; return the number of rows."""
    rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows
