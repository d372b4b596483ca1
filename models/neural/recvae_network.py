"""The network and loss of `recvae` (Shenbin et al. 2020, sections 3.2 to 3.4). Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.base import FloatArray
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.neural.layers import GaussianSample
from models.neural.row_training import Encoded, RowBatch, RowLikelihood, RowNetwork

if TYPE_CHECKING:
    from models.neural.row_config import RecVAEConfig

_LAYERS = 5
_LOG_VARIANCE = -2.0  # the first: noise that leaves means of about 1 recognisable
_SMALL = 0.1  # share of its random weights that a layer keeps beside the linear autoencoder
_DECODER = (
    0.3  # of the first decoder's weights, beside those of the encoder: the latent variables are about 1
)
_PRIOR_WEIGHTS = (
    3 / 20,
    3 / 4,
    1 / 10,
)  # of the standard normal, the last epoch's posterior, the wide normal
_WIDE = 10.0  # log-variance of the third part of the prior
_ENCODER_PASSES = 3  # for each of the decoder


class RecVAENetwork(RowNetwork):
    """Items → five densely connected layers → mean and log-variance → sample → items.

    Args:
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, config: RecVAEConfig) -> None:
        super().__init__(n_items, hidden=config.hidden, decoded=config.factors, dropout=config.dropout)
        self.layers = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(_LAYERS - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(config.hidden) for _ in range(_LAYERS))
        self.mean = nn.Linear(config.hidden, config.factors)
        self.log_variance = nn.Linear(config.hidden, config.factors)
        self.sample = GaussianSample()
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, _LOG_VARIANCE)

    def start_from(self, vectors: FloatArray) -> None:
        """Start near the linear autoencoder of the vectors; see `RowNetwork`."""
        r = min(vectors.shape[1], self.items.shape[1], self.decoder.weight.shape[1])
        found = torch.from_numpy(vectors[:, :r]).to(self.items.device)
        with torch.no_grad():
            for weights, scale in ((self.items, 1.0), (self.decoder.weight, _DECODER)):
                weights.mul_(_SMALL * scale)[:, :r] = scale * found
            for parameter in self.layers.parameters():
                parameter.mul_(_SMALL)
            self.mean.weight.mul_(_SMALL).add_(torch.eye(*self.mean.weight.shape, device=found.device))

    def encode(self, bags: Bags) -> Encoded:
        """Return the rows' distributions; the decoder's inputs are samples of them. See `RowNetwork`."""
        hidden = self.norms[0](functional.silu(self.gathered(bags)))
        before = hidden
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            hidden = norm(functional.silu(layer(hidden) + before))
            before = before + hidden
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        sample = self.sample(mean, log_variance)
        return Encoded(sample, sample, mean, log_variance)


class RecVAELikelihood(RowLikelihood):
    """The loss of `recvae`: a prior that remembers the last epoch, weights by user, and training in turns.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: the training matrix without what decides when to stop.
        previous: another network of the same shape, to hold the parameters of the last epoch.
    """

    network: RecVAENetwork
    config: RecVAEConfig

    def __init__(
        self,
        name: str,
        network: RecVAENetwork,
        config: RecVAEConfig,
        carved: CarveOut,
        previous: RecVAENetwork,
    ) -> None:
        super().__init__(name, network, config, carved)
        self._previous = previous.requires_grad_(requires_grad=False).eval()

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[RowBatch]:  # noqa: ARG002
        """Yield all users three times for the encoder, whose input is noisy, then once for the decoder."""
        self._previous.load_state_dict(self.network.state_dict())
        for turn in range(_ENCODER_PASSES + 1):
            is_encoders = turn < _ENCODER_PASSES
            self.network.dropout.train(is_encoders)
            for batch in self.shuffled(rng):
                yield batch._replace(trains_encoder=is_encoders, trains_decoder=not is_encoders)

    def divergence(self, encoded: Encoded, batch: RowBatch) -> torch.Tensor:
        """Return the sum of gamma · items of the user · (log posterior − log prior of the sample)."""
        if not batch.trains_encoder:
            return torch.zeros((), device=encoded.sample.device)
        with torch.no_grad():
            old = self._previous.encode(batch.bags)
        zero = torch.zeros((), device=encoded.sample.device)
        parts = ((zero, zero), (old.mean, old.log_variance), (zero, zero + _WIDE))
        prior = torch.stack(
            [
                math.log(weight) + log_density(encoded.sample, mean, log_variance)
                for weight, (mean, log_variance) in zip(_PRIOR_WEIGHTS, parts, strict=True)
            ]
        ).logsumexp(dim=0)
        posterior = log_density(encoded.sample, encoded.mean, encoded.log_variance)
        return self.config.gamma * (batch.counts * (posterior - prior).sum(dim=1)).sum()


def log_density(x: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the density of normal distributions, entry by entry."""
    return -0.5 * (math.log(2 * math.pi) + log_variance + (x - mean).square() / log_variance.exp())
