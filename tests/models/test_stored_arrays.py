from pathlib import Path

import numpy as np
from scipy import sparse

from models.stored_arrays import load_arrays, save_arrays


def test_arrays_numbers_and_matrices_come_back(tmp_path: Path) -> None:
    matrix = sparse.csr_array(np.array([[0, 2.5], [0, 0], [1, 0]], np.float32))
    save_arrays(tmp_path / "a.npz", {"x_": np.arange(3, dtype=np.int32), "m_": matrix, "v_": np.float32(2.5)})
    found = load_arrays(tmp_path / "a.npz")
    assert list(found) == ["x_", "m_", "v_"]
    assert found["x_"].dtype == np.int32
    assert (found["m_"].dtype, found["m_"].shape) == (np.float32, (3, 2))
    assert np.array_equal(found["m_"].toarray(), matrix.toarray())
    assert float(found["v_"]) == 2.5
