"""The losses of sequence models against their formulas, and the targets of each place."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.neural.early_stopping import CarveOut
from models.sequence.config import GRU4RecConfig, SequenceConfig
from models.sequence.gru4rec_network import GRU4RecNetwork
from models.sequence.histories import PADDING, Histories
from models.sequence.next_item import NextItem, gbce
from tests.models.contract import small_world

DAY = 86_400


def scores_of_all(n_places: int = 5, n_items: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores (n_places, n_items) and the target of each place."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(0, 2, (n_places, n_items))), torch.from_numpy(
        rng.integers(n_items, size=n_places)
    )


def masked(scores: torch.Tensor, targets: torch.Tensor, drawn: np.ndarray) -> torch.Tensor:
    return scores[:, drawn].masked_fill(targets[:, None] == torch.from_numpy(drawn), -1e9)


@pytest.mark.parametrize("calibration", [0.0, 0.4, 1.0])
def test_gbce_is_its_formula(calibration: float) -> None:
    """−Σ over places of log σ(s⁺)^β + Σ over negatives of log(1 − σ(s⁻)), with β = α (t (1 − 1/α) + 1/α)."""
    scores, targets = scores_of_all()
    drawn, share = np.array([0, 3, 4]), 3 / 9
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    total = 0.0
    for place, target in enumerate(targets.tolist()):
        total -= beta * math.log(1 / (1 + math.exp(-scores[place, target])))
        for item in drawn.tolist():
            if item != target:
                total -= math.log(1 - 1 / (1 + math.exp(-scores[place, item])))
    positive = scores.gather(1, targets[:, None])[:, 0]
    found = gbce(positive, masked(scores, targets, drawn), share, calibration)
    assert found.item() == pytest.approx(total / len(targets), rel=1e-6)


@pytest.mark.parametrize(("calibration", "beta"), [(0.0, 1.0), (1.0, 0.25)])
def test_gbce_is_plain_or_calibrated_at_its_ends(calibration: float, beta: float) -> None:
    positive, none = torch.tensor([0.3]), torch.full((1, 1), -1e9)
    expected = beta * math.log1p(math.exp(-0.3))
    assert gbce(positive, none, 0.25, calibration).item() == pytest.approx(expected, rel=1e-5)


def objective_of(matrix: sparse.csr_array, timestamp: sparse.csr_array, **options: object) -> NextItem:
    config = GRU4RecConfig(**{"factors": 4, "hidden": 4, **options})
    network = GRU4RecNetwork(matrix.shape[1], config)
    return NextItem("gru4rec", network, config, CarveOut.nothing(matrix), Histories.of(matrix, timestamp))


@given(
    st.lists(st.lists(st.integers(0, 40), max_size=7), min_size=1, max_size=5),
    st.sampled_from([0.5, 3.0, 1000.0]),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_targets_never_leave_the_user_or_the_window(
    days: list[list[int]], window_days: float, length: int, seed: int
) -> None:
    """No two users share an item, so that an item tells the event."""
    n_items = max(sum(map(len, days)), 1)
    owner = np.repeat(np.arange(len(days)), [len(row) for row in days])
    when = np.array([day for row in days for day in row], np.int64) * DAY + 1
    timestamp = sparse.csr_array((when, (owner, np.arange(len(owner)))), shape=(len(days), n_items))
    matrix = sparse.csr_array(timestamp.astype(np.float32))
    order = np.lexsort((np.arange(len(owner)), when, owner))
    next_of = {at: after for at, after in pairwise(order) if owner[at] == owner[after]}
    for target in ("next", "window"):
        objective = objective_of(matrix, timestamp, target=target, window_days=window_days, length=length)
        asked = []
        for batch in objective.batches(0, np.random.default_rng(seed)):
            sequences = batch.sequences.numpy()
            asked_places = batch.asked.numpy()
            assert np.array_equal(asked_places, sequences != PADDING)
            assert sequences.shape[1] <= length
            for item, found in zip(sequences[asked_places] - 1, batch.targets.numpy() - 1, strict=True):
                asked.append(item)
                if target == "next" or found == next_of[item]:
                    assert found == next_of[item]
                    continue
                assert owner[found] == owner[item]
                assert 0 <= when[found] - when[item] <= window_days * DAY
                assert list(order).index(found) > list(order).index(item)
        assert sorted(asked) == sorted(next_of), "each step once"


def test_every_item_of_the_window_is_a_target_in_turn() -> None:
    times = np.array([[1, 2, 3, 20]]) * DAY
    objective = objective_of(
        sparse.csr_array(times.astype(np.float32)), sparse.csr_array(times), target="window", window_days=7.0
    )
    rng, found = np.random.default_rng(0), np.zeros((4, 5), int)
    for _ in range(300):
        (batch,) = objective.batches(0, rng)
        for place, target in enumerate(batch.targets.tolist()):
            found[place, target] += 1
    assert found[0] == pytest.approx([0, 0, 150, 150, 0], abs=30)
    assert found[1].tolist() == [0, 0, 0, 300, 0]
    assert found[2].tolist() == [0, 0, 0, 0, 300], "the next one, though it is out of the window"


@pytest.mark.parametrize("loss", ["softmax", "gbce"])
@pytest.mark.parametrize("negatives", [5, 1000])
def test_the_loss_is_that_of_a_loop_over_places(loss: str, negatives: int) -> None:
    """Every place's target against all negatives but itself; each stands for 1 / share items in the softmax."""
    data = small_world()
    objective = objective_of(data.positive, data.timestamp, loss=loss, negatives=negatives, batch=40)
    objective.network.eval()  # without dropout the same in both ways
    share = min(negatives / len(set(data.positive.indices.tolist())), 1.0)
    for batch, _ in zip(objective.batches(0, np.random.default_rng(0)), range(4), strict=False):
        items = objective.network.items.weight
        vectors = objective.network.encode(batch.sequences)[batch.sequences != PADDING]
        losses = []
        for vector, target in zip(vectors, batch.targets, strict=True):
            positive = items[target] @ vector
            others = items[batch.negatives[batch.negatives != target]] @ vector
            if loss == "softmax":
                losses.append((positive.exp() + others.exp().sum() / share).log() - positive)
            else:
                losses.append(gbce(positive[None], others[None], share, objective._config.calibration))
        expected = torch.stack(losses).mean()
        assert objective.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("negatives", [5, 1000])
def test_negatives_are_known_items_without_repeats(negatives: int) -> None:
    data = small_world()
    objective = objective_of(data.positive, data.timestamp, negatives=negatives)
    known = set(data.positive.indices.tolist())
    for batch in objective.batches(0, np.random.default_rng(0)):
        drawn = (batch.negatives - 1).tolist()
        assert len(drawn) == len(set(drawn)) == min(negatives, len(known))
        assert set(drawn) <= known


def test_the_window_counts_only_if_it_is_the_target() -> None:
    assert SequenceConfig(window_days=3).window_s == 0
    assert SequenceConfig(window_days=3, target="window").window_s == 3 * DAY
