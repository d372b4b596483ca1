import numpy as np
import pytest
from scipy import sparse

from models.numerics.outliers import limited


def rows(*entries: list[float]) -> sparse.csr_array:
    return sparse.csr_array(np.array(entries, np.float32))


def test_an_enormous_row_counts_a_hundred_times_the_usual() -> None:
    given = rows(*[[1, -2]] * 20, [1e12, -5e11])
    found = limited(given)
    assert found.dtype == np.float32
    assert found.toarray()[:20].tolist() == [[1, -2]] * 20
    np.testing.assert_allclose(found.toarray()[20], [200, -100])
    assert given.data.max() == np.float32(1e12), "the input is not changed"


def test_a_huge_row_among_few_is_limited_too() -> None:
    assert limited(rows([1, 2], [1e12, 0])).toarray().max() == 200


def test_ratios_within_a_row_stay() -> None:
    ages = np.random.default_rng(1).uniform(0, 1825, (50, 40))
    utilities = np.exp2(-ages / 7)
    utilities[0] *= 1e20
    found = limited(sparse.csr_array(utilities)).toarray()
    assert found[0].max() < 1e20
    np.testing.assert_allclose(found / found[:, :1], utilities / utilities[:, :1], rtol=1e-12)


@pytest.mark.parametrize("half_life_days", [1, 7, 30])
def test_users_who_left_years_ago_do_not_limit_others(half_life_days: float) -> None:
    """Everybody was active for a moment in the last five years: their utilities have no usual size."""
    ages = np.random.default_rng(1).uniform(0, 1825, 500)
    given = sparse.csr_array(np.exp2(-ages / half_life_days)[:, None])
    assert limited(given) is given


@pytest.mark.parametrize("entries", [[[]], [[0.0, 0.0]], [[1e-30, 5e-30]], [[1.0], [99.0]], [[3e38]]])
def test_rows_without_outliers_are_returned_as_they_are(entries: list[list[float]]) -> None:
    given = rows(*entries)
    assert limited(given) is given
