import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.sequence.histories import Histories, batches_of_like_length


def histories(*times: list[int]) -> Histories:
    """Return one user a list: the time of each item, 0 for none."""
    timestamp = sparse.csr_array(np.array(times, np.int64))
    return Histories.of(sparse.csr_array(timestamp.astype(np.float32)), timestamp)


def test_items_are_in_time_order_and_ties_in_item_order() -> None:
    found = histories([5, 3, 0, 5], [0, 0, 0, 0], [1, 1, 1, 9])
    assert found.items.tolist() == [1, 0, 3, 0, 1, 2, 3]
    assert found.times.tolist() == [3, 5, 5, 1, 1, 1, 9]
    assert found.lengths.tolist() == [3, 0, 4]


def test_the_latest_items_are_padded_on_the_left() -> None:
    found = histories([5, 3, 0, 5], [0, 0, 0, 0], [1, 1, 1, 9])
    assert found.latest(np.array([0, 1, 2]), 3).tolist() == [[2, 1, 4], [0, 0, 0], [2, 3, 4]]
    assert found.latest(np.array([1]), 3).tolist() == [[0]]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 5))
def test_pieces_cover_every_step_once(lengths: list[int], length: int) -> None:
    times = np.arange(12) < np.array(lengths)[:, None]
    found = histories(*(times * np.arange(1, 13)).tolist())
    begins, ends = found.pieces(length)
    steps = [(at, at + 1) for b, e in zip(begins, ends, strict=True) for at in range(b, e - 1)]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    every = [(at, at + 1) for at in range(len(owner) - 1) if owner[at] == owner[at + 1]]
    assert sorted(steps) == every
    assert (ends - begins - 1).max(initial=0) <= length


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200), st.integers(0, 5))
def test_batches_hold_every_sequence_once(lengths: list[int], most: int, seed: int) -> None:
    given_ = np.array(lengths, np.int64)
    found = list(batches_of_like_length(given_, most, np.random.default_rng(seed)))
    assert sorted(np.concatenate([np.empty(0, np.int64), *found]).tolist()) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * given_[batch].max() <= 2 * (most + 50)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200))
def test_a_long_sequence_does_not_join_short_ones(lengths: list[int], most: int) -> None:
    given_ = np.array(lengths, np.int64)
    order = np.argsort(given_ * np.random.default_rng(3).uniform(0.8, 1.2, len(lengths)))
    longest = dict(zip(order.tolist(), np.maximum.accumulate(given_[order]).tolist(), strict=True))
    for batch in batches_of_like_length(given_, most, np.random.default_rng(3)):
        assert max(longest[at] for at in batch.tolist()) < 2 * min(longest[at] for at in batch.tolist())


def test_batches_of_one_length_are_of_the_asked_size() -> None:
    sizes = [len(b) for b in batches_of_like_length(np.full(1000, 10), 500, np.random.default_rng(0))]
    assert sum(sizes) == 1000
    assert max(sizes) == pytest.approx(50, abs=1)
