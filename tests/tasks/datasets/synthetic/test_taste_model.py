"""The demo's taste model: drift of tastes, and samplers of items."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.datasets.synthetic.taste_model import (
    END,
    START,
    START_WEIGHTS,
    TASTES_PER_USER,
    TICKETS_PER_ITEM,
    draw_end_weights,
    draw_user_tastes,
    make_item_samplers,
    taste_match,
    taste_weights,
)
from tasks.datasets.synthetic.vocabulary import TASTES


def test_taste_weights_drift_to_the_users_own() -> None:
    end = draw_end_weights(50, np.random.default_rng(0))
    for time, expected in ((START, np.tile(START_WEIGHTS, (50, 1))), (END, end)):
        weights = np.array(taste_weights(end, np.full(50, time)))
        np.testing.assert_allclose(weights.T, expected, rtol=1e-12)
        np.testing.assert_allclose(weights.sum(axis=0), START_WEIGHTS.sum(), rtol=1e-12)


def test_users_have_distinct_tastes_and_common_ones_more_often() -> None:
    tastes = draw_user_tastes(np.ones((2000, len(TASTES))), np.random.default_rng(0))
    assert all(len(set(row)) == TASTES_PER_USER for row in tastes.tolist())
    counts = np.bincount(tastes.ravel())
    assert counts[0] > 2 * counts[-1] > 0


def test_users_have_tastes_they_lean_to_more_often() -> None:
    leaning = np.ones((2000, len(TASTES)))
    leaning[1000:, 3] = 1.5
    has = (draw_user_tastes(leaning, np.random.default_rng(0)) == 3).any(axis=1)
    assert has[1000:].mean() > 1.2 * has[:1000].mean()


def test_match_is_the_weight_of_shared_tastes() -> None:
    tastes = np.array([[3, 1, 0, 2]] * 3)
    weights = [np.full(3, weight) for weight in START_WEIGHTS]
    main, second = np.array([3, 9, 8]), np.array([1, 3, 9])
    match = taste_match(tastes, weights, main, second, np.full(3, 0.7))
    assert match == pytest.approx([0.7 * 0.5 + 0.3 * 0.2, 0.3 * 0.5, 0])


def test_samplers_hold_items_in_proportion_to_their_weight() -> None:
    main, second, share = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.5, 1.0, 0.75])
    samplers = make_item_samplers(main, second, share, np.array([1.0, 2.0, 4.0]))
    counts = [
        np.bincount(samplers.tickets[first : first + size], minlength=3)
        for first, size in zip(samplers.first, samplers.size, strict=True)
    ]
    n_tickets = 3 * TICKETS_PER_ITEM
    assert counts[0].tolist() == [n_tickets // 5 + 1, 4 * n_tickets // 5 + 1, 0]
    assert counts[-1].tolist() == [int(n_tickets * weight / 21) + 1 for weight in (1, 4, 16)]
    assert counts[7].tolist() == counts[-1].tolist(), "a taste without items"
