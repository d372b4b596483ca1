"""The expected figures of random order are the means over all orders."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.evaluation.cold_start import random_order_metrics
from models.evaluation.metrics import ranking_metrics
from tests.examples import examples


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(1, 5).flatmap(lambda c: st.tuples(st.just(c), st.integers(1, c))), st.integers(1, 7))
def test_random_order_has_the_mean_of_all_orders(sizes: tuple[int, int], k: int) -> None:
    n_candidates, n_relevant = sizes
    orders = np.array(list(permutations(range(n_candidates))), np.int32)
    relevant = np.zeros((len(orders), n_candidates), np.float32)
    relevant[:, :n_relevant] = 1
    expected = ranking_metrics(orders, sparse.csr_array(relevant), [k])
    found = random_order_metrics(np.array([n_relevant, 1]), n_candidates, [k])
    for metric, values in found.items():
        assert values[0] == pytest.approx(expected[metric].mean()), metric


def test_every_length_has_its_own_figures() -> None:
    found = random_order_metrics(np.array([1, 2]), 40, (10, 20))
    assert found["recall@10"].tolist() == [0.25, 0.25]
    assert found["recall@20"].tolist() == [0.5, 0.5]
    assert found["ndcg@10"][0] == pytest.approx(sum(1 / np.log2(rank + 1) for rank in range(1, 11)) / 40)
    assert found["ndcg@10"][1] == pytest.approx(2 * found["ndcg@10"][0] / (1 + 1 / np.log2(3)))
