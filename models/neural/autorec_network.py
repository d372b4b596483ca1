"""The network and loss of `autorec` (Sedhain et al. 2015, section 2). Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.nn import functional

from models.base import FloatArray
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.neural.layers import Dropout
from models.neural.training import Objective

if TYPE_CHECKING:
    from models.neural.autorec_config import AutoRecConfig

_ENCODED = 4096  # rows encoded at a time without gradients


class AutoRecNetwork(nn.Module):
    """Row of ratings → hidden layer, with its activation → one output for each column.

    Args:
        n_columns: length of a row.
        config: hyperparameters.
    """

    def __init__(self, n_columns: int, config: AutoRecConfig) -> None:
        super().__init__()
        self.encoder = nn.Parameter(torch.empty(n_columns, config.factors))
        self.encoder_bias = nn.Parameter(torch.zeros(config.factors))
        self.decoder = nn.Parameter(torch.empty(n_columns, config.factors))
        self.decoder_bias = nn.Parameter(torch.zeros(n_columns))
        self.hide, self.dropout = Dropout(config.hidden_ratings), Dropout(config.dropout)
        nn.init.xavier_uniform_(self.encoder)
        nn.init.zeros_(self.decoder)

    def encode(self, rows: Bags) -> torch.Tensor:
        """Return the hidden layer of rows, (b, f)."""
        gathered = functional.embedding_bag(
            rows.items, self.encoder, rows.offsets, mode="sum", per_sample_weights=self.hide(rows.weights)
        )
        return self.dropout(torch.sigmoid(gathered + self.encoder_bias) - 0.5)

    def decode(self, hidden: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Return the outputs of the given places, (n,): row `rows[k]` of `hidden` at column `columns[k]`."""
        products = (hidden[rows] * functional.embedding(columns, self.decoder)).sum(dim=1)
        return products + self.decoder_bias[columns]


class SquaredErrors(Objective[Bags]):
    """Squared error of the stored ratings alone, plus the penalty of both matrices.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: (n, n_columns) float32, the ratings to train on and those that decide when to stop.
    """

    judged_by = "−RMSE"
    network: AutoRecNetwork

    def __init__(
        self,
        name: str,
        network: AutoRecNetwork,
        config: AutoRecConfig,
        carved: CarveOut,
    ) -> None:
        self.name, self.network, self._config = name, network, config
        self._ratings, self._held_out = carved.train, carved.held_out
        self._rows = np.flatnonzero(np.diff(carved.train.indptr))
        self._device = network.encoder.device

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Bags]:  # noqa: ARG002
        """Yield all rows in random order, cut into batches of about as many ratings."""
        order = rng.permutation(self._rows)
        ends = np.cumsum(np.diff(self._ratings.indptr)[order])
        for some in np.split(order, np.flatnonzero(np.diff(ends // self._config.batch)) + 1):
            yield Bags.of(sparse.csr_array(self._ratings[some]), self._device)

    def loss(self, batch: Bags) -> torch.Tensor:
        """Return the mean squared error of the batch, and its share of the penalty."""
        found = self.network.decode(self.network.encode(batch), batch.rows, batch.items)
        penalty = self.network.encoder.square().sum() + self.network.decoder.square().sum()
        weight = self._config.regularization / self._ratings.nnz
        return (found - batch.weights).square().mean() + weight * penalty

    def quality(self) -> float | None:
        """Return −RMSE of the ratings that were held out."""
        if not self._held_out.nnz:
            return None
        rows = np.flatnonzero(np.diff(self._held_out.indptr))
        hidden = torch.from_numpy(encoded_rows(self.network, sparse.csr_array(self._ratings[rows])))
        asked = Bags.of(sparse.csr_array(self._held_out[rows]), self._device)
        errors = self.network.decode(hidden.to(self._device), asked.rows, asked.items) - asked.weights
        return -float(errors.square().mean().sqrt())


def encoded_rows(network: AutoRecNetwork, ratings: sparse.csr_array) -> FloatArray:
    """Return the hidden layer of all rows, (n, f) float32.

    Args:
        network: a trained one.
        ratings: (n, n_columns) float32.
    """
    network.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, ratings.shape[0], _ENCODED):
            block = Bags.of(sparse.csr_array(ratings[start : start + _ENCODED]), network.encoder.device)
            parts.append(network.encode(block).cpu().numpy())
    return np.vstack(parts) if parts else np.empty((0, network.encoder.shape[1]), np.float32)
