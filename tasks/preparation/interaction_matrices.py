"""Build a snapshot: user × item matrices of the interactions before a split's cutoffs, such as the composite utility.

The matrices are computed in sql/warehouse/features/; docs/utility.md explains them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import Interactions
from models.relations import Relations
from tasks.artifacts import Snapshot, Split
from tasks.config.settings import UtilitySettings
from tasks.preparation.time_windows import liking, open_split
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file


def _in_short(made: Snapshot) -> str:
    further = {
        "users known by their links only": made.n_untouched_users,
        "links": made.n_links,
        "user features": made.n_user_features,
        "facts": made.n_facts,
    }
    return "; ".join(
        (
            f"{made.n_users - made.n_untouched_users:,} users × {made.n_items - made.n_untouched:,} items, "
            f"{made.n_seen:,} seen, {made.n_positive:,} positive",
            f"{made.n_untouched:,} items that nobody touched",
            *(f"{n:,} {what}" for what, n in further.items() if n),
        )
    )


@stage("utility", note=_in_short)
def build_snapshot(
    con: duckdb.DuckDBPyConnection, split: Split, settings: UtilitySettings, *, key: str, folder: Path
) -> Snapshot:
    """Write matrices and id maps of the interactions before the cutoffs of `split` into the existing `folder`.

    The judged and the published models are trained on matrices of the same SQL: only the cutoffs differ. Users have
    an interaction before their cutoff, or else a link with a user who has one; items have an interaction, or else
    genres or attributes in the catalogue. Both are in the order of their ids. The same clean tables give the same
    bytes, at any number of threads.

    Args:
        con: the warehouse, with clean tables.
        split: the cutoffs.
        settings: which interactions are positive, and the signals of the composite utility.
        key: the cache key of the result.
        folder: an existing folder.

    Returns:
        The reference to the files, with the sizes of the matrices.
    """
    open_split(con, split, "before")
    cutoff = split.cutoff or split.as_of
    run_file(con, "warehouse/split/windowed_links.sql", cutoff=cutoff)
    run_file(con, "warehouse/features/id_maps.sql")
    run_file(con, "warehouse/features/value_classes.sql")
    user_map = con.sql("from user_map order by user_idx").to_arrow_table()
    item_map = con.sql("from item_map order by item_idx").to_arrow_table()
    pq.write_table(user_map, folder / "users.parquet")
    pq.write_table(item_map, folder / "items.parquet")

    shape = (user_map.num_rows, item_map.num_rows)
    timestamp = fetch_matrix(con, "warehouse/features/seen_matrix.sql", shape, last_of_pair=True)
    seen = sparse.csr_array(
        (np.ones(timestamp.nnz, np.float32), timestamp.indices, timestamp.indptr), shape=shape
    )
    item_features, feature_names = _features(con, "warehouse/features/item_features.sql", shape[1])
    title_words, title_word_names = _title_words(con, shape[1])
    user_features, user_feature_names = _user_features(con, shape[0])
    links, n_links = _links(con, shape[0])
    relations = _relations(con, shape[1])
    data = Interactions(
        seen=seen,
        rating=fetch_matrix(con, "warehouse/features/rating_matrix.sql", shape),
        positive=fetch_matrix(con, "warehouse/features/positive_matrix.sql", shape, **liking(settings)),
        composite=fetch_matrix(
            con,
            "warehouse/features/composite.sql",
            shape,
            signals=_signal_rows(settings),
            now=cutoff,
        ),
        timestamp=timestamp,
        item_features=item_features,
        feature_names=feature_names,
        title_words=title_words,
        title_word_names=title_word_names,
        user_features=user_features,
        user_feature_names=user_feature_names,
        links=links,
        relations=relations,
    )
    data.save(folder)
    return Snapshot(
        key=key,
        folder=folder,
        n_users=data.n_users,
        n_items=data.n_items,
        n_seen=data.seen.nnz,
        n_rating=data.rating.nnz,
        n_positive=data.positive.nnz,
        n_composite=data.composite.nnz,
        n_untouched=_n_untouched(item_map),
        n_untouched_users=_n_untouched(user_map),
        n_links=n_links,
        n_user_features=len(user_feature_names),
        n_facts=0 if relations is None else len(relations.triples),
    )


def fetch_matrix(
    con: duckdb.DuckDBPyConnection,
    name: str,
    shape: tuple[int, int],
    *,
    last_of_pair: bool = False,
    **parameters: Any,
) -> sparse.csr_array:
    """Return the result of sql/`name` as a canonical matrix.

    Args:
        con: the warehouse.
        name: a file whose last statement returns `row_idx` and `column_idx` (int32, sorted by both, no pair twice) and
            `value`.
        shape: rows and columns of the matrix.
        last_of_pair: pairs may stand several times, and the last row of each counts.
        **parameters: of the SQL file.

    Returns:
        A matrix of the dtype of `value`.
    """
    columns = run_file(con, name, **parameters).fetchnumpy()
    cells = {column: np.asarray(values) for column, values in columns.items()}
    if last_of_pair:
        cells = _last_of_pairs(cells)
    row_starts = np.searchsorted(cells["row_idx"], np.arange(shape[0] + 1, dtype=np.int32))
    if len(cells["row_idx"]) <= np.iinfo(np.int32).max:  # else scipy would widen the column indices too
        row_starts = row_starts.astype(np.int32)
    return sparse.csr_array((cells["value"], cells["column_idx"], row_starts), shape=shape)


def _last_of_pairs(cells: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the last of neighbouring cells with the same row and column."""
    rows, columns = cells["row_idx"], cells["column_idx"]
    is_last = np.ones(len(rows), np.bool_)
    is_last[:-1] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    return {name: values[is_last] for name, values in cells.items()}


def _n_untouched(id_map: pa.Table) -> int:
    return int(np.count_nonzero(~id_map["is_touched"].to_numpy()))


def _features(
    con: duckdb.DuckDBPyConnection, name: str, n_rows: int
) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """Return the features that sql/`name` makes as a matrix with `n_rows` rows, and the names of its columns."""
    run_file(con, name)
    names = con.execute("select distinct feature from features order by feature").fetchall()
    matrix = fetch_matrix(con, "warehouse/features/feature_matrix.sql", (n_rows, len(names)))
    return matrix, tuple(name for (name,) in names)


def _title_words(
    con: duckdb.DuckDBPyConnection, n_items: int
) -> tuple[sparse.csr_array | None, tuple[str, ...]]:
    """Return the words of the titles and their names; None where no item has a title."""
    if con.execute(
        "from items semi join item_map using (item_id) where title is not null limit 1"
    ).fetchone():
        return _features(con, "warehouse/features/title_words.sql", n_items)
    return None, ()


def _user_features(
    con: duckdb.DuckDBPyConnection, n_users: int
) -> tuple[sparse.csr_array | None, tuple[str, ...]]:
    """Return the features of the users and their names; None where nothing is known of them."""
    if con.execute("from users limit 1").fetchone() is None:
        return None, ()
    matrix, names = _features(con, "warehouse/features/user_features.sql", n_users)
    return (matrix, names) if names else (None, ())


def _links(con: duckdb.DuckDBPyConnection, n_users: int) -> tuple[sparse.csr_array | None, int]:
    """Return the links as a matrix, None without any, and their number; a mutual link counts once."""
    if con.execute("from windowed_links limit 1").fetchone() is None:
        return None, 0
    matrix = fetch_matrix(con, "warehouse/features/links_matrix.sql", (n_users, n_users))
    [(are_mutual,)] = con.execute("select bool_or(is_mutual) from links").fetchall()
    n_links = matrix.nnz // 2 if are_mutual else matrix.nnz
    return (matrix, n_links) if n_links else (None, 0)


def _relations(con: duckdb.DuckDBPyConnection, n_items: int) -> Relations | None:
    """Return the relations whose items the snapshot has, with all entities; None if the source has no row."""
    if con.execute("from relations limit 1").fetchone() is None:
        return None
    run_file(con, "warehouse/features/nodes.sql")
    entities = con.execute("select entity from entity_map order by node").fetchall()
    names = con.execute("select relation from relation_map order by relation_idx").fetchall()
    columns = run_file(con, "warehouse/features/triples.sql").fetchnumpy()
    triples = np.column_stack([columns[name] for name in ("head", "relation_idx", "tail")]).astype(np.int32)
    return Relations(triples, n_items, tuple(name for (name,) in names), tuple(name for (name,) in entities))


def _signal_rows(settings: UtilitySettings) -> list[dict[str, Any]]:
    """Return the signals as rows of a table for SQL, numbered in the order of their names."""
    return [
        {"signal": number, **signal.model_dump()}
        for number, (_, signal) in enumerate(sorted(settings.signals.items()))
    ]
