import numpy as np
import pytest
from scipy import sparse

from models.content.tf_idf import tf_idf, unit_rows


def test_rare_features_weigh_more_than_common_ones() -> None:
    counts = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], float)
    given_counts = sparse.csr_array(counts, dtype=np.float32)
    profiles = tf_idf(given_counts).toarray()
    assert np.array_equal(given_counts.toarray(), counts), "the input is not changed"
    assert (profiles[:, 0] == 0).all(), "every item has it"
    assert (profiles[:, 3] == 0).all(), "only one item has it"
    assert profiles[0, 2] > profiles[0, 1] > 0
    assert np.linalg.norm(profiles, axis=1) == pytest.approx([1, 1, 1, 0])


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1.0, 1e30])
def test_rows_of_any_scale_get_length_one(scale: float) -> None:
    rows = sparse.csr_array(np.array([[3, 4], [0, 0], [0, -1]]) * scale, dtype=np.float32)
    found = unit_rows(rows)
    np.testing.assert_allclose(found.toarray(), [[0.6, 0.8], [0, 0], [0, -1]], rtol=1e-4)
    assert found.dtype == np.float32
