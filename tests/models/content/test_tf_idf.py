import numpy as np
import pytest
from scipy import sparse

from models.content.tf_idf import tf_idf


def test_rare_features_weigh_more_than_common_ones() -> None:
    counts = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], float)
    given_counts = sparse.csr_array(counts, dtype=np.float32)
    profiles = tf_idf(given_counts).toarray()
    assert np.array_equal(given_counts.toarray(), counts), "the input is not changed"
    assert (profiles[:, 0] == 0).all(), "every item has it"
    assert (profiles[:, 3] == 0).all(), "only one item has it"
    assert profiles[0, 2] > profiles[0, 1] > 0
    assert np.linalg.norm(profiles, axis=1) == pytest.approx([1, 1, 1, 0])
