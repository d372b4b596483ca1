"""Confirmation of tuned settings by users that took no part in the search."""

import numpy as np
import pytest

from models.evaluation.bootstrap import paired_difference
from tasks.config.settings import JudgeSettings
from tasks.tuning.confirmation import confirmed_lead, guiding_users

JUDGE = JudgeSettings(bootstrap_samples=500)


@pytest.mark.parametrize("n_users", [0, 1, 2, 7, 100])
def test_half_of_the_users_guide_the_search(n_users: int) -> None:
    guides = guiding_users(n_users, seed=3)
    assert guides.shape == (n_users,)
    assert guides.sum() == (n_users + 1) // 2
    assert np.array_equal(guides, guiding_users(n_users, seed=3))


def test_guiding_users_depend_on_the_seed() -> None:
    assert not np.array_equal(guiding_users(100, seed=3), guiding_users(100, seed=4))


def test_one_end_has_the_paired_interval() -> None:
    rng = np.random.default_rng(0)
    default, best = rng.random(60), rng.random(60)
    found = confirmed_lead([best], default, JUDGE, seed=1)
    paired = paired_difference(best, default, samples=500, confidence=0.95, seed=1)
    assert found == pytest.approx(paired[:3], abs=0.01)


def test_confidence_holds_for_all_models_together() -> None:
    """Twelve intervals of 99.6 % all hold in 95 % of cases, so more models write no more settings by chance."""
    leads = np.random.default_rng(6).normal(size=150)
    stricter = JUDGE.model_copy(update={"confidence": 1 - 0.05 / 12})
    together = confirmed_lead([leads], np.zeros(150), JUDGE, seed=1, models=12)
    assert together == confirmed_lead([leads], np.zeros(150), stricter, seed=1)
    assert together.low < confirmed_lead([leads], np.zeros(150), JUDGE, seed=1).low


def test_chance_is_rarely_confirmed_by_fresh_users() -> None:
    """The best of 75 equal trials on 150 users, compared by the same users and by 150 others, 200 times."""
    rng = np.random.default_rng(5)
    false = {"same": 0, "fresh": 0}
    for _ in range(200):
        guiding, confirming = rng.normal(size=(2, 75, 150))
        best = guiding.mean(axis=1).argmax()
        zero = np.zeros(150)
        false["same"] += confirmed_lead([guiding[best]], zero, JUDGE, seed=1).low > 0
        false["fresh"] += confirmed_lead([confirming[best]], zero, JUDGE, seed=1).low > 0
    assert false["same"] > 100
    assert false["fresh"] <= 12
