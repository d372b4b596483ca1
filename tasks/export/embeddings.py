"""Write the vectors of a fitted model as Parquet, for notebooks, vector databases and other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.base import FloatArray, Recommender
from models.ranking.factor_model import FactorRecommender
from models.ranking.item_vectors import ItemVectorRecommender
from models.ranking.user_similarity import UserVectorRecommender
from tasks.datasets.atomic_folder import atomic_folder
from tasks.errors import UsageError
from tasks.export.titles import titles_of
from tasks.reporting.find_model import FoundModel
from tasks.training.load_model import load_model

USERS, ITEMS = "users.parquet", "items.parquet"
_BLOCK_ROWS = 65_536

ColumnsOf = Callable[[NDArray[np.int64]], Mapping[str, pa.Array]]
"""Returns the columns of some rows of a model."""


@dataclass(frozen=True)
class Embeddings:
    """Vectors that were written.

    Attributes:
        folder: of the files.
        model: the fitted model.
        n_items, n_users: rows of the files; no users where the model has vectors of items only.
        width: numbers in a vector.
        scores_are_products: whether a user's score of an item is the product of their vectors, plus the item's bias.
    """

    folder: Path
    model: FoundModel
    n_items: int
    n_users: int
    width: int
    scores_are_products: bool


def export_embeddings(found: FoundModel, folder: Path) -> Embeddings:
    """Write the vectors of a model into a folder, which appears complete or not at all.

    Users and items that the model does not know are left out. Files are written by blocks of rows.

    `items.parquet`: item_id, title (null where there is none), vector (fixed-size list of float32), bias (float32, null
    where scores are no products of vectors).
    `users.parquet`: user_id, vector; no file for a model with vectors of items only.
    The schema of each names the model, the run and the data that it was fitted on.

    Args:
        found: a fitted model with vectors.
        folder: absent or empty.

    Raises:
        UsageError: the folder holds something, or the model learned nothing.
        NightError: the disk is full.
    """
    model = load_model(found.fitted)
    assert isinstance(model, ItemVectorRecommender)  # noqa: S101  (`EMBEDDINGS` finds only such)
    items, users = np.flatnonzero(model.known_items_), np.flatnonzero(model.known_users_)
    if not found.fitted.learned or not len(items):
        raise UsageError(
            f"{model.name} of run {found.run.run_id} learned nothing: it has no vectors to write."
        )
    bias = _bias(model)
    item_ids = found.ids("item")
    titles = (
        pa.nulls(len(item_ids), pa.string()) if found.titles is None else titles_of(item_ids, found.titles)
    )

    def items_of(rows: NDArray[np.int64]) -> Mapping[str, pa.Array]:
        return {
            "item_id": item_ids.take(rows),
            "title": titles.take(rows),
            "vector": _lists(model.item_factors_[rows]),
            "bias": pa.nulls(len(rows), pa.float32()) if bias is None else pa.array(bias[rows]),
        }

    with atomic_folder(folder) as place:
        _write(place / ITEMS, items, items_of, found)
        if isinstance(model, UserVectorRecommender):
            user_ids, vectors = found.ids("user"), model.user_vectors()
            _write(
                place / USERS, users,
                lambda rows: {"user_id": user_ids.take(rows), "vector": _lists(vectors[rows])},
                found,
            )  # fmt: skip
    n_users = len(users) if isinstance(model, UserVectorRecommender) else 0
    width = model.item_factors_.shape[1]
    return Embeddings(folder, found, len(items), n_users, width, scores_are_products=bias is not None)


def _bias(model: Recommender) -> FloatArray | None:
    """Return what a factor model adds to the products, (n_items,); None for models whose scores are no products."""
    if not isinstance(model, FactorRecommender):
        return None
    return model.item_bias_ if model.item_bias_.size else np.zeros(len(model.known_items_), np.float32)


def _lists(vectors: FloatArray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


def _write(file: Path, rows: NDArray[np.int64], columns_of: ColumnsOf, found: FoundModel) -> None:
    """Write a file by blocks: a row group for each."""
    about = {"model": found.fitted.model, "run_id": str(found.run.run_id), "fitted_on": found.fitted_on}
    schema = pa.table(dict(columns_of(rows[:0]))).schema.with_metadata(about)
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, len(rows), _BLOCK_ROWS):
            writer.write_table(pa.table(dict(columns_of(rows[start : start + _BLOCK_ROWS])), schema=schema))
