import numba
import numpy as np
import pytest
from scipy import sparse

from models.graph import grouped_softmax
from models.graph.grouped_softmax import GroupedDescent, groups_of
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.sampled_softmax import N_SHARDS
from models.interactions import Interactions
from tests.models.graph import oracle

N_USERS, N_ITEMS = 50, 40


def positives() -> sparse.csr_array:
    return sparse.csr_array(np.random.default_rng(3).random((N_USERS, N_ITEMS)) < 0.2, dtype=np.float32)


def descent(matrix: sparse.csr_array, seed: int = 1, group: int = 3) -> GroupedDescent:
    return GroupedDescent(matrix, group=group, negatives=20, negative_weight=3, seed=seed)


def embeddings(width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((N_USERS, width), np.float32), rng.standard_normal(
        (N_ITEMS, width), np.float32
    )


def plain_step(
    users: np.ndarray,
    items: np.ndarray,
    user: int,
    own: list[int],
    drawn: list[int],
    weight: float,
    step: float,
) -> None:
    """Take one step on −Σ_j log(e^s_j / (e^s_j + w Σ_n e^s_n)), in float64; an item drawn twice is changed twice."""
    vector, vectors, score = users[user].copy(), items.copy(), items @ users[user]
    rivals = weight * np.exp(score[drawn]).sum()
    left = [rivals / (np.exp(score[positive]) + rivals) for positive in own]
    slopes = [*(-share for share in left), *(sum(left) * weight * np.exp(score[drawn]) / rivals)]
    for item, slope in zip([*own, *drawn], slopes, strict=True):
        users[user] -= step * slope * vectors[item]
        items[item] -= step * slope * vector


def test_a_pass_equals_plain_descent_of_every_shard() -> None:
    """Each shard has ten groups: eight that share a draw of negatives, and two with the next."""
    users, items = embeddings()
    known = np.arange(0, 40, 2).astype(np.int32)
    owners = np.repeat(np.arange(20, dtype=np.int32), 2)
    starts = np.cumsum([0, *[1, 3, 2, 4] * 10])
    odd = np.arange(1, 40, 2, dtype=np.int32)
    own_items = np.concatenate([np.roll(odd, n)[:size] for n, size in enumerate(np.diff(starts))])
    order, bounds = (
        np.array([np.flatnonzero(owners % 4 == shard) for shard in range(4)]),
        np.arange(0, 41, 10),
    )
    seeds, steps = [11, 12, 13, 14], np.linspace(0.01, 0.05, N_USERS).astype(np.float32)
    expected_users = users.astype(np.float64)
    change = np.zeros(items.shape)
    for shard in range(4):
        copy, state = items.astype(np.float64), seeds[shard]
        for place, group in enumerate(order[shard]):
            if place % 8 == 0:
                drawn, state = oracle.draw(known, state, 6)
            own = own_items[starts[group] : starts[group + 1]].tolist()
            plain_step(expected_users, copy, owners[group], own, list(drawn), 5, steps[owners[group]])
        change += copy - items
    copies = np.empty((4, *items.shape), np.float32)
    before = items.copy()
    grouped_softmax._descend(
        users, items, copies, owners, starts, own_items, order.ravel(), bounds, known,
        np.array(seeds, np.uint64), 6, np.float32(np.log(5)), steps,
    )  # fmt: skip
    grouped_softmax._merge(items, copies)
    np.testing.assert_allclose(users, expected_users, atol=3e-5)
    np.testing.assert_allclose(items, before + change, atol=3e-5)
    assert np.abs(change).max() > 0.01


def test_groups_are_few_full_and_within_their_rows() -> None:
    indptr = np.array([0, 0, 7, 8, 12])
    owners, starts = groups_of(indptr, 3)
    assert owners.tolist() == [1, 1, 1, 2, 3, 3]
    assert starts.tolist() == [0, 2, 4, 7, 8, 10, 12]


def test_an_epoch_has_each_positive_once_and_a_user_one_shard() -> None:
    matrix = positives()
    trained = descent(matrix)
    parts = trained.shuffled(3)
    shards = [np.concatenate(shard) for shard in zip(*parts, strict=True)]
    assert np.array_equal(np.sort(np.concatenate(shards)), np.arange(len(trained._owners)))
    owners = [set(trained._owners[shard]) for shard in shards]
    assert sum(map(len, owners)) == len(set().union(*owners))
    sizes = [np.diff(trained._starts)[shard].sum() for shard in shards]
    assert sizes == pytest.approx([matrix.nnz / N_SHARDS] * N_SHARDS, rel=0.2)


def test_each_epoch_groups_the_positives_of_a_user_anew() -> None:
    matrix = positives()
    trained = descent(matrix)
    first, second = (trained.shuffled(1) and trained._items.copy() for _ in range(2))
    assert not np.array_equal(first, second)
    for row in range(N_USERS):
        own = slice(*matrix.indptr[row : row + 2])
        assert sorted(first[own]) == sorted(second[own]) == matrix.indices[own].tolist()
    assert matrix.has_sorted_indices, "the caller's matrix is not shuffled"


def test_only_the_seed_and_not_the_threads_changes_bits() -> None:
    threads = numba.get_num_threads()

    def after(seed: int, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
        numba.set_num_threads(n_threads)
        users, items = embeddings()
        trained = descent(positives(), seed)
        for part in trained.shuffled(2):
            trained.descend(users, items, part, 0.1)
        return users, items

    try:
        one, many, other = after(1, 1), after(1, threads), after(2, threads)
    finally:
        numba.set_num_threads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))
    assert not np.array_equal(one[1], other[1])


def test_weightless_negatives_change_nothing() -> None:
    users, items = embeddings()
    before = items.copy()
    trained = GroupedDescent(positives(), group=3, negatives=5, negative_weight=1e-9, seed=1)
    trained.descend(users, items, trained.shuffled(1)[0], 0.1)
    np.testing.assert_allclose(items, before, atol=1e-3)


def test_groups_learn_the_tastes_that_single_positives_learn() -> None:
    own = np.arange(120)[:, None] % 4 == np.arange(80) % 4
    likes = np.random.default_rng(0).random(own.shape) < np.where(own, 0.5, 0.05)
    data = Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32))
    for group in (1, 4):
        model = LightGCN(LightGCNConfig(factors=16, group=group, gain=1, shrink=0.5)).fit(data, seed=1)
        top = model.recommend(np.arange(120), 5, exclude=data.seen)
        assert np.take_along_axis(own, top.items, axis=1).mean() > 0.9


@pytest.mark.parametrize(
    ("positives", "items", "crowded"),
    [(900_000, 100, False), (1_200_000, 38_000, False), (1_500_000, 20_000, True), (5_000_000, 10**6, True)],
)
def test_crowded_data_have_defaults_of_their_own(positives: int, items: int, crowded: bool) -> None:
    found = LightGCNConfig(shrink=2.0).for_data(positives, items)
    assert (found.group, found.gain, found.refreshes) == ((4, 1.0, 4) if crowded else (None, None, None))
    assert found.shrink == 2.0
    assert crowded == (found.epochs is not None)


def test_crowded_data_get_fewer_epochs_the_more_there_are() -> None:
    epochs = [LightGCNConfig().for_data(n, 1000).epochs for n in (1_500_000, 5_000_000, 18_000_000, 10**9)]
    assert epochs == [8, 6, 4, 3]
