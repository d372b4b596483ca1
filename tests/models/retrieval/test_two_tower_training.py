"""The towers' inputs, batches and losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from models.base import DivergedError
from models.interactions import Interactions
from models.neural.early_stopping import CarveOut, carve_out
from models.neural.layers import give_generator
from models.neural.sampled_cross_entropy import plain_softmax
from models.neural.training import train
from models.retrieval.config import TwoTowerConfig
from models.retrieval.two_tower import ages, user_profiles, without_entries
from models.retrieval.two_tower_network import TwoTowerNetwork
from models.retrieval.two_tower_training import Inputs, LikedPairs, Step
from models.retrieval.visits import Visits, after_last_event
from tests.models.contract import N_ITEMS, N_USERS, UNTOUCHED_ITEM, small_world
from tests.models.retrieval.test_two_tower import of_parity, with_features

DAY = 86_400


def network_of(n_features: int = 0, n_user_features: int = 0, **options: object) -> TwoTowerNetwork:
    config = TwoTowerConfig(**{"factors": 6, "dropout": 0.0, "id_dropout": 0.0, **options})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = TwoTowerNetwork((N_USERS, N_ITEMS, n_features), config, n_user_features)
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.5)
    give_generator(network, 0)
    return network


def inputs_of(data: Interactions, network: TwoTowerNetwork) -> Inputs:
    visits = Visits.of(data.seen, data.timestamp, 7, 20)
    device = network.items.device
    return Inputs(
        data.positive, visits, data.item_features, ages(data.timestamp), device, user_profiles(data)
    )


def pairs_of(data: Interactions | None = None, **options: object) -> LikedPairs:
    data = small_world() if data is None else data
    config = TwoTowerConfig(**{"factors": 6, "dropout": 0.0, "id_dropout": 0.0, **options})
    network = network_of(data.item_features.shape[1], len(data.user_feature_names), **options)
    carved = CarveOut.nothing(data.positive)
    return LikedPairs("two_tower", network, config, carved, data.timestamp, inputs_of(data, network))


def dated_world() -> Interactions:
    """Return `small_world` with features of items and most users, and with times of events within a few days."""
    data = of_parity(with_features(small_world()), np.arange(10, N_USERS))
    times = data.timestamp.copy()
    times.data = np.random.default_rng(0).integers(DAY, 9 * DAY, times.nnz)
    return replace(data, timestamp=times)


def pairs_in(batch: Step) -> tuple[np.ndarray, np.ndarray]:
    """Return the user of each pair of a batch, and the item that they liked."""
    users, items = batch.users.rows[batch.users.places], batch.distinct[batch.items.ids]
    return users.numpy(), items[: len(users)].numpy()


# -- batches and losses --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_uniform", [3, 40])
def test_items_come_as_often_as_expected(n_uniform: int) -> None:
    objective = pairs_of(uniform_negatives=n_uniform, batch=50)
    counts, expected = np.zeros(N_ITEMS), np.zeros(N_ITEMS)
    rng, known = np.random.default_rng(0), np.arange(N_ITEMS) != UNTOUCHED_ITEM
    for epoch in range(40):
        for batch in objective.batches(epoch, rng):
            ids = batch.distinct[batch.items.ids].numpy()
            counts += np.bincount(ids, minlength=N_ITEMS)
            log_counts = objective.expected_counts(ids, len(batch.values))
            np.testing.assert_allclose(batch.log_counts, np.log(log_counts), rtol=1e-5)
            expected[known] += objective.expected_counts(np.flatnonzero(known), len(batch.values))
    assert counts.sum() == pytest.approx(expected.sum())
    assert counts[UNTOUCHED_ITEM] == 0
    np.testing.assert_allclose(counts[known], expected[known], rtol=0.15)


def test_batches_hold_every_like_once() -> None:
    objective, likes = pairs_of(batch=50), small_world().positive.tocoo()
    found = []
    for batch in objective.batches(0, np.random.default_rng(0)):
        users, liked = pairs_in(batch)
        found += [*zip(users.tolist(), liked.tolist(), strict=True)]
        assert len(liked) == len(batch.values)
        row, column = batch.hits
        assert (batch.items.ids[row] == batch.items.ids[column]).all()
        assert set(range(len(liked))) <= set(row.tolist()), "each target is among the sample"
    assert sorted(found) == sorted(zip(likes.row.tolist(), likes.col.tolist(), strict=True))


@pytest.mark.parametrize("size", [3, 50])
def test_places_are_among_the_distinct_items_of_a_step(size: int) -> None:
    objective, likes = pairs_of(batch=size, uniform_negatives=2), small_world().positive.toarray()
    for batch in objective.batches(0, np.random.default_rng(0)):
        users, liked = pairs_in(batch)
        distinct = batch.distinct.numpy()
        assert (np.diff(distinct) > 0).all()
        assert (np.diff(batch.users.rows.numpy()) > 0).all(), "users are distinct, too"
        assert np.array_equal(distinct[batch.users.without], liked)
        histories = np.zeros((len(batch.users.rows), N_ITEMS), np.float32)
        histories[batch.users.histories.rows, distinct[batch.users.histories.items]] = 1
        assert np.array_equal(histories, likes[batch.users.rows])
        assert np.array_equal(batch.users.counts, likes[users].sum(axis=1))
        used = np.concatenate([np.flatnonzero(histories.any(axis=0)), distinct[batch.items.ids]])
        assert np.array_equal(np.unique(used), distinct), "no other items"


@pytest.mark.parametrize("size", [3, 60])
def test_a_step_has_the_loss_and_gradients_of_the_whole_table(size: int) -> None:
    """The same pairs, encoded by item indices and all embeddings, give the same."""
    data = dated_world()
    objective = pairs_of(data, batch=size, uniform_negatives=2, temperature=0.5)
    network, inputs = objective.network, inputs_of(data, objective.network)
    parameters = dict(network.named_parameters())
    parameters = {name: parameters[name] for name in parameters if name not in ("scale", "bias")}
    sizes = []
    for batch, _ in zip(objective.batches(0, np.random.default_rng(0)), range(8), strict=False):
        network.train()
        loss = objective.loss(batch)
        gradients = torch.autograd.grad(loss, [*parameters.values()])
        network.eval()  # without dropout the same, but for dense gradients
        users, liked = pairs_in(batch)
        moments = data.timestamp.toarray()[users, liked]
        vectors = network.user_vectors(inputs.users(users, moments, liked)) / 0.5
        items = network.item_vectors(inputs.items(batch.distinct[batch.items.ids].numpy()))
        whole = plain_softmax(vectors, items[: len(vectors)], items, batch.log_counts, batch.hits)
        expected = torch.autograd.grad(whole, [*parameters.values()])
        assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
        for name, ours, theirs in zip(parameters, gradients, expected, strict=True):
            assert theirs.abs().max() > 1e-4, name
            assert ours.is_sparse == (name in ("users", "items"))
            np.testing.assert_allclose(ours.to_dense(), theirs, rtol=1e-4, atol=1e-6, err_msg=name)
        of_users, of_items = (
            gradients[[*parameters].index(name)]._indices()[0] for name in ("users", "items")
        )
        assert torch.equal(of_users, batch.users.rows)
        assert torch.equal(of_items, batch.distinct)
        sizes.append(len(batch.distinct))
    assert (min(sizes) < N_ITEMS - 2) == (size == 3), "small steps need only some of the items"


def test_a_diverged_network_ends_the_training() -> None:
    objective = pairs_of(batch=100)
    with torch.no_grad():
        objective.network.items[8] = torch.nan
    config = TwoTowerConfig(factors=6, epochs=2)
    with pytest.raises(DivergedError, match="two_tower: the loss became nan in epoch 1"):
        train(objective, config, seed=1, progress=lambda *_: None)


@pytest.mark.parametrize("loss", ["sigmoid", "squared"])
def test_losses_of_pairs_are_their_formulas(loss: str) -> None:
    objective = pairs_of(loss=loss, batch=10**6, uniform_negatives=7, temperature=0.5)
    (batch,) = objective.batches(0, np.random.default_rng(0))
    network, n = objective.network, len(batch.values)
    with torch.no_grad():
        table = network.items[batch.distinct]
        users, items = network.user_vectors(batch.users, table), network.item_vectors(batch.items, table)
        scale, bias = network.scale.item(), network.bias.item()
    total = 0.0
    for row in range(n):
        positive, negative = (scale * float(users[row] @ items[at]) / 0.5 + bias for at in (row, n + row % 7))
        if loss == "sigmoid":
            total += np.log1p(np.exp(-positive)) + np.log1p(np.exp(negative))
        else:
            total += (max(positive, 0) - batch.values[row].item()) ** 2 + max(negative, 0) ** 2
    assert objective.loss(batch).item() == pytest.approx(total / n, rel=1e-4)


# -- the towers -----------------------------------------------------------------------------------------


def test_the_target_has_no_influence_on_its_user() -> None:
    data, network = small_world(), network_of()
    inputs, user = inputs_of(data, network), 0
    liked = data.positive[[user]].indices
    target, other = int(liked[2]), int(liked[4])
    asked = inputs.users(np.array([user, user]), np.zeros(2, np.int64), np.array([target, -1]))

    def vectors() -> torch.Tensor:
        with torch.no_grad():
            return network.user_vectors(asked)

    before = vectors()
    with torch.no_grad():
        network.items[target] += 3
    assert torch.allclose(vectors()[0], before[0], atol=1e-5)
    assert not torch.allclose(vectors()[1], before[1], atol=1e-2)
    before = vectors()
    with torch.no_grad():
        network.items[other] += 3
    assert not torch.allclose(vectors()[0], before[0], atol=1e-2)


def test_the_history_is_the_mean_of_the_other_items() -> None:
    data, network = small_world(), network_of(layers=0)
    with torch.no_grad():
        network.users.zero_()
        network.last.weight.zero_()
        network.last.bias.zero_()
    inputs, liked = inputs_of(data, network), data.positive[[0]].indices
    asked = inputs.users(np.array([0]), np.zeros(1, np.int64), liked[:1].astype(np.int64))
    mean = network.items[liked[1:]].mean(dim=0)
    assert torch.allclose(network.user_vectors(asked)[0], mean / mean.norm(), atol=1e-5)


def vectors_of(network: TwoTowerNetwork, data: Interactions, users: np.ndarray) -> torch.Tensor:
    """Return the vectors of users at the beginning of time."""
    with torch.no_grad():
        return network.user_vectors(inputs_of(data, network).users(users, np.zeros(len(users), np.int64)))


def test_without_user_features_the_tower_is_that_of_before() -> None:
    """The same operations in the same order, and no more random numbers: to the bit."""
    data, network = small_world(), network_of(dropout=0.3, id_dropout=0.3, layers=2)
    users = np.array([0, 5, 9, 11])
    asked = inputs_of(data, network).users(users, np.zeros(4, np.int64))
    network.train()
    give_generator(network, 5)
    found = network.user_vectors(asked)
    give_generator(network, 5)
    own = network.users[asked.rows] * (network.hide(torch.ones(4, 1)) > 0)
    mean = asked.histories.sums(network.items) / asked.counts.clamp(min=1)[:, None]
    context = network.context(torch.cat([torch.zeros(4, 6), asked.clock], dim=1)).relu()
    x = torch.cat([own, mean, context], dim=1)
    for layer in network.layers:
        x = network.dropout(layer(x).relu())
    assert torch.equal(found, torch.nn.functional.normalize(own + mean + network.last(x), dim=1))


def of_sums(data: Interactions, **options: object) -> TwoTowerNetwork:
    """Return a network whose users are the sum of their embedding, features and history."""
    network = network_of(0, len(data.user_feature_names), layers=0, **options)
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.zero_()
    return network


def test_features_are_added_to_the_embedding_of_a_user() -> None:
    data = of_parity(small_world(), np.arange(10))
    network = of_sums(data)
    found = vectors_of(network, data, np.array([4, 5, 12]))
    for at, user, feature in ((0, 4, 0), (1, 5, 1), (2, 12, None)):
        mean = network.items[data.positive[[user]].indices].mean(dim=0)
        of_feature = 0 if feature is None else network.user_feature_vectors[feature]
        expected = network.users[user] + of_feature + mean
        assert torch.allclose(found[at], expected / expected.norm(), atol=1e-5)


def test_features_and_histories_are_hidden_apart_in_training() -> None:
    """The histories of users without features always count."""
    data, n = of_parity(small_world(), np.arange(10)), 4000
    network = of_sums(data, id_dropout=0.3)
    with torch.no_grad():
        network.users.zero_()
    network.train()
    for user, expected in ((4, [0.49, 0.21, 0.21, 0.09]), (12, [0, 1, 0, 0])):
        described = network.user_feature_vectors[0]
        mean = network.items[data.positive[[user]].indices].mean(dim=0)
        kinds = torch.stack([described + mean, mean, described, mean * 0])
        found = vectors_of(network, data, np.full(n, user))
        is_kind = (found[:, None] - torch.nn.functional.normalize(kinds, dim=1)).abs().amax(dim=2) < 1e-5
        assert is_kind.float().mean(dim=0).tolist() == pytest.approx(expected, abs=0.03)
    network.eval()
    assert (vectors_of(network, data, np.full(9, 4)).std(dim=0) < 1e-6).all()


def test_a_user_of_the_target_alone_has_a_finite_vector() -> None:
    data, network = small_world(), network_of()
    asked = inputs_of(data, network).users(np.array([7]), np.zeros(1, np.int64), np.array([1]))
    assert torch.isfinite(network.user_vectors(asked)).all()


def test_ages_are_days_since_the_first_event() -> None:
    times = np.array([[10 * DAY, 0, 0], [4 * DAY, 10 * DAY, 0]])
    found = ages(sparse.csr_array(times))
    np.testing.assert_allclose(found, [[np.log(7) / 10, 0], [0, 0], [0, 1]], atol=1e-6)


def test_events_that_were_taken_out_are_no_context() -> None:
    seen = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], np.float32))
    held = sparse.csr_array(np.array([[0, 1, 0], [1, 0, 1]], np.float32))
    carved = CarveOut(seen, np.array([0, 2]), held)
    assert without_entries(seen, carved).toarray().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    nothing = CarveOut.nothing(seen)
    assert (without_entries(seen, nothing) != seen).nnz == 0


def test_data_without_times_have_no_context() -> None:
    """Nobody was trained with one, so that the lists must not have one either."""
    data = small_world()
    visits = Visits.of(data.seen, data.timestamp, 7, 20)
    found = visits.before(np.arange(N_USERS), after_last_event(data.timestamp))
    assert found.events.nnz == 0
    assert not found.clock.any()


def test_epochs_are_judged_with_the_context_before_the_held_out_items() -> None:
    """An event of another user, long after, does not take the context away; one of the user's own adds to it."""
    data, rng = small_world(), np.random.default_rng(0)
    times = data.timestamp.copy()
    times.data = rng.integers(DAY, 3 * DAY, times.nnz)
    at_the_end = data.seen.indptr[7]  # the only event of user 7
    found = []
    for last, window in ((3 * DAY, 7), (900 * DAY, 7), (900 * DAY, 1e-5)):
        times.data[at_the_end] = last
        carved = carve_out(data.positive, times, np.random.default_rng(1))
        network = network_of()
        visits = Visits.of(without_entries(data.seen, carved), times, window, 20)
        inputs = Inputs(carved.train, visits, data.item_features, ages(data.timestamp), network.items.device)
        objective = LikedPairs("two_tower", network, TwoTowerConfig(factors=6), carved, times, inputs)
        with torch.no_grad():
            found.append(objective.quality())
    assert found[0] == found[1] != found[2]
