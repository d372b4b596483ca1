"""Interactions with the ids of their own data, for notebooks: what models are fitted on and judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from models import interactions as matrices

_LOWEST, _HIGHEST, _LIKED = 0.5, 5.0, 3.5
"""The scale on which ratings from 3.5 on are likes without a word, as in pipeline.toml."""


@dataclass(frozen=True, repr=False)
class Interactions:
    """Users, items and what passed between them.

    Attributes:
        matrices: the sparse matrices that models read (`models.interactions.Interactions`).
        user_ids: (n_users,) the user of each row.
        item_ids: (n_items,) the item of each column.
        titles: item → title; empty without titles.
    """

    matrices: matrices.Interactions
    user_ids: pd.Index[Any]
    item_ids: pd.Index[Any]
    titles: pd.Series[Any]

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        user: str = "user",
        item: str = "item",
        rating: str | None = None,
        time: str | None = None,
        title: str | None = None,
        liked: float | None = None,
    ) -> Interactions:
        """Make Interactions of a frame with a row for each interaction.

        Of several rows of a pair the latest counts, by time or else by their order.

        Args:
            frame: not changed.
            user, item: columns of ids, of any type.
            rating: a column of numbers; without it every row is a like.
            time: a column of times, or of Unix seconds; without it no row is later than another.
            title: a column of the items' titles.
            liked: the least rating that is a like; needed where ratings leave the scale from 0.5 to 5, on which it is
                3.5.

        Raises:
            ValueError: a column is absent, an id, rating or time is missing, or `liked` is needed.
        """
        _check(frame, [name for name in (user, item, rating, time, title) if name is not None])
        rows, user_ids = pd.factorize(frame[user])
        columns, item_ids = pd.factorize(frame[item])
        seconds = np.zeros(len(frame), np.int64) if time is None else _seconds(frame[time])
        ratings = None if rating is None else frame[rating].to_numpy(np.float64)
        kept = _latest(rows.astype(np.int64) * max(len(item_ids), 1) + columns, seconds)
        is_liked = np.ones(len(frame), bool) if ratings is None else ratings >= _threshold(ratings, liked)
        found = _matrices(
            rows[kept],
            columns[kept],
            seconds[kept],
            is_liked[kept],
            None if ratings is None else ratings[kept],
            (len(user_ids), len(item_ids)),
        )
        titles = (
            pd.Series(dtype=object) if title is None else frame.drop_duplicates(item).set_index(item)[title]
        )
        return cls(found, pd.Index(user_ids), pd.Index(item_ids), titles)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.matrices.n_users

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.matrices.n_items

    def likes(self) -> pd.DataFrame:
        """Return the pairs of users and items that they like, in columns user and item."""
        pairs = self.matrices.positive.tocoo()
        return pd.DataFrame({"user": self.user_ids[pairs.row], "item": self.item_ids[pairs.col]})

    def split(self, share: float = 0.2, *, seed: int = 42) -> tuple[Interactions, Interactions]:
        """Divide into a part to train on and a later part to judge by, with the same users and items.

        With times, everything from one moment on is held out, as a night does it: that of the latest `share` of the
        interactions. Without times, a random share of each user's interactions.

        Args:
            share: of the interactions that is held out, between 0 and 1.
            seed: of the random share.

        Raises:
            ValueError: `share` is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1 (given: {share})")
        times = self.matrices.timestamp
        if times.nnz and times.data.min() < times.data.max():
            later = times.data >= np.quantile(times.data, 1 - share)
        else:
            later = np.random.default_rng(seed).random(times.nnz) < share
        return self._only(~later), self._only(later)

    def _only(self, kept: NDArray[np.bool_]) -> Interactions:
        """Return some of the interactions.

        Args:
            kept: (n_seen,) bool, in the order of `matrices.seen`.
        """
        own = self.matrices
        marks = sparse.csr_array(
            (kept.astype(np.int64) + 1, own.seen.indices, own.seen.indptr), own.seen.shape
        )
        found: dict[str, Any] = {
            name: matrices.only(matrix, matrices.entries_of(marks, matrix) == 2)
            for name in ("seen", "rating", "positive", "composite", "timestamp")
            for matrix in [getattr(own, name)]
        }
        return replace(self, matrices=replace(own, **found))

    def __repr__(self) -> str:
        seen, liked = self.matrices.seen.nnz, self.matrices.positive.nnz
        sizes = f"{self.n_users:,} users and {self.n_items:,} items"
        return f"Interactions of {sizes}: {seen:,} pairs, {liked:,} of them likes"


def _check(frame: pd.DataFrame, names: list[str]) -> None:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise ValueError(
            f"the frame has no column {absent[0]!r}; it has {', '.join(map(str, frame.columns))}"
        )
    for name in names:
        missing = int(frame[name].isna().sum())
        if missing:
            raise ValueError(
                f"{missing:,} of {len(frame):,} rows have no {name!r}: drop them, or fill them in"
            )


def _seconds(times: pd.Series[Any]) -> NDArray[np.int64]:
    """Return times as Unix seconds."""
    if pd.api.types.is_numeric_dtype(times):
        return times.to_numpy().astype(np.int64)
    dated = pd.to_datetime(times, utc=True)
    return dated.to_numpy(dtype="datetime64[s]").astype(np.int64)


def _threshold(ratings: NDArray[np.float64], liked: float | None) -> float:
    if liked is not None:
        return liked
    if len(ratings) and not (ratings.min() >= _LOWEST and ratings.max() <= _HIGHEST):
        raise ValueError(
            f"ratings go from {ratings.min():g} to {ratings.max():g}: say from which on they are likes, as in liked=7"
        )
    return _LIKED


def _latest(pairs: NDArray[np.int64], seconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the last row of each pair, in the order of the pairs."""
    order = np.lexsort((np.arange(len(pairs)), seconds, pairs))
    is_last = np.append(np.diff(pairs[order]) != 0, np.ones(min(len(pairs), 1), bool))
    found: NDArray[np.int64] = order[is_last]
    return found


def _matrices(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    seconds: NDArray[np.int64],
    is_liked: NDArray[np.bool_],
    ratings: NDArray[np.float64] | None,
    shape: tuple[int, int],
) -> matrices.Interactions:
    """Return the matrices of pairs that differ; each has the attributes that the rows give it."""

    def matrix(values: NDArray[Any], kept: NDArray[np.bool_] | None = None) -> sparse.csr_array:
        at = slice(None) if kept is None else kept
        found = sparse.csr_array((values[at], (rows[at], columns[at])), shape)
        found.sum_duplicates()
        return found

    ones = np.ones(len(rows), np.float32)
    return matrices.Interactions(
        seen=matrix(ones),
        rating=matrix(ones, np.zeros(len(rows), bool))
        if ratings is None
        else matrix(ratings.astype(np.float32)),
        positive=matrix(ones, is_liked),
        composite=matrix(ones, is_liked),
        timestamp=matrix(seconds),
        item_features=sparse.csr_array(np.empty((shape[1], 0), np.float32)),
    )
