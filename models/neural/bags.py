"""Rows of a sparse matrix as torch bags: the form in which a layer takes many items at once. Imports torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional


class Bags(NamedTuple):
    """Sparse rows, one after the other.

    Attributes:
        items: (nnz,) int64 column indices.
        offsets: (b,) int64, where each row begins in `items`.
        weights: (nnz,) float32 entries.
        rows: (nnz,) int64, the row of each entry.
    """

    items: torch.Tensor
    offsets: torch.Tensor
    weights: torch.Tensor
    rows: torch.Tensor

    @classmethod
    def of(cls, matrix: sparse.csr_array, device: torch.device | None = None) -> Bags:
        """Return all rows of `matrix`, (b, n) float32, on `device`."""
        lengths = np.diff(matrix.indptr)
        parts = (
            matrix.indices.astype(np.int64), matrix.indptr[:-1].astype(np.int64), matrix.data,
            np.repeat(np.arange(len(lengths)), lengths),
        )  # fmt: skip
        return cls(*(torch.from_numpy(part).to(device) for part in parts))

    def sums(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the vectors of each row's columns, (b, f), from (n, f)."""
        if not len(vectors):
            return vectors.new_zeros(len(self.offsets), vectors.shape[1])
        return functional.embedding_bag(
            self.items, vectors, self.offsets, mode="sum", per_sample_weights=self.weights
        )

    def lengths(self) -> torch.Tensor:
        """Return the number of entries of each row, (b,)."""
        return torch.bincount(self.rows, minlength=len(self.offsets))
