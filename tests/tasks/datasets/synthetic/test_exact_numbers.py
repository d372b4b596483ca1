"""Sharing out a total in whole numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.synthetic.exact_numbers import apportion


@given(
    weights=st.lists(st.integers(1, 2**40), min_size=1, max_size=30),
    least=st.integers(0, 5),
    room=st.integers(0, 50),
    share=st.floats(0, 1),
)
def test_apportion_sums_to_the_total_within_bounds(
    weights: list[int], least: int, room: int, share: float
) -> None:
    n, most = len(weights), least + room
    total = n * least + int(share * n * room)
    shares = apportion(total, np.array(weights), least=least, most=most)
    assert shares.sum() == total
    assert shares.min() >= least
    assert shares.max() <= most


def test_apportion_follows_the_weights() -> None:
    assert apportion(10, np.array([3, 1, 1])).tolist() == [6, 2, 2]
