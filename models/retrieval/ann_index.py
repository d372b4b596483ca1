"""An index for approximate nearest neighbours: the items of greatest product with a vector, without scoring all.

Items are sorted into cells around the centres of k-means (an inverted file, Jégou, Douze & Schmid 2011, section 4), and
a search scores only the cells nearest to the user. The bias is one more dimension, in which users have a 1. Below about
a million items the exact product is fast enough: docs/realtime.md has figures.

Needs faiss, the extra `nightly-recs[ann]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray

LENGTH = 100
"""Length of the lists whose recall is measured."""
_LEAST_RECALL = 0.95
_TRAINED_ON = 64  # items for each cell that k-means is trained on; faiss warns below 39


class Measured(NamedTuple):
    """How an index does.

    Attributes:
        recall: share of the best `LENGTH` items by the exact product that the index finds, on average.
        n_queries: users that it was measured on.
        cells, probes: number of cells, and of those that a search scores.
        build_s: seconds to build it.
        ms, exact_ms: milliseconds of one user's search, and of the exact product and selection.
    """

    recall: float
    n_queries: int
    cells: int
    probes: int
    build_s: float
    ms: float
    exact_ms: float


def write_index(vectors: FloatArray, bias: FloatArray, queries: FloatArray, path: Path) -> Measured:
    """Build an index of items, and write it into a file that `faiss.read_index` reads.

    It searches as few cells as give 0.95 of the exact lists, or all of them. Results are rows of `vectors`.

    Args:
        vectors: (n_items, f) float32.
        bias: (n_items,) float32; items of −∞ are left out. One is finite at least.
        queries: (n, f) float32, users' vectors to measure with, at least one.
        path: of the file.
    """
    import faiss  # noqa: PLC0415  (an extra)

    rows = np.flatnonzero(np.isfinite(bias))
    points = np.column_stack([vectors[rows], bias[rows]]).astype(np.float32)
    asked = np.column_stack([queries, np.ones(len(queries))]).astype(np.float32)
    began = time.perf_counter()
    cells = max(1, min(round(4 * len(rows) ** 0.5), len(rows) // _TRAINED_ON))
    width = points.shape[1]
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, cells, faiss.METRIC_INNER_PRODUCT)
    drawn = np.random.default_rng(0).choice(len(rows), min(len(rows), _TRAINED_ON * cells), replace=False)
    index.train(points[np.sort(drawn)])
    index.add_with_ids(points, rows.astype(np.int64))
    build_s = time.perf_counter() - began

    n = min(LENGTH, len(rows))
    exact, exact_ms = _searched(asked, lambda user: rows[_best(points @ user, n)])
    index.nprobe = max(1, cells // 64)
    while True:
        found, ms = _searched(asked, lambda user: index.search(user[None], n)[1][0])
        recall = float(np.mean([len(np.intersect1d(*pair)) / n for pair in zip(found, exact, strict=True)]))
        if recall >= _LEAST_RECALL or index.nprobe >= cells:
            break
        index.nprobe = min(index.nprobe + index.nprobe // 4 + 1, cells)
    faiss.write_index(index, str(path))
    return Measured(recall, len(queries), cells, index.nprobe, build_s, ms, exact_ms)


def _best(scores: FloatArray, n: int) -> NDArray[np.intp]:
    return np.argpartition(-scores, n - 1)[:n]


def _searched(
    asked: FloatArray, search: Callable[[FloatArray], NDArray[np.integer]]
) -> tuple[list[NDArray[np.integer]], float]:
    """Return the results for each user, one after the other, and the mean milliseconds of one."""
    began = time.perf_counter()
    found = [search(user) for user in asked]
    return found, 1e3 * (time.perf_counter() - began) / len(asked)
