"""Time the scorer of factor models: the n best items for every user, seen items left out.

python -m benchmarks.topn [--users 138493 --items 26744 --factors 64 --n 100]

It is compared, on the same random factors in the same process, with implicit's `recommend` and, as a lower bound, with
the product of the two matrices into a reused buffer. The lists are compared too. The last line is machine-readable:
seconds (best of two; implicit once) and the memory of our scorer beyond its result, as the kernel counts it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.command import at_least
from models.base import FloatArray, TopN
from models.ranking import factor_scorer
from tasks.monitoring.memory import peak_mb, reset_peak

SEEN_PER_USER = 144  # as in MovieLens 20M
T = TypeVar("T")


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Run a function; return the seconds it took, and its result."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def product_only(users: FloatArray, items: FloatArray, rows: int = 512) -> None:
    """Compute the matrix product that every exact scorer needs: (n_users, f) × (n_items, f), `rows` users at a time."""
    buffer, weights = torch.empty(rows, len(items)), torch.from_numpy(items).T
    for start in range(0, len(users), rows):
        block = torch.from_numpy(users[start : start + rows])
        torch.mm(block, weights, out=buffer[: len(block)])


def by_implicit(users: FloatArray, items: FloatArray, seen: sparse.csr_array, n: int) -> TopN:
    """Return the lists of implicit's `recommend`, with one BLAS thread per thread of implicit's own.

    Args:
        users: (n_users, f) float32.
        items: (n_items, f) float32.
        seen: (n_users, n_items), left out.
        n: length of a list.
    """
    model = AlternatingLeastSquares(factors=users.shape[1])
    model.user_factors, model.item_factors = users, items
    with threadpool_limits(1, "blas"):
        found = model.recommend(np.arange(len(users)), sparse.csr_matrix(seen), N=n)
    return TopN(*found)


def check_equal(ours: TopN, theirs: TopN) -> None:
    """Check that scores are equal at every rank, up to rounding; items may differ only where scores are tied.

    Raises:
        AssertionError: they differ.
    """
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-4, atol=1e-5)
    different = ours.items != theirs.items
    print(f"{different.mean():.2%} of the ranks hold another item of the same score, up to rounding")
    assert different.mean() < 0.01


def main() -> None:
    """Time all three, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {"users": 138_493, "items": 26_744, "factors": 64, "n": 100}.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    asked = parser.parse_args()
    n_seen = min(SEEN_PER_USER, asked.items // 2)
    if asked.n > asked.items - n_seen:
        parser.error(
            f"--n {asked.n} is more than the {asked.items - n_seen} items that are left to list: users have "
            f"seen {n_seen} of {asked.items}"
        )
    rng = np.random.default_rng(0)
    users = rng.standard_normal((asked.users, asked.factors), np.float32)
    items = rng.standard_normal((asked.items, asked.factors), np.float32)
    columns = (rng.random((asked.users, 1)) * asked.items + np.arange(n_seen) * 97) % asked.items
    seen = sparse.csr_array(
        (np.ones(columns.size, np.float32), (np.repeat(np.arange(asked.users), n_seen), columns.ravel().astype(int))),
        shape=(asked.users, asked.items),
    )  # fmt: skip
    everyone, ties = np.arange(asked.users), rng.permutation(asked.items).astype(np.int32)

    def ours(rows: int = asked.users) -> TopN:
        return factor_scorer.top_n(users, items, everyone[:rows], asked.n, tie_order=ties, exclude=seen)

    ours(min(asked.users, 1024))  # compiles
    reset_peak()
    before = peak_mb()
    first, lists = timed(ours)
    extra = peak_mb() - before - (lists.items.nbytes + lists.scores.nbytes) / 2**20
    ours_s = min(first, timed(ours)[0])
    gemm_s = min(timed(lambda: product_only(users, items))[0] for _ in range(2))
    implicit_s, theirs = timed(lambda: by_implicit(users, items, seen, asked.n))
    check_equal(lists, theirs)
    print(f"ours_s={ours_s:.2f} implicit_s={implicit_s:.2f} gemm_s={gemm_s:.2f} extra_mb={extra:.0f}")


if __name__ == "__main__":
    main()
