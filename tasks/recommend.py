"""Write what will be published: a list per user, similar items, fallback lists and the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.base import Progress, Recommender, TopN
from models.interactions import Interactions
from tasks.complete import CompletedLists, completed_lists
from tasks.fit import load_model
from tasks.references import FittedModel, Lists, Snapshot
from tasks.settings import RecommendSettings
from tasks.warehouse import run_file

_BLOCK = 4096


def recommend(
    con: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    champion: FittedModel,
    popularity: FittedModel,
    similar: FittedModel,
    settings: RecommendSettings,
    *,
    progress: Progress | None = None,
    key: str,
    folder: Path,
) -> Lists:
    """Write the four Parquet files of `Lists` with external ids, block by block, sorted by primary key."""
    data = Interactions.load(snapshot.folder)
    users = pq.read_table(snapshot.folder / "users.parquet")["user_id"].combine_chunks()
    items = pq.read_table(snapshot.folder / "items.parquet")["item_id"].combine_chunks()
    strangers = load_model(popularity)
    rows = _write(
        folder / "recommendations.parquet",
        _user_lists(load_model(champion), strangers, data, users, items, settings, progress),
    )
    n_similar = _write(
        folder / "similar_items.parquet", _similar(load_model(similar), items, settings.similar_n)
    )
    n_fallback = _write(
        folder / "fallback_recommendations.parquet", _fallback(strangers, data, items, settings)
    )
    n_items = _write_catalogue(con, items, folder / "items.parquet")
    return Lists(key, folder, data.n_users, rows, n_similar, n_fallback, n_items)


def _user_lists(
    model: Recommender,
    popularity: Recommender,
    data: Interactions,
    users: pa.Array,
    items: pa.Array,
    settings: RecommendSettings,
    progress: Progress | None,
) -> Iterator[pa.Table]:
    exclude = data.seen if settings.exclude_seen else None
    names = pa.array([model.name, popularity.name])
    for start in range(0, data.n_users, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, data.n_users))
        lists = completed_lists(model, popularity, block, settings.n, exclude)
        yield _list_table(lists, users.take(pa.array(block)), items, names)
        if progress is not None:
            progress(int(block[-1]) + 1, data.n_users)


def _list_table(lists: CompletedLists, users: pa.Array, items: pa.Array, names: pa.Array) -> pa.Table:
    row, rank, item = _flat(lists.items)
    there = (row, rank)
    return pa.table(
        {
            "user_id": users.take(pa.array(row)),
            "rank": pa.array(rank + 1, pa.int32()),
            "item_id": items.take(pa.array(item)),
            "score": pa.array(lists.scores[there], pa.float32()),
            "model": names.take(pa.array(lists.filled[there].astype(np.int8))),
            "model_score": pa.array(lists.model_scores[there], pa.float32()),
            "reason_item_id": pa.nulls(len(row), items.type),
        }
    )


def _similar(model: Recommender, items: pa.Array, n: int) -> Iterator[pa.Table]:
    for start in range(0, len(items), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(items)))
        top = model.similar_items(block, n)
        row, rank, item = _flat(top.items)
        yield pa.table(
            {
                "item_id": items.take(pa.array(block[row])),
                "rank": pa.array(rank + 1, pa.int32()),
                "similar_item_id": items.take(pa.array(item)),
                "score": pa.array(top.scores[row, rank], pa.float32()),
            }
        )


def _fallback(
    popularity: Recommender, data: Interactions, items: pa.Array, settings: RecommendSettings
) -> Iterator[pa.Table]:
    """One list for everybody, then one per genre, in the order of their names."""
    segments: dict[str, NDArray[np.bool_] | None] = {"all": None}
    if settings.fallback_genres:
        by_feature = data.item_features.tocsc()
        for column, feature in enumerate(data.feature_names):
            kind, _, genre = feature.partition(":")
            if kind == "genre" and genre != "all":
                mask = np.zeros(data.n_items, dtype=np.bool_)
                mask[by_feature.indices[by_feature.indptr[column] : by_feature.indptr[column + 1]]] = True
                segments[genre] = mask
    for segment in sorted(segments):
        top: TopN = popularity.recommend(np.array([0]), settings.fallback_n, items=segments[segment])
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
    """Every item of the catalogue, and every item of the lists that the catalogue lacks (without a title)."""
    con.register("known_items", pa.table({"item_id": items}))
    run_file(con, "warehouse/70_catalogue.sql")
    con.unregister("known_items")
    catalogue = con.sql("from catalogue order by item_id").to_arrow_table()
    pq.write_table(catalogue, path)
    return int(catalogue.num_rows)


def _flat(items: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Row, position and item of everything that is no padding, in order."""
    row, position = np.nonzero(items >= 0)
    return row, position, items[row, position]


def _write(path: Path, tables: Iterator[pa.Table]) -> int:
    """Write tables of one schema into one Parquet file; returns the number of rows."""
    writer: pq.ParquetWriter | None = None
    rows = 0
    for table in tables:
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        rows += table.num_rows
    if writer is None:
        raise ValueError(f"nothing at all to write into {path.name}")
    writer.close()
    return rows
