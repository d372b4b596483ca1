"""The contract on each sequence model, and what they learn from order."""

from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from models.interactions import Interactions
from models.sequence.caser import Caser
from models.sequence.config import CaserConfig, GRU4RecConfig, SASRecConfig, SequenceConfig
from models.sequence.gru4rec import GRU4Rec
from models.sequence.next_item import SequenceNetwork
from models.sequence.sasrec import SASRec
from models.sequence.sequence_model import SequenceRecommender
from tests.models.contract import N_ITEMS, LikesContract, checkerboard
from tests.models.fitted_once import FittedOnce

SMALL = {"factors": 16, "epochs": 12, "patience": 40, "dropout": 0.1, "batch": 512, "learning_rate": 0.01}
CONFIGS: dict[type[SequenceRecommender], SequenceConfig] = {
    SASRec: SASRecConfig(**SMALL, blocks=1),
    GRU4Rec: GRU4RecConfig(**SMALL | {"epochs": 20}, hidden=32),
    Caser: CaserConfig(**SMALL, horizontal_filters=4, latest=3),
}


class TestSASRec(FittedOnce, LikesContract):
    model = SASRec
    config: ClassVar[SASRecConfig] = CONFIGS[SASRec]


class TestGRU4Rec(FittedOnce, LikesContract):
    model = GRU4Rec
    config: ClassVar[GRU4RecConfig] = CONFIGS[GRU4Rec]
    share_of_the_taste = 0.9


class TestCaser(FittedOnce, LikesContract):
    model = Caser
    config: ClassVar[CaserConfig] = CONFIGS[Caser]
    share_of_the_taste = 0.85

    def test_the_held_out_diagonal_is_recovered(self) -> None:
        """In the order of their index, the windows of the last items would be windows that nobody was trained on."""
        data = checkerboard()
        times = data.timestamp.copy()
        times.data = np.random.default_rng(0).permutation(times.nnz) + 1
        top = self.fitted(replace(data, timestamp=times)).recommend(np.arange(30), 1, exclude=data.seen)
        assert top.items[:, 0].tolist() == list(range(30))


def walks(n_users: int = 120, steps: int = 12) -> Interactions:
    """Return users who go round the items one after the other: the next item follows from the latest alone."""
    begins = np.random.default_rng(0).integers(N_ITEMS, size=n_users)
    items = (begins[:, None] + np.arange(steps)) % N_ITEMS
    times = np.broadcast_to(np.arange(1, steps + 1), items.shape)
    users = np.repeat(np.arange(n_users), steps)
    timestamp = sparse.csr_array((times.ravel(), (users, items.ravel())), shape=(n_users, N_ITEMS))
    return replace(Interactions.from_positive(timestamp), timestamp=timestamp.astype(np.int64))


@cache
def briefly_trained(model: type[SequenceRecommender]) -> SequenceNetwork:
    """Return a network for tests that must not change it."""
    config = CONFIGS[model].model_copy(update={"epochs": 2})
    return model(config).fit(walks(), seed=1).network()


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (SASRec, {"start": "random", "batch": 256, "epochs": 100, "learning_rate": 0.005}),
        (SASRec, {"loss": "gbce", "batch": 256, "epochs": 100, "learning_rate": 0.005}),
        (SASRec, {"negatives": 15}),
        (GRU4Rec, {"negatives": 15}),
        (Caser, {"loss": "gbce", "learning_rate": 0.03}),
    ],
)
def test_the_next_item_of_a_walk_is_first(
    model: type[SequenceRecommender], options: dict[str, object]
) -> None:
    data = walks()
    settled = {"epochs": 60, "learning_rate": 0.02, "dropout": 0.0, "patience": 100}
    config = CONFIGS[model].model_copy(update=settled | options)
    fitted = model(config).fit(data, seed=1)
    last = data.timestamp.toarray().argmax(axis=1)
    first = fitted.recommend(np.arange(data.n_users), 1, exclude=data.seen).items[:, 0]
    assert np.mean(first == (last + 1) % N_ITEMS) > 0.8
    walks_of_new_users = [np.arange(begin, begin + 5) % N_ITEMS for begin in range(N_ITEMS)]
    after = fitted.recommend_for(walks_of_new_users, 1).items[:, 0]
    assert np.mean(after == (np.arange(N_ITEMS) + 5) % N_ITEMS) > 0.8


@pytest.mark.parametrize("model", CONFIGS)
def test_vectors_do_not_depend_on_what_shares_the_block(model: type[SequenceRecommender]) -> None:
    network = briefly_trained(model)
    short = torch.tensor([[0, 0, 3, 7]])
    with torch.no_grad():
        found = network.encode(short)[:, 2:]
        assert found == pytest.approx(network.encode(short[:, 2:]), abs=1e-5)
        assert torch.isfinite(network(torch.zeros(2, 4, dtype=torch.int64))).all()


@pytest.mark.parametrize("model", CONFIGS)
def test_later_items_do_not_change_earlier_places(model: type[SequenceRecommender]) -> None:
    network = briefly_trained(model)
    with torch.no_grad():
        a = network.encode(torch.tensor([[5, 6, 7, 8]]))
        b = network.encode(torch.tensor([[5, 6, 7, 30]]))
    assert a[:, :3] == pytest.approx(b[:, :3], abs=1e-6)
    assert (a[:, 3] - b[:, 3]).abs().max() > 1e-3
