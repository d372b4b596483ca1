"""The two phases of a neural fit: the search for the number of epochs, and the training on everything."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.interactions import Interactions
from models.neural.multvae import MultVAE
from models.neural.row_config import MultVAEConfig
from models.numerics.adam import Adam

NEW_ITEM = 30


def one_new_item() -> Interactions:
    """Return 80 users with a third of 30 items each; 60 of them liked one more item, the newest of all."""
    rng = np.random.default_rng(0)
    times = (rng.random((80, NEW_ITEM)) < 1 / 3) * rng.integers(1, 100, (80, NEW_ITEM))
    times = sparse.csr_array(np.column_stack([times, 1000 * (np.arange(80) < 60)]).astype(np.int64))
    return replace(Interactions.from_positive(times), timestamp=times)


def test_what_was_taken_out_is_learned_in_the_end() -> None:
    """The carve-out takes the newest tenth of each user's likes, so the search never sees the new item."""
    data = one_new_item()
    config = MultVAEConfig(factors=8, hidden=16, batch=16, epochs=10, patience=10, learning_rate=0.01)
    model = MultVAE(config).fit(data, seed=1)
    others = np.arange(60, 80)
    assert (model.recommend(others, 1, exclude=data.seen).items == NEW_ITEM).mean() > 0.5


def test_both_phases_have_the_same_learning_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, step = [], Adam.step

    def noted(self: Adam, gradients: list, learning_rate: float) -> None:
        rates.append(learning_rate)
        step(self, gradients, learning_rate)

    monkeypatch.setattr(Adam, "step", noted)
    config = MultVAEConfig(factors=8, hidden=16, batch=512, epochs=10, patience=3, learning_rate=0.01)
    MultVAE(config).fit(one_new_item(), seed=1)  # one step an epoch
    ends = np.flatnonzero(np.diff(rates) > 0) + 1
    search, refit = np.split(np.array(rates), ends)
    assert search[:3] == pytest.approx([0.01, 0.009, 0.008])
    assert len(refit) < len(search)
    assert np.array_equal(refit, search[: len(refit)])
