import numpy as np
import pytest

from models.numerics.outliers import limited


def test_an_enormous_entry_counts_a_hundred_times_the_usual() -> None:
    entries = np.array([*[1, -2] * 10, 1e12, -1e30], np.float32)
    found = limited(entries)
    assert found.dtype == np.float32
    assert found.tolist() == [*[1, -2] * 10, 200, -200]
    assert entries[-1] == np.float32(-1e30), "the input is not changed"


@pytest.mark.parametrize("entries", [[], [0.0, 0.0], [1e-30, 5e-30], [1.0, 99.0], [0.0] * 99 + [1e9], [3e38]])
def test_entries_without_outliers_are_returned_as_they_are(entries: list[float]) -> None:
    given = np.array(entries, np.float32)
    assert limited(given) is given
