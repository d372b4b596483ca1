"""The network and loss of `multvae` (Liang et al. 2018, section 2). Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from models.base import FloatArray
from models.neural.bags import Bags
from models.neural.layers import GaussianSample
from models.neural.row_training import Encoded, RowBatch, RowLikelihood, RowNetwork

if TYPE_CHECKING:
    from models.neural.row_config import MultVAEConfig

_MEANS = 3.0  # by how much the first means of the latent variables exceed the linear autoencoder's: about 1
_LOG_VARIANCE = -2.0  # the first: noise that leaves those means recognisable
_SMALL = 0.01  # share of its random weights that a layer keeps beside the identity


class MultVAENetwork(RowNetwork):
    """Items → tanh layer → mean and log-variance → sample → tanh layer → items.

    Args:
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, config: MultVAEConfig) -> None:
        super().__init__(n_items, hidden=config.hidden, decoded=config.hidden, dropout=config.dropout)
        self.mean = nn.Linear(config.hidden, config.factors)
        self.log_variance = nn.Linear(config.hidden, config.factors)
        self.widened = nn.Linear(config.factors, config.hidden)
        self.sample = GaussianSample()
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, _LOG_VARIANCE)

    def start_from(self, vectors: FloatArray) -> None:
        """Start near the linear autoencoder of the vectors; see `RowNetwork`."""
        found = torch.from_numpy(vectors[:, : self.items.shape[1]]).to(self.items.device)
        r = found.shape[1]
        with torch.no_grad():
            for weights in (self.items, self.decoder.weight):
                weights.mul_(_SMALL)[:, :r] = found
            for layer, scale in ((self.mean, _MEANS), (self.widened, 1 / _MEANS)):
                layer.weight.mul_(_SMALL).add_(scale * torch.eye(*layer.weight.shape, device=found.device))
                layer.bias.zero_()

    def encode(self, bags: Bags) -> Encoded:
        """Return the rows' distributions, and the decoder's last hidden layer, (b, hidden); see `RowNetwork`."""
        hidden = torch.tanh(self.gathered(bags))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        sample = self.sample(mean, log_variance)
        return Encoded(torch.tanh(self.widened(sample)), sample, mean, log_variance)


class MultVAELikelihood(RowLikelihood):
    """The loss of `multvae`: the weight of the divergence grows from 0 to beta in the first epochs."""

    config: MultVAEConfig
    _beta = 0.0

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[RowBatch]:
        """Yield all users in random order."""
        self._beta = self.config.beta * min(1.0, epoch / max(self.config.anneal_epochs, 1))
        return self.shuffled(rng)

    def divergence(self, encoded: Encoded, batch: RowBatch) -> torch.Tensor:  # noqa: ARG002
        """Return beta times the sum of the divergences from the standard normal distribution."""
        mean, log_variance = encoded.mean, encoded.log_variance
        return self._beta * 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()
