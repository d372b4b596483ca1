"""Write the files that will be published: a list per user, similar items, fallback lists and the catalogue."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.base import Progress, Recommender
from tasks.artifacts import FittedModel, Lists, Snapshot
from tasks.config.settings import RecommendSettings
from tasks.engine.engine import Engine, blocks_of, watched
from tasks.engine.local import LOCAL
from tasks.recommendation.genre_filter import genres_of_items
from tasks.recommendation.item_rules import Rules, warn_of_rules_without_effect
from tasks.recommendation.list_blocks import ListJob, block_work, flat, open_similar_items, open_user_lists
from tasks.recommendation.rerank import Reranking
from tasks.recommendation.trial_arms import Arms
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file

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
    engine: Engine = LOCAL,
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
        engine: makes the blocks of users and of items.
    """
    job = ListJob(
        snapshot,
        champion,
        tuple(backfill),
        tuple(similar),
        settings,
        rules,
        seed,
        new_items,
        challenger,
        arms,
    )
    lists = open_user_lists(job)
    reranking, models, items = lists.reranking, lists.models, lists.items
    warn_of_rules_without_effect(
        reranking.rules, models[0].known_items_, champion.model, settings.n, items.to_pylist()
    )
    written = folder / "recommendations.parquet"
    blocks = blocks_of(len(lists.users), _BLOCK)
    made = engine.tables(block_work(open_user_lists, job), blocks, folder, opened=lists)
    rows = _write(written, lists.schema, watched(made, blocks, progress))
    similar_items = lists.similar_items()
    n_similar = _write(
        folder / "similar_items.parquet",
        similar_items.schema,
        engine.tables(
            block_work(open_similar_items, job),
            blocks_of(similar_items.n_listed, _BLOCK),
            folder,
            opened=similar_items,
        ),
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
    return Lists(key, folder, n_users, rows, n_similar, n_fallback, n_items, n_new, lists.n_trial)


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
        _, rank, item = flat(top.items)
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


def _rows_with(path: Path, column: str, values: pa.Array) -> int:
    """Return how many rows of a file of lists hold one of the values in a column."""
    with pq.ParquetFile(path) as file:
        blocks = file.iter_batches(columns=[column])
        return sum(pc.is_in(block[column], value_set=values).true_count for block in blocks)


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
