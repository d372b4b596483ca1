from typing import Any

import numpy as np
import pytest
from implicit.cpu.bpr import BayesianPersonalizedRanking
from scipy import sparse

from models.base import DivergedError
from models.factors.bpr import BPR, BPRConfig
from tests.models.contract import (
    EMPTY_USER,
    N_USERS,
    LikesContract,
    small_world,
)
from tests.models.factors.library_contract import LibraryContract

SMALL = BPRConfig(factors=8, iterations=40)
LIBRARY = SMALL.model_copy(update={"sampler": "implicit", "iterations": 80})


class TestBPR(LikesContract):
    model = BPR
    config = SMALL
    kept_of_own_history = 0.7

    def test_progress_is_reported_after_every_pass(self) -> None:
        reported = []
        BPR(SMALL).fit(small_world(), seed=1, progress=lambda done, total: reported.append((done, total)))
        assert reported == [(done, 40) for done in range(1, 41)]

    def test_another_seed_gives_another_fit(self) -> None:
        world = small_world()
        assert not np.array_equal(self.fitted(world, 1).user_factors_, self.fitted(world, 2).user_factors_)

    def test_users_who_like_everything_change_no_bias(self) -> None:
        full = sparse.csr_array(np.ones((3, 4), np.float32))
        data = small_world().from_positive(full)
        model = self.fitted(data)
        assert not model.item_bias_.any()

    def test_the_default_of_candidates_grows_with_the_items(self, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn = []
        monkeypatch.setattr(
            "models.factors.bpr.Trainer.epoch", lambda self, candidates, **_: drawn.append(candidates)
        )
        once = SMALL.model_copy(update={"iterations": 1})
        for n_items in (10, 12_000, 41_000):
            BPR(once).fit(small_world().from_positive(sparse.csr_array(np.ones((1, n_items)))), seed=1)
        BPR(once.model_copy(update={"candidates": 1})).fit(small_world(), seed=1)
        assert drawn == [2, 4, 14, 1]

    def test_large_data_get_fewer_passes_and_harder_negatives(self) -> None:
        config, sizes = BPRConfig(), (0, 10**6, 2 * 10**6, 16 * 10**6)
        assert [config.passes(n) for n in sizes] == [80, 50, 40, 20]
        assert [config.drawn(n, 9000) for n in sizes] == [3, 3, 4, 8]
        assert config.drawn(16 * 10**6, 61_000) == 15
        chosen = BPRConfig(iterations=5)
        assert (chosen.passes(10**9), chosen.drawn(10**9, 9000)) == (5, 3)


@pytest.mark.parametrize("sampler", ["uniform", "implicit"])
@pytest.mark.filterwarnings("error")
def test_divergence_is_an_error_with_advice(sampler: str) -> None:
    wild = BPRConfig(sampler=sampler, factors=8, learning_rate=10, regularization=10)
    with pytest.raises(
        DivergedError, match=r"^bpr: training diverged; a lower `learning_rate` or `regularization` is safer$"
    ):
        BPR(wild).fit(small_world(), seed=1)


class TestBPRByImplicit(LibraryContract):
    model = BPR
    config = LIBRARY
    library = BayesianPersonalizedRanking

    def test_scores_are_implicits_plus_log_popularity(self) -> None:
        world = small_world()
        ours = self.model(LIBRARY.model_copy(update={"iterations": 1})).fit(world, seed=9)
        theirs = BayesianPersonalizedRanking(
            factors=8,
            iterations=1,
            learning_rate=0.2,
            regularization=0.005,  # twice the default λ: implicit's loss has λ / 2
            num_threads=1,
            random_state=int(np.random.default_rng(9).integers(2**31, size=1)[0]),
        )
        theirs.fit(sparse.csr_matrix(world.positive), show_progress=False)
        touched = np.flatnonzero(ours.known_items_)
        users = np.setdiff1d(np.arange(N_USERS), [EMPTY_USER])
        popularity = np.log(world.positive.sum(axis=0)[touched])
        expected = (theirs.user_factors @ theirs.item_factors.T)[np.ix_(users, touched)] + popularity
        np.testing.assert_allclose(ours.score(users)[:, touched], expected, rtol=1e-4, atol=1e-5)

    def test_the_learning_rate_falls_in_continuing_stages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps, lengths, starts = [], [], []
        original = BayesianPersonalizedRanking.fit

        def spy(self: BayesianPersonalizedRanking, *args: Any, **options: Any) -> None:
            steps.append(self.learning_rate)
            lengths.append(self.iterations)
            starts.append(self.item_factors is not None)
            original(self, *args, **options)

        monkeypatch.setattr(BayesianPersonalizedRanking, "fit", spy)
        BPR(LIBRARY.model_copy(update={"iterations": 20})).fit(small_world(), seed=1)
        assert lengths == [2, 3, 2, 3, 2, 3, 2, 3]
        assert steps == pytest.approx([0.2 * (1 - done / 20) for done in (0, 2, 5, 7, 10, 12, 15, 17)])
        assert starts == [False] + 7 * [True]
