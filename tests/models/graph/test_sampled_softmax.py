import numba
import numpy as np
import pytest
from scipy import sparse

from models.graph import sampled_softmax
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.sampled_softmax import N_SHARDS, Loss, ShardedDescent, user_shares
from tests.models.graph import oracle


def positives(shape: tuple[int, int] = (50, 40)) -> sparse.csr_array:
    return sparse.csr_array(np.random.default_rng(3).random(shape) < 0.2, dtype=np.float32)


def descent(matrix: sparse.csr_array, loss: Loss = "softmax", seed: int = 1) -> ShardedDescent:
    return ShardedDescent(matrix, loss=loss, negatives=20, negative_weight=3, seed=seed)


def embeddings(width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((50, width), np.float32), rng.standard_normal((40, width), np.float32)


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_a_pass_equals_plain_descent_of_every_shard(loss: Loss) -> None:
    rng = np.random.default_rng(2)
    users, items = embeddings()
    known = np.flatnonzero(np.arange(40) % 7)
    shards = [[(4 * n + s, int(rng.choice(known))) for n in range(12)] for s in range(4)]
    seeds = [int(seed) for seed in rng.integers(1, 2**63, 4)]
    steps = rng.random(50, np.float32)
    config = LightGCNConfig(loss=loss, negatives=6, negative_weight=5)
    dense = positives().toarray()
    dense[0], dense[1] = 1, np.arange(40) != known[0]  # they like everything, and everything but one item
    likes = sparse.csr_array(dense)
    liked = [frozenset(np.flatnonzero(row).tolist()) for row in dense]
    expected = oracle.descend(users, items, shards, known, seeds, steps, config, liked)
    at = np.array([pair for shard in shards for pair in shard])
    copies = np.empty((4, *items.shape), np.float32)
    sampled_softmax._descend(
        users, items, copies, at[:, 0].copy(), at[:, 1].copy(), np.arange(0, 49, 12), known,
        np.array(seeds, np.uint64), likes.indptr, likes.indices, 6, np.float32(np.log(5)), steps, loss == "bpr",
    )  # fmt: skip
    sampled_softmax._merge(items, copies)
    np.testing.assert_allclose(users, expected[0], atol=2e-5)
    np.testing.assert_allclose(items, expected[1], atol=2e-5)


def test_negatives_are_drawn_uniformly_from_known_items() -> None:
    known = np.array([3, 5, 6, 9])
    drawn, _ = oracle.draw(known, 88172645463325252, 4000)
    count = np.bincount(drawn, minlength=10)
    assert count[known] == pytest.approx(1000, abs=120)
    assert count.sum() == count[known].sum()


def test_bpr_draws_no_own_like_while_there_is_another_item() -> None:
    known, drawn, state = np.arange(40), np.empty(101, np.int64), np.uint64(7)
    for n_likes in (0, 10, 30, 39, 40):
        likes = np.sort(np.random.default_rng(n_likes).permutation(40)[:n_likes]).astype(np.int32)
        state, end = sampled_softmax._draw(np.uint64(state), known, likes, 100, drawn)
        assert not set(drawn[1:end]) & set(likes.tolist())
        assert end == 101 if n_likes <= 10 else end > 90 if n_likes == 30 else end < 70
    assert end == 1, "who likes everything has no negative"


def test_one_item_of_everybody_is_compared_with_nothing() -> None:
    """A row of likes of everything leaves BPR without negatives, and the embeddings as they were."""
    users, items = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    trained = descent(sparse.csr_array(np.ones((3, 2), np.float32)), "bpr")
    trained.descend(users, items, trained.shuffled(1)[0], 0.1)
    assert (users == 1).all()
    assert (items == 1).all()


def test_an_epoch_has_each_positive_once_and_a_user_one_shard() -> None:
    matrix = positives((500, 40))
    parts = descent(matrix).shuffled(3)
    shards = [np.concatenate(shard) for shard in zip(*parts, strict=True)]
    assert np.array_equal(np.sort(np.concatenate(shards)), np.arange(matrix.nnz))
    users = np.repeat(np.arange(500), np.diff(matrix.indptr))
    owners = [set(users[shard]) for shard in shards]
    assert sum(map(len, owners)) == len(set().union(*owners)) == len(set(users))
    assert [len(shard) for shard in shards] == pytest.approx([matrix.nnz / N_SHARDS] * N_SHARDS, rel=0.05)
    assert not np.array_equal(shards[0], np.sort(shards[0]))


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_only_the_seed_and_not_the_threads_changes_bits(loss: Loss) -> None:
    matrix, threads = positives(), numba.get_num_threads()

    def after(seed: int, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
        numba.set_num_threads(n_threads)
        users, items = embeddings()
        trained = descent(matrix, loss, seed)
        for part in trained.shuffled(2):
            trained.descend(users, items, part, 0.1)
        return users, items

    try:
        one, many, other = after(1, 1), after(1, threads), after(2, threads)
    finally:
        numba.set_num_threads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    assert not np.array_equal(one[1], other[1])


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_shares_fall_with_the_degree_and_are_1_on_average(exponent: float) -> None:
    matrix = positives()
    degree, shares = np.diff(matrix.indptr), user_shares(matrix, exponent)
    assert shares @ degree == pytest.approx(matrix.nnz, rel=1e-5)
    np.testing.assert_allclose(shares * degree**exponent, shares[0] * degree[0] ** exponent, rtol=1e-5)


def test_the_fast_exponential_is_accurate() -> None:
    @numba.njit
    def each(x: np.ndarray) -> np.ndarray:
        return np.array([sampled_softmax._exp(value) for value in x])

    x = np.linspace(-86, 87, 2001).astype(np.float32)
    np.testing.assert_allclose(each(x), np.exp(x.astype(np.float64)), rtol=4e-7)
    assert np.isfinite(each(np.array([-1e30, 1e30], np.float32))).all()


def test_weightless_negatives_change_nothing() -> None:
    users, items = embeddings()
    before = items.copy()
    trained = ShardedDescent(positives(), loss="softmax", negatives=5, negative_weight=1e-9, seed=1)
    trained.descend(users, items, trained.shuffled(1)[0], 0.1)
    np.testing.assert_allclose(items, before, atol=1e-3)
