import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation import resampling
from models.evaluation.resampling import sample_counts, shared_samples


def plain(n_users: int, samples: int, seed: int | tuple[int, ...]) -> np.ndarray:
    """Return the counts by numpy alone, (samples, n_users)."""
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(n_users, size=n_users) for _ in range(samples)]
    return np.array([np.bincount(each, minlength=n_users) for each in drawn])


@given(
    n_users=st.integers(1, 300),
    samples=st.integers(1, 40),
    at_once=st.integers(1, 50),
    seed=st.one_of(st.integers(0, 2**40), st.tuples(st.integers(0, 9), st.integers(0, 9))),
)
def test_samples_are_those_of_numpy(n_users, samples, at_once, seed):
    blocks = [*sample_counts(n_users, samples, seed, at_once=at_once)]
    assert [len(each) for each in blocks[:-1]] == [at_once] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), plain(n_users, samples, seed))


@pytest.mark.parametrize("n_users", [1_999_993, 65_537])
def test_words_are_rejected_as_numpy_does(n_users):
    # of 2 million numbers a word is rejected once in a few thousand times
    found = np.concatenate([*sample_counts(n_users, 3, 7, at_once=2)])
    np.testing.assert_array_equal(found, plain(n_users, 3, 7))
    words = np.random.default_rng(7).integers(0, 2**32, size=3 * n_users, dtype=np.uint64)
    rejected = np.count_nonzero((words * np.uint64(n_users)) % 2**32 < 2**32 % n_users)
    assert (rejected > 100) == (n_users > 10**6), "the test would not notice words that are not rejected"


def test_shared_samples_are_drawn_once(monkeypatch):
    drawn = []
    really = resampling._drawn
    monkeypatch.setattr(resampling, "_drawn", lambda n, *rest: drawn.append(n) or really(n, *rest))

    def counts(n_users: int, seed: int = 1) -> np.ndarray:
        return np.concatenate([*sample_counts(n_users, 20, seed, at_once=6)])

    with shared_samples():
        for n_users, seed in ((30, 1), (31, 1), (30, 1), (30, 2), (31, 1), (30, 1)):
            np.testing.assert_array_equal(counts(n_users, seed), plain(n_users, 20, seed))
        assert drawn == [30, 31, 30, 31, 30], "the two sets used last are kept"
    counts(30)
    assert len(drawn) == 6, "nothing is kept after the block"


def test_large_sets_of_samples_are_not_kept(monkeypatch):
    monkeypatch.setattr(resampling, "_GREATEST_KEPT", 99)
    with shared_samples():
        assert np.concatenate([*sample_counts(10, 10, 1, at_once=4)]).sum() == 100
        assert not resampling._shared.get()
