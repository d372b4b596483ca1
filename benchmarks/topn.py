"""Time the lists of both families of models and of a blend, and the bare products that they are made of.

python -m benchmarks.topn [--users 138493 --items 26744 --factors 64 --n 100]
python -m benchmarks.topn --snapshot FOLDER

First the scorer of factor models on random factors, seen items left out, beside implicit's `recommend` and the product
of the two matrices into a reused buffer; the lists are compared. Then `item_knn`, `als` (one iteration) and a blend of
both and `popularity`, fitted on random likes or on the matrices of a snapshot (`artifacts/utility/<key>` of a home):
the lists of at most 8,192 users, the bare sparse product of the same rows by three ways, and similar items of all items
by both models. The last line is machine-readable: time over that of the bare product, of the fastest of the three, and
of the blend over the sum of its members'; and the seconds of the slower similar items. Fits are not timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.command import at_least
from models.base import FloatArray, IntArray, Recommender, TopN
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from models.ranking import factor_scorer
from models.ranking.item_item_scorer import product_blocks
from models.ranking.tiled_product import Tiles
from tasks.monitoring.memory import peak_mb, reset_peak

SEEN_PER_USER = 144  # as in MovieLens 20M
ITEM_SPREAD = 2.0  # standard deviation of log(number of users), as in MovieLens 20M
LISTED_USERS = 8192
SIMILAR = 50  # items per list
T = TypeVar("T")


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Run a function; return the seconds it took, and its result."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def product_only(users: FloatArray, items: FloatArray, rows: int = 512) -> None:
    """Compute the matrix product that every exact scorer needs: (n_users, f) × (n_items, f), `rows` users at a time."""
    buffer = np.empty((rows, len(items)), np.float32)
    for start in range(0, len(users), rows):
        block = users[start : start + rows]
        np.matmul(block, items.T, out=buffer[: len(block)])


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


def random_likes(n_users: int, n_items: int) -> Interactions:
    """Draw about 100 likes a user by popularity, which is log-normal."""
    rng = np.random.default_rng(0)
    ends = np.exp(ITEM_SPREAD * rng.standard_normal(n_items)).cumsum()
    per_user = min(SEEN_PER_USER, n_items // 2)
    items = np.searchsorted(ends, rng.random(n_users * per_user) * ends[-1])
    rows = np.repeat(np.arange(n_users), per_user)
    return Interactions.from_positive(
        sparse.csr_array((np.ones(len(rows), np.float32), (rows, items)), (n_users, n_items))
    )


def fitted_models(data: Interactions, n: int, factors: int) -> tuple[list[Recommender], Blend]:
    """Fit `item_knn`, `als` and `popularity`, and a blend of them with a weight for each feature.

    Args:
        data: the snapshot.
        n: candidates of each member.
        factors: of `als`.
    """
    als = ALS(ALSConfig(factors=factors, iterations=1))
    members: list[Recommender] = [model.fit(data, seed=1) for model in (ItemKNN(), als, Popularity())]
    config = BlendConfig(candidates=n, members={model.name: model.name for model in members})
    blend = Blend(config, members).fit(data, seed=1)
    return members, blend.with_weights(dict.fromkeys(blend.feature_names, 1.0))


def bare_products(model: ItemKNN, users: IntArray) -> dict[str, float]:
    """Time the sparse product of the users' profiles and the similarities by three ways; nothing is selected.

    Args:
        model: fitted.
        users: (b,) user indices.
    """
    left, right, tiles = model.profiles_, model.similarity_, Tiles(model.similarity_)

    def by_scipy() -> None:
        for start in range(0, len(users), 256):
            _ = left[users[start : start + 256]] @ right

    ways: dict[str, Callable[[], object]] = {
        "by rows": lambda: [None for _ in product_blocks(left, right, users)],
        "by tiles": lambda: [None for _ in product_blocks(left, right, users, tiles)],
        "by scipy": by_scipy,
    }
    return {name: best_of_two(way) for name, way in ways.items()}


def best_of_two(run: Callable[[], object]) -> float:
    """Return the seconds of the faster of two runs; the first one may compile and make what is kept."""
    return min(timed(run)[0] for _ in range(2))


def time_models(data: Interactions, n: int, factors: int) -> str:
    """Time the lists of fitted models; print each time and return the ratios for the last line.

    Args:
        data: the snapshot.
        n: length of the lists.
        factors: of `als`.
    """
    members, blend = fitted_models(data, n, factors)
    rng = np.random.default_rng(1)
    users = np.sort(rng.choice(data.n_users, min(LISTED_USERS, data.n_users), replace=False))
    seconds = {
        model.name: best_of_two(
            lambda model=model: model.recommend(users, n, exclude=data.seen, items=blend.known_items_)
        )
        for model in (*members, blend)
    }
    item_knn = members[0]
    assert isinstance(item_knn, ItemKNN)
    bare = bare_products(item_knn, users)
    everything = np.arange(data.n_items)
    similar = {m.name: timed(lambda m=m: m.similar_items(everything, SIMILAR))[0] for m in members[:2]}
    for what, times in (("lists", seconds), ("bare product", bare), ("similar items", similar)):
        for name, time_taken in times.items():
            print(f"{what + ' ' + name:<28}{time_taken:>8.2f} s")
    of_members = sum(seconds[member.name] for member in members)
    return (
        f"item_item_ratio={seconds['item_knn'] / min(bare.values()):.2f} "
        f"blend_ratio={seconds['blend'] / of_members:.2f} similar_s={max(similar.values()):.1f}"
    )


def time_factors(asked: argparse.Namespace, n_seen: int) -> float:
    """Time the scorer of factor models on random factors, print, and return its time over that of the bare product.

    Args:
        asked: the arguments of the command line.
        n_seen: items that each user has seen.
    """
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
    gemm_s = best_of_two(lambda: product_only(users, items))
    implicit_s, theirs = timed(lambda: by_implicit(users, items, seen, asked.n))
    check_equal(lists, theirs)
    print(f"ours_s={ours_s:.2f} implicit_s={implicit_s:.2f} gemm_s={gemm_s:.2f} extra_mb={extra:.0f}")
    return ours_s / gemm_s


def main() -> None:
    """Time all, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {"users": 138_493, "items": 26_744, "factors": 64, "n": 100}.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    parser.add_argument("--snapshot", type=Path, metavar="FOLDER", help="fit on these matrices")
    asked = parser.parse_args()
    if asked.snapshot is not None and not (asked.snapshot / "positive.npz").is_file():
        parser.error(
            f"--snapshot {asked.snapshot} holds no positive.npz: give the folder of a snapshot, such as "
            "artifacts/utility/<key> of a home"
        )
    n_seen = min(SEEN_PER_USER, asked.items // 2)
    if asked.n > asked.items - n_seen:
        parser.error(
            f"--n {asked.n} is more than the {asked.items - n_seen} items that are left to list: users have "
            f"seen {n_seen} of {asked.items}"
        )
    factor_ratio = time_factors(asked, n_seen)
    data = Interactions.load(asked.snapshot) if asked.snapshot else random_likes(asked.users, asked.items)
    others = time_models(data, asked.n, asked.factors)
    print(f"factor_ratio={factor_ratio:.2f} {others}")


if __name__ == "__main__":
    main()
