"""Training of autoencoders of users' rows with multinomial likelihood. Imports torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from models.base import FloatArray
from models.content.tf_idf import unit_rows
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.neural.layers import Dropout
from models.neural.training import Objective

if TYPE_CHECKING:
    from models.neural.row_config import RowAutoencoderConfig

_EVALUATED = 1000  # rows encoded at a time without gradients
_SPREAD = 0.05  # standard deviation of the first item weights
_STEPS = 16  # least number of steps in a pass over the users
_LEAST_USERS = 128  # of a step: goes before _STEPS
_LEAST_DRAWN = (
    1024  # items that are drawn beside those of the batch, even if these are as many as `softmax_items`
)


class Encoded(NamedTuple):
    """Rows behind the bottleneck.

    Attributes:
        vectors: (b, d) the decoder's inputs.
        sample: (b, f) drawn from the normal distributions of the next two; outside training their means.
        mean, log_variance: (b, f).
    """

    vectors: torch.Tensor
    sample: torch.Tensor
    mean: torch.Tensor
    log_variance: torch.Tensor


class RowNetwork(nn.Module):
    """The outer layers of an autoencoder: a sum of item vectors into it, a score of every item out of it.

    Args:
        n_items: number of items.
        hidden: length of the first hidden layer.
        decoded: length of the last one.
        dropout: share of a row's items that are hidden in training.
    """

    def __init__(self, n_items: int, *, hidden: int, decoded: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(n_items, hidden))
        self.items_bias = nn.Parameter(torch.zeros(hidden))
        self.decoder = nn.Linear(decoded, n_items)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.items, std=_SPREAD)
        nn.init.normal_(self.decoder.weight, std=_SPREAD)

    @abstractmethod
    def encode(self, bags: Bags) -> Encoded:
        """Return the decoder's inputs for rows of unit length."""

    @abstractmethod
    def start_from(self, vectors: FloatArray) -> None:
        """Start near the linear autoencoder of orthogonal item vectors, (n_items, r) float32."""

    def gathered(self, bags: Bags) -> torch.Tensor:
        """Return the first layer, (b, hidden): the sum of the vectors of the items that dropout leaves, plus a bias."""
        return self.items_bias + bags._replace(weights=self.dropout(bags.weights)).sums(self.items)

    def forward(self, bags: Bags) -> torch.Tensor:
        """Return the scores of all items, (b, n_items)."""
        found: torch.Tensor = self.decoder(self.encode(bags).vectors)
        return found


class RowBatch(NamedTuple):
    """Users of one step, and the items that their softmax runs over.

    Attributes:
        bags: their rows, of unit length.
        counts: (b,) items of each row.
        columns: (c,) the items of all rows, and others drawn from the rest.
        log_weights: (c,) logarithm of how many items each column stands for.
        places: (nnz,) where in `columns` each item of `bags` is.
        trains_encoder, trains_decoder: which half of the network learns from this batch.
    """

    bags: Bags
    counts: torch.Tensor
    columns: torch.Tensor
    log_weights: torch.Tensor
    places: torch.Tensor
    trains_encoder: bool = True
    trains_decoder: bool = True


class RowLikelihood(Objective[RowBatch]):
    """−log-likelihood of the user's items in a softmax over the items, plus beta · divergence.

    The softmax runs over the items of the batch's users and over a sample of the rest, in which each item stands for
    as many as were not drawn: the expected sum is that of all items.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: the training matrix without what decides when to stop.
    """

    network: RowNetwork

    def __init__(
        self, name: str, network: RowNetwork, config: RowAutoencoderConfig, carved: CarveOut
    ) -> None:
        self.name, self.network, self.config, self._carved = name, network, config, carved
        self._rows = unit_rows(carved.train)
        self._users = np.flatnonzero(np.diff(carved.train.indptr))
        self._known = np.bincount(carved.train.indices, minlength=carved.train.shape[1]) > 0
        self._device = network.decoder.weight.device

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[RowBatch]:  # noqa: ARG002
        """Yield all users in random order."""
        return self.shuffled(rng)

    def shuffled(self, rng: np.random.Generator) -> Iterator[RowBatch]:
        """Yield all users in random order, each batch with its sample of items."""
        users = rng.permutation(self._users)
        least = min(_STEPS, len(users) // _LEAST_USERS)
        for some in np.array_split(users, max(1, least, round(len(users) / self.config.batch))):
            rows = sparse.csr_array(self._rows[some])
            own = np.unique(rows.indices)
            drawn, each_stands_for = self._drawn(own, rng)
            weights = np.repeat(np.array([1, each_stands_for], np.float32), [len(own), len(drawn)])
            counts, columns, log_weights, places = (
                torch.from_numpy(part).to(self._device)
                for part in (
                    np.diff(rows.indptr),
                    np.concatenate([own, drawn]).astype(np.int64),
                    np.log(weights),
                    np.searchsorted(own, rows.indices),
                )
            )
            yield RowBatch(Bags.of(rows, self._device), counts, columns, log_weights, places)

    def _drawn(self, own: NDArray[np.int32], rng: np.random.Generator) -> tuple[NDArray[np.integer], float]:
        """Return known items beside `own`, and how many items each of them stands for."""
        rest = self._known.copy()
        rest[own] = False
        others = np.flatnonzero(rest)
        n = max(self.config.softmax_items - len(own), _LEAST_DRAWN)
        return (others, 1.0) if n >= len(others) else (rng.choice(others, n, replace=False), len(others) / n)

    def loss(self, batch: RowBatch) -> torch.Tensor:
        """Return the mean loss of a user."""
        with torch.set_grad_enabled(batch.trains_encoder):
            encoded = self.network.encode(batch.bags)
        with torch.set_grad_enabled(batch.trains_decoder):
            weight, bias = (part[batch.columns] for part in self.network.decoder.parameters())
        scores = torch.addmm(bias, encoded.vectors, weight.T)
        taken = scores[batch.bags.rows, batch.places].sum()
        log_sums = (scores + batch.log_weights).logsumexp(dim=1)
        negative = (batch.counts * log_sums).sum() - taken
        return (negative + self.divergence(encoded, batch)) / len(batch.counts)

    @abstractmethod
    def divergence(self, encoded: Encoded, batch: RowBatch) -> torch.Tensor:
        """Return the sum of the users' divergences from the prior, each with its weight: a scalar."""

    def quality(self) -> float | None:
        """Return the NDCG@10 of the items taken out."""
        vectors = decoder_inputs(self.network, self._carved.train, self._carved.users)
        decoder = self.network.decoder
        return self._carved.ndcg(vectors, decoder.weight.cpu().numpy(), decoder.bias.cpu().numpy())


def decoder_inputs(network: RowNetwork, likes: sparse.csr_array, users: NDArray[np.int64]) -> FloatArray:
    """Return the decoder's inputs for the rows of `users`, (len(users), d) float32.

    Args:
        network: a trained one.
        likes: (n_users, n_items).
        users: (b,) row indices.
    """
    device = network.decoder.weight.device
    network.eval()
    with torch.no_grad():
        blocks = [
            network.encode(Bags.of(unit_rows(sparse.csr_array(likes[some])), device)).vectors.cpu().numpy()
            for some in np.array_split(users, len(users) // _EVALUATED + 1)
        ]
    return np.vstack(blocks)


def start_popular(network: RowNetwork, likes: sparse.csr_array) -> None:
    """Start the decoder's bias from the items' popularity, so that the first epochs need not learn it."""
    counts = np.bincount(likes.indices, minlength=likes.shape[1]) + 0.1
    with torch.no_grad():
        network.decoder.bias.copy_(torch.from_numpy(np.log(counts / counts.mean()).astype(np.float32)))
