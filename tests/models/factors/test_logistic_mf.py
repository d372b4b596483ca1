import numpy as np
from implicit.cpu.lmf import LogisticMatrixFactorization
from scipy import sparse

from models.factors.logistic_mf import LogisticMF, LogisticMFConfig
from tests.models.contract import EMPTY_USER, N_USERS, small_world
from tests.models.factors.library_contract import LibraryContract

SMALL = LogisticMFConfig(factors=8)


class TestLogisticMF(LibraryContract):
    model = LogisticMF
    config = SMALL
    library = LogisticMatrixFactorization

    def test_scores_are_implicits_without_the_user_bias(self) -> None:
        """implicit's loss has λ / 2 where ours has λ, so the default of 1 is its 2."""
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
