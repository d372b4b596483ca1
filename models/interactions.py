"""The training data of every recommender: one snapshot of users and items, as sparse matrices of one shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.npz_files import read_npz, write_npz
from models.relations import Relations

MatrixName = Literal["rating", "positive", "composite"]
_MATRICES = ("seen", "rating", "positive", "composite", "timestamp", "item_features")
_OPTIONAL = ("title_words", "user_features", "links")
_NAMES = {"title_words": "title_word_names", "user_features": "user_feature_names"}


@dataclass(frozen=True)
class Interactions:
    """Sparse user × item matrices of one shape; rows and columns are dense indices, never external ids.

    All are canonical `csr_array` (sorted indices, no duplicates). Construction raises a ValueError for a matrix that
    is not, or that has another shape or dtype. Indices become int32 where they fit: with two types of indices, every
    kernel would be compiled twice.

    Attributes:
        seen: (n_users, n_items) float32, 1 for every interaction of any kind. For masking, not for training.
        rating: float32, the explicit rating as given (an explicit zero is a rating of zero).
        positive: float32, 1 where the user showed liking (rating ≥ `relevant_rating`, positive event, tag).
        composite: float32, the composite utility u where u > 0.
        timestamp: int64, Unix seconds of the pair's latest interaction; same sparsity pattern as `seen`.
        item_features: (n_items, n_features) float32, how often each genre, tag or attribute was given to each item.
        feature_names: one name per column of `item_features`, such as `genre:Drama`, `tag:noir` or `director:Lang`.
        title_words: (n_items, n_words) float32, how often each word stands in each title; None without titles.
        title_word_names: one name per column of `title_words`.
        user_features: (n_users, n_user_features) float32, 1 where a user has a feature; None if the data have none.
        user_feature_names: one name per column of `user_features`, such as `gender:F` or `age:25-34`.
        links: (n_users, n_users) float32, the weight above 0 of the tie from a user to a friend, none to oneself;
            mutual friends have an entry in both directions. None if the data have none.
        relations: facts about the items; None if the data have none.
    """

    seen: sparse.csr_array
    rating: sparse.csr_array
    positive: sparse.csr_array
    composite: sparse.csr_array
    timestamp: sparse.csr_array
    item_features: sparse.csr_array
    feature_names: tuple[str, ...] = ()
    title_words: sparse.csr_array | None = None
    title_word_names: tuple[str, ...] = ()
    user_features: sparse.csr_array | None = None
    user_feature_names: tuple[str, ...] = ()
    links: sparse.csr_array | None = None
    relations: Relations | None = None

    def __post_init__(self) -> None:
        for name in self._there():
            matrix, dtype = getattr(self, name), np.int64 if name == "timestamp" else np.float32
            if not isinstance(matrix, sparse.csr_array):
                raise ValueError(f"matrix {name!r} is a {type(matrix).__name__}: make it a csr_array")
            if matrix.dtype != dtype:
                raise ValueError(f"matrix {name!r} holds {matrix.dtype}: make it {dtype.__name__}")
            if not matrix.has_canonical_format:
                raise ValueError(
                    f"matrix {name!r} has unsorted or repeated indices: call its sum_duplicates()"
                )
            object.__setattr__(self, name, _with_short_indices(matrix))
        for name in ("rating", "positive", "composite", "timestamp"):
            shape = getattr(self, name).shape
            if shape != self.seen.shape:
                raise ValueError(f"matrix {name!r} has shape {shape}, but 'seen' has {self.seen.shape}")
        self._check_features("item_features", self.n_items, "items", "feature_names")
        self._check_features("title_words", self.n_items, "items", "title_word_names")
        self._check_features("user_features", self.n_users, "users", "user_feature_names")
        if self.links is not None and self.links.shape != (self.n_users, self.n_users):
            raise ValueError(f"links have shape {self.links.shape}, expected {self.n_users} users twice")
        if self.relations is not None and self.relations.n_items != self.n_items:
            raise ValueError(f"relations know {self.relations.n_items} items, but 'seen' has {self.n_items}")

    def _check_features(self, name: str, n_rows: int, rows: str, names: str) -> None:
        """Raise if the matrix called `name` is there and has not `n_rows` rows and a column for each of `names`."""
        matrix, n_columns = getattr(self, name), len(getattr(self, names))
        if matrix is not None and matrix.shape != (n_rows, n_columns):
            raise ValueError(
                f"{name} has shape {matrix.shape}, expected ({n_rows} {rows}, {n_columns} {names.replace('_', ' ')})"
            )

    @property
    def n_users(self) -> int:
        """Number of rows of every matrix."""
        return int(self.seen.shape[0])

    @property
    def n_items(self) -> int:
        """Number of columns of every matrix."""
        return int(self.seen.shape[1])

    def matrix(self, name: MatrixName) -> sparse.csr_array:
        """Return the training matrix called `name`."""
        chosen: sparse.csr_array = getattr(self, name)
        return chosen

    @classmethod
    def from_positive(cls, positive: sparse.csr_array) -> Interactions:
        """Make Interactions of likes alone, for benchmarks and notebooks: every matrix holds the likes.

        Args:
            positive: (n_users, n_items); every stored entry is a like, whatever its value. It is not changed.

        Returns:
            Interactions whose timestamps are 0, without item features.
        """
        ones = sparse.csr_array(positive.astype(np.float32, copy=True))
        ones.sum_duplicates()
        ones.data[:] = 1
        no_features = sparse.csr_array((ones.shape[1], 0), dtype=np.float32)
        timestamp = sparse.csr_array(
            (np.zeros(ones.nnz, np.int64), ones.indices, ones.indptr), shape=ones.shape
        )
        return cls(
            seen=ones, rating=ones, positive=ones, composite=ones, timestamp=timestamp,
            item_features=no_features,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write what is there into `folder`: a `.npz` per matrix, its names as `.json`, the relations."""
        there = self._there()
        for name in there:
            save_matrix(folder, name, getattr(self, name))
        for name in ("feature_names", *(_NAMES[name] for name in there if name in _NAMES)):
            text = json.dumps(list(getattr(self, name)), ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        if self.relations is not None:
            self.relations.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        """Read the files that `save` wrote into `folder`."""
        there = [name for name in _OPTIONAL if (folder / f"{name}.npz").exists()]
        matrices: dict[str, Any] = {name: load_matrix(folder, name) for name in (*_MATRICES, *there)}
        names = ("feature_names", *(_NAMES[name] for name in there if name in _NAMES))
        named: dict[str, Any] = {name: load_names(folder, name) for name in names}
        return cls(**matrices, **named, relations=Relations.load(folder))

    def _there(self) -> tuple[str, ...]:
        """Return the names of all matrices that are not None."""
        return _MATRICES + tuple(name for name in _OPTIONAL if getattr(self, name) is not None)


def _with_short_indices(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return the matrix with int32 indices, itself if they are so already or do not fit."""
    if matrix.indices.dtype == np.int32 or max(matrix.nnz, *matrix.shape) > np.iinfo(np.int32).max:
        return matrix
    short = sparse.csr_array(
        (matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)), matrix.shape
    )
    short.has_canonical_format = True
    return short


def touched_items(seen: sparse.csr_array) -> NDArray[np.bool_]:
    """Return which items have an interaction of any kind.

    Args:
        seen: (n_users, n_items), an entry for every pair with an interaction.

    Returns:
        (n_items,) bool.
    """
    return np.bincount(seen.indices, minlength=seen.shape[1]) > 0


def entries_of(values: sparse.csr_array, pattern: sparse.csr_array) -> NDArray[np.int64]:
    """Return the entries of `values` at the places of the entries of `pattern`, (pattern.nnz,).

    Args:
        values: (m, n), canonical; holds all places of `pattern`.
        pattern: (m, n), canonical.
    """
    if values.nnz == pattern.nnz:
        found: NDArray[np.int64] = values.data
        return found
    n = values.shape[1]
    keys, places = (
        np.repeat(np.arange(m.shape[0], dtype=np.int64) * n, np.diff(m.indptr)) + m.indices
        for m in (values, pattern)
    )
    at: NDArray[np.int64] = values.data[np.searchsorted(keys, places)]
    return at


def only(matrix: sparse.csr_array, kept: NDArray[np.bool_]) -> sparse.csr_array:
    """Return the matrix with some of its entries, and indices of the same type.

    Args:
        matrix: (m, n).
        kept: (nnz,) mask of the stored entries, in their order.
    """
    row_ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr].astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], row_ends), shape=matrix.shape)


def likes_in(matrix: sparse.csr_array, name: MatrixName, data: Interactions) -> sparse.csr_array:
    """Return the entries of a training matrix that are likes: those above 0, and of ratings the positive ones.

    Args:
        matrix: (n_users, n_items), that of the name `name` in `data`.
        name: of the matrix.
        data: the snapshot. If nothing in it is positive, every rating above 0 counts.

    Returns:
        (n_users, n_items); `matrix` itself if all its entries are likes.
    """
    if name == "rating" and data.positive.nnz:
        return data.positive
    if (matrix.data > 0).all():
        return matrix
    likes = matrix.copy()
    likes.data[likes.data < 0] = 0
    likes.eliminate_zeros()
    return likes


def save_matrix(folder: Path, name: str, matrix: sparse.csr_array) -> None:
    """Write one matrix as `name`.npz into `folder`, in the form of `scipy.sparse.save_npz`."""
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    about = {"format": np.array(b"csr"), "shape": np.array(matrix.shape), "_is_array": np.array(True)}
    write_npz(folder / f"{name}.npz", about | parts)


def load_matrix(folder: Path, name: str) -> sparse.csr_array:
    """Return one matrix that `Interactions.save` wrote, memory-mapped: `name`.npz in `folder`."""
    arrays = read_npz(folder / f"{name}.npz")
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return sparse.csr_array(parts, shape=tuple(arrays["shape"].tolist()))


def load_names(folder: Path, name: str) -> tuple[str, ...]:
    """Read names that `Interactions.save` wrote into `folder`: `name`.json, such as feature_names.json."""
    return tuple(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def load_feature_names(folder: Path) -> tuple[str, ...]:
    """Read the names of the columns of `item_features` that `Interactions.save` wrote into `folder`."""
    return load_names(folder, "feature_names")
