"""Arrays and sparse matrices by name in one `.npz` file, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.npz_files import read_npz, write_npz

_PARTS = ("data", "indices", "indptr")


def save_arrays(path: Path, values: Mapping[str, Any]) -> None:
    """Write arrays, numbers and CSR matrices into a file.

    Args:
        path: of the file, in an existing folder.
        values: by name; a name holds no dot.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, value in values.items():
        if isinstance(value, sparse.csr_array):
            for part in _PARTS:
                arrays[f"{name}.{part}"] = getattr(value, part)
            arrays[f"{name}.shape"] = np.array(value.shape)
        else:
            arrays[name] = np.asarray(value)
    write_npz(path, arrays)


def load_arrays(path: Path) -> dict[str, Any]:
    """Return what `save_arrays` wrote, memory-mapped, the same to the bit; numbers are arrays of no dimension.

    A model that is loaded twice takes memory once: nobody changes the arrays.
    """
    values: dict[str, Any] = {}
    arrays = read_npz(path, shared=True)
    for key, array in arrays.items():
        name, _, part = key.partition(".")
        if not part:
            values[name] = array
        elif part == "shape":
            parts = tuple(arrays[f"{name}.{each}"] for each in _PARTS)
            values[name] = sparse.csr_array(parts, shape=tuple(array))
    return values
