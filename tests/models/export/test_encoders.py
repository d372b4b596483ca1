"""Exported encoders score as `recommend_for` does, before and after ONNX."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse

from models.export.encoders import last_times, latest
from models.export.exportable import Export, Exportable
from models.new_users import NewUsers
from models.retrieval.two_tower import TwoTower
from models.retrieval.visits import N_CLOCK, Visits, after_last_event
from tests.models.contract import N_ITEMS, UNTOUCHED_ITEM
from tests.models.export.fitted import CONFIGS, N_USER_FEATURES, described_world, fitted

SHAPES = [(1, 1), (3, 1), (1, 7), (3, 7), (1, 60), (3, 60)]


@cache
def exported(case: str) -> Export:
    model = fitted(case)
    assert isinstance(model, Exportable)
    return model.exported()


def histories(batch: int, length: int, seed: int = 0) -> NDArray[np.int64]:
    """Return item numbers with padding, repeats, an unknown item, and numbers that no item has."""
    return np.random.default_rng([seed, batch, length]).integers(-2, N_ITEMS + 3, (batch, length))


def scores_of(case: str, items: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the model's own scores of all items for new users."""
    model = fitted(case)
    return model.fold_in(NewUsers.of(list(items - 1), N_ITEMS)).score(np.arange(len(items)))


def product(export: Export, user: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = user @ export.item_vectors.T
    return scores + export.item_bias if export.item_bias.size else scores


def everything(batch: int) -> NDArray[np.int64]:
    return np.tile(np.arange(1, N_ITEMS + 1), (batch, 1))


@pytest.mark.parametrize("case", CONFIGS)
def test_scores_are_those_of_fold_in(case: str) -> None:
    export = exported(case)
    for shape in SHAPES:
        items = histories(*shape)
        with torch.no_grad():
            user = export.encoder(torch.from_numpy(items))
            if export.scorer is not None:
                scores = export.scorer(user, torch.from_numpy(everything(shape[0]))).numpy()
            else:
                scores = product(export, user.numpy())
        expected = scores_of(case, items)
        known = np.isfinite(expected)
        assert known.any() or shape[1] == 1
        assert scores[known] == pytest.approx(expected[known], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("case", CONFIGS)
def test_users_without_known_items_get_zeros(case: str) -> None:
    encoder = exported(case).encoder
    with torch.no_grad():
        for items in ([[0, 0, 0]], [[UNTOUCHED_ITEM + 1]], [[10**9, -5]]):
            if case == "two_tower" and items == [[UNTOUCHED_ITEM + 1]]:
                continue  # which knows items that have features
            assert not encoder(torch.tensor(items)).any()


@pytest.mark.parametrize("case", CONFIGS)
def test_padding_may_stand_anywhere(case: str) -> None:
    encoder = exported(case).encoder
    with torch.no_grad():
        found = encoder(torch.tensor([[0, 0, 2, 9, 4], [2, 9, 4, 0, 0], [2, 0, 9, 0, 4], [9, 2, 2, 9, 4]]))
    assert found[1:] == pytest.approx(found[:1].expand(3, -1), abs=1e-6)


def test_context_is_that_of_the_model() -> None:
    encoder = exported("two_tower").context_encoder
    assert encoder is not None
    model, world = fitted("two_tower"), described_world()
    assert isinstance(model, TwoTower)
    rows = np.flatnonzero(np.diff(world.positive.indptr))
    moments = after_last_event(world.timestamp)[rows]
    network = model.network()
    inputs = model._inputs(network, world.positive, world.seen, world.timestamp)
    visits = Visits.of(world.seen, world.timestamp, model.config.context_days, model.config.context_items)
    context = visits.before(rows, moments)
    recent = numbers(sparse.csr_array(context.events))
    assert (recent > 0).any()
    with torch.no_grad():
        expected = network.user_vectors(inputs.users(rows, moments, are_known=False))
        items = torch.from_numpy(numbers(sparse.csr_array(world.positive[rows])))
        found = encoder(items, torch.from_numpy(recent), torch.from_numpy(context.clock))
        assert found * model.config.temperature == pytest.approx(expected, abs=1e-5)
        without = encoder(
            items, torch.zeros(len(rows), 1, dtype=torch.int64), torch.zeros(len(rows), N_CLOCK)
        )
        assert without == pytest.approx(exported("two_tower").encoder(items), abs=1e-5)
    assert (found - without).abs().max() > 1e-4


def numbers(matrix: sparse.csr_array) -> NDArray[np.int64]:
    """Return the columns of each row as item numbers, padded on the right."""
    lengths = np.diff(matrix.indptr)
    found = np.zeros((len(lengths), lengths.max()), np.int64)
    found[np.arange(found.shape[1]) < lengths[:, None]] = matrix.indices + 1
    return found


def test_the_embeddings_of_users_are_not_exported() -> None:
    """Nor are the vectors of their features."""
    users = len(fitted("two_tower").known_users_)
    for encoder in (exported("two_tower").encoder, exported("two_tower").context_encoder):
        assert encoder is not None
        assert not {users, N_USER_FEATURES} & {n for part in encoder.parameters() for n in part.shape}
    scorer = exported("neumf").scorer
    assert scorer is not None
    assert all(users not in part.shape for part in (*scorer.parameters(), *scorer.buffers()))
    network = fitted("two_tower").network()
    assert network.users.shape[0] == users
    assert network.user_feature_vectors.shape[0] == N_USER_FEATURES
    assert network.user_feature_vectors.any(), "the features of users were learned"


def test_repeats_keep_the_last_time() -> None:
    assert last_times(torch.tensor([[3, 1, 3, 0, 1, 2]])).tolist() == [[0, 0, 3, 0, 1, 2]]


@pytest.mark.parametrize(("length", "expected"), [(2, [5, 7]), (3, [9, 5, 7]), (5, [0, 0, 9, 5, 7])])
def test_latest_items_keep_their_order(length: int, expected: list[int]) -> None:
    assert latest(torch.tensor([[9, 0, 5, 7, 0]]), length).tolist() == [expected]
