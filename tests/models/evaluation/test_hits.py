"""Hits are counted once for all lengths, for the rows that have a relevant item."""

import numpy as np
import pytest
from scipy import sparse

from models.evaluation.hits import ascending, count_hits

LISTS = np.array([[7, 3, 5, 1], [0, 2, -1, -1], [4, 5, 6, 7]], np.int32)


def relevant() -> sparse.csr_array:
    dense = np.zeros((3, 9), np.float32)
    dense[0, [0, 1, 3]] = 1
    dense[2, [4]] = 1
    return sparse.csr_array(dense)


def test_hits_are_counted_at_every_length() -> None:
    judged, hits = count_hits(LISTS, relevant(), [4, 2])
    assert judged.tolist() == [True, False, True]
    assert list(hits) == [2, 4]
    assert [hits[k].n_hits.tolist() for k in (2, 4)] == [[1, 1], [2, 1]]
    assert hits[4].n_relevant.tolist() == [3, 1]
    assert hits[4].reciprocal_rank.tolist() == [1 / 2, 1]
    assert hits[4].precision_sum.tolist() == [1 / 2 + 2 / 4, 1]
    assert hits[4].gain == pytest.approx([1 / np.log2(3) + 1 / np.log2(5), 1])
    assert hits[4].ideal_gain == pytest.approx([1 + 1 / np.log2(3) + 1 / 2, 1])


def test_ranks_of_hits_are_marked_down_to_the_length() -> None:
    _, hits = count_hits(LISTS, relevant(), [2, 4, 10])
    assert hits[2].is_hit.tolist() == [[False, True], [True, False]]
    assert hits[4].is_hit[0].tolist() == [False, True, False, True]
    assert hits[10].is_hit.shape == (2, 4)


def test_lengths_are_sorted_and_distinct() -> None:
    assert ascending((10, 5, 10)).tolist() == [5, 10]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ascending((3, 0))
