from typing import Any

import numpy as np
import pytest
from implicit.cpu.lmf import LogisticMatrixFactorization
from scipy import sparse

from models.factors.logistic_mf import LogisticMF, LogisticMFConfig
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, LikesContract, checkerboard, small_world

SMALL = LogisticMFConfig(factors=8)


class TestLogisticMF(LikesContract):
    model = LogisticMF
    config = SMALL

    def test_scores_are_implicits_without_the_users_bias(self) -> None:
        world = small_world()
        ours = self.fitted(world, 9)
        theirs = LogisticMatrixFactorization(
            factors=8, iterations=30, regularization=2, num_threads=1, random_state=9
        )
        theirs.fit(sparse.csr_matrix(world.positive), show_progress=False)
        touched = np.flatnonzero(ours.known_items_)
        users = np.setdiff1d(np.arange(N_USERS), [EMPTY_USER])
        log_odds = (theirs.user_factors @ theirs.item_factors.T)[np.ix_(users, touched)]
        expected = log_odds - theirs.user_factors[users, -1:]
        np.testing.assert_allclose(ours.score(users)[:, touched], expected, rtol=1e-4, atol=1e-5)

    def test_one_thread_makes_it_deterministic_and_all_are_used_only_on_request(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads = []

        original = LogisticMatrixFactorization.__init__

        def spy(self: LogisticMatrixFactorization, **options: Any) -> None:
            threads.append(options["num_threads"])
            original(self, **options)

        monkeypatch.setattr(LogisticMatrixFactorization, "__init__", spy)
        self.fitted(small_world())
        LogisticMF(SMALL.model_copy(update={"deterministic": False})).fit(small_world(), seed=1)
        assert threads == [1, 0]

    def test_a_refit_on_more_users_has_them_all(self) -> None:
        model = self.fitted(checkerboard()).fit(small_world(), seed=1)
        assert model.user_factors_.shape == (N_USERS, 8)
        assert model.item_factors_.shape == (N_ITEMS, 8)
        assert model.item_bias_.shape == (N_ITEMS,)

    def test_progress_is_told_after_every_iteration(self) -> None:
        told = []
        LogisticMF(SMALL).fit(small_world(), seed=1, progress=lambda *at: told.append(at))
        assert told == [(done, 30) for done in range(1, 31)]
