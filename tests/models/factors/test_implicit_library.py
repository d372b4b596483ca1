from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.factors.als import ALS
from models.factors.implicit_library import fitted_factors
from models.factors.logistic_mf import LogisticMF
from tests.models.contract import small_world


@pytest.mark.parametrize(("users", "items"), [(3, 4), (2, 4), (3, 5)])
def test_factors_with_a_wrong_number_of_rows_are_an_error(users: int, items: int) -> None:
    def model(**options: int) -> SimpleNamespace:
        arrays = {"user_factors": np.zeros((users, 2)), "item_factors": np.ones((items, 2))}
        return SimpleNamespace(**arrays, **options, fit=lambda *_, **__: None)

    matrix = sparse.csr_array(np.eye(3, 4, dtype=np.float32))
    if matrix.shape == (users, items):
        found = fitted_factors(model, matrix, print, iterations=2)
        assert [factors.shape for factors in found] == [(3, 2), (4, 2)]
    else:
        with pytest.raises(RuntimeError, match=rf"learned {users} users and {items} items.* 3 and 4"):
            fitted_factors(model, matrix, print, iterations=2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [ALS, LogisticMF])
def test_implicit_logs_no_warning(model: type[Recommender]) -> None:
    model().fit(small_world(), seed=1)
