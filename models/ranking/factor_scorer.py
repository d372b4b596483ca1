"""Top-N scorer of all factor models: matrix product by blocks of users, then selection; on a GPU if there is one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import local

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.device import gpu_name, torch_device
from models.numerics.threads import one_blas_thread
from models.ranking import gpu_scorer
from models.ranking.topk import Selector, block_rows

_BLOCKS = 2  # of 120 MB of scores, for four threads together: products of few rows take longer
_FEW = 32  # users whose lists take less time than it takes to share them out
_PARTS = (
    4  # of the blocks and of the users, on any number of threads: some processors round by a product's rows
)


def top_n(
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    item_bias: FloatArray | None = None,
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """Return the n items of greatest user_factors · item_factors + item_bias for each user.

    Each thread computes the products of some users and selects from them. Beyond the result four threads hold at most
    1,024 rows and 60 million scores together. The bits do not depend on the number of threads.

    Args:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        users: (n_rows,) rows of `user_factors` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        item_bias: (n_items,) float32; None is zero.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear; by default all.

    Returns:
        Lists of shape (n_rows, n).
    """
    users = np.asarray(users)
    if gpu_name():
        return gpu_scorer.top_n(
            _with_one(user_factors, item_bias), _with_bias(item_factors, item_bias), users, n,
            tie_order=tie_order, device=torch_device("auto"), exclude=exclude, eligible=eligible,
        )  # fmt: skip
    selector = Selector(users, n, tie_order, exclude, eligible)
    weights = _with_bias(item_factors, item_bias)
    threads = numba.get_num_threads()
    rows = max(1, min(block_rows(len(weights), _BLOCKS) // _PARTS, max(_FEW, -(-len(users) // _PARTS))))
    own = local()

    def fill(start: int) -> None:
        block = _with_one(user_factors[users[start : start + rows]], item_bias)
        if not hasattr(own, "buffer"):  # fresh memory costs several times as much as the product
            own.buffer = np.empty((rows, len(weights)), np.float32)
        scores = own.buffer[: len(block)]
        # By numpy's OpenBLAS: torch's MKL takes 1.8 times as long on processors that are not Intel's. The last bit may
        # depend on the processor and on the column: equal item vectors need not tie.
        with np.errstate(over="ignore", invalid="ignore"):  # such scores are never listed
            np.matmul(block, weights.T, out=scores)
        selector.select_here(start, scores)

    starts = range(0, len(users), rows)
    if len(starts) < 2:
        with one_blas_thread():
            for start in starts:
                fill(start)
        return selector.top
    # BLAS's own threads wait for the next product by spinning, and keep the processors from the selection meanwhile
    with one_blas_thread(), ThreadPoolExecutor(threads, thread_name_prefix="lists") as workers:
        for _ in workers.map(fill, starts):
            continue  # so that an error is raised
    return selector.top


def score(
    user_factors: FloatArray, item_factors: FloatArray, users: IntArray, item_bias: FloatArray | None = None
) -> FloatArray:
    """Compute the scores of all items.

    Args:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        users: (b,) rows of `user_factors`.
        item_bias: (n_items,) float32; None is zero.

    Returns:
        (b, n_items) float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scores: FloatArray = _with_one(user_factors[users], item_bias) @ _with_bias(item_factors, item_bias).T
    return scores


def _with_bias(item_factors: FloatArray, item_bias: FloatArray | None) -> FloatArray:
    """Append the bias as one more factor, so that the product adds it; `_with_one` gives users a 1 there."""
    if item_bias is None:
        return np.ascontiguousarray(item_factors, np.float32)
    return np.column_stack([item_factors, item_bias]).astype(np.float32, copy=False)


def _with_one(user_factors: FloatArray, item_bias: FloatArray | None) -> FloatArray:
    if item_bias is None:
        return np.ascontiguousarray(user_factors, np.float32)
    return np.column_stack([user_factors, np.ones(len(user_factors), np.float32)])
