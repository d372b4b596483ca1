"""The training of all sequence models: every item of a history predicts what comes after it. Imports torch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.base import FloatArray
from models.neural.early_stopping import CarveOut
from models.neural.sampled_cross_entropy import MASKED, corrected_softmax, equal_pairs
from models.neural.training import Objective
from models.sequence.histories import Histories, batches_of_like_length

if TYPE_CHECKING:
    from models.sequence.config import SequenceConfig

_EVALUATED = 50_000  # entries of the blocks of sequences that are encoded without gradients


class SequenceNetwork(nn.Module):
    """A network that turns histories into vectors of the space of the items.

    Attributes:
        items: embedding of the items, (n_items + 1, f): row i + 1 is item i, row 0 is padding.
    """

    items: nn.Embedding

    @abstractmethod
    def encode(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return a vector for every place: it may depend on that item and those before it, not on those after.

        Args:
            sequences: (b, w) int64, left-padded; w at most the config's `length`.

        Returns:
            (b, w, f) float32; any finite values at padding.
        """

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return the vector of each history, (b, f): that of its last place."""
        return self.encode(sequences)[:, -1]

    def item_vectors(self) -> torch.Tensor:
        """Return the vectors of all items, (n_items, f)."""
        return self.items.weight[1:]

    def start_from(self, vectors: FloatArray) -> None:
        """Write the vectors, (n_items, at most f), over the first ones of the items."""
        with torch.no_grad():
            self.items.weight[1:, : vectors.shape[1]] = torch.from_numpy(vectors).to(self.items.weight.device)


class Steps(NamedTuple):
    """A batch. Item i is the number i + 1, and 0 is padding.

    Attributes:
        sequences: (b, w) int64.
        asked: (b, w) bool, the m places that have a target.
        targets: (m,) int64, of these places, row by row.
        negatives: (k,) int64, which all places share.
        hits: (2, n) int64: index into `targets`, rising, and index into `negatives`, of each negative that is the
            target itself.
    """

    sequences: torch.Tensor
    asked: torch.Tensor
    targets: torch.Tensor
    negatives: torch.Tensor
    hits: torch.Tensor


class NextItem(Objective[Steps]):
    """Scores the target of each place against negatives that all places of a batch share.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: the training matrix without what decides when to stop.
        histories: of `carved.train`.
    """

    network: SequenceNetwork

    def __init__(
        self,
        name: str,
        network: SequenceNetwork,
        config: SequenceConfig,
        carved: CarveOut,
        histories: Histories,
    ) -> None:
        self.name, self.network, self._config = name, network, config
        self._carved, self._histories = carved, histories
        self._begins, self._ends = histories.pieces(config.length)
        self._known = np.unique(carved.train.indices).astype(np.int64) + 1
        self._user_ends = np.repeat(histories.starts[1:], histories.lengths)
        self._window_ends = _window_ends(histories, config.window_s)
        self._device = network.items.weight.device

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Steps]:  # noqa: ARG002
        """Yield pieces of histories of like length, each with new targets and negatives."""
        lengths = self._ends - self._begins - 1
        for some in batches_of_like_length(lengths, self._config.batch, rng):
            sequences, at = self._histories.padded(self._begins[some], self._ends[some] - 1)
            asked = at >= 0
            targets, negatives = self._targets(at[asked], rng), self._negatives(rng)
            parts = (sequences, asked, targets, negatives, equal_pairs(targets, negatives))
            yield Steps(*(torch.from_numpy(part).to(self._device) for part in parts))

    def _targets(self, at: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the targets of the places `at`, (m,): the next item, or one drawn from the coming window."""
        last = self._window_ends[at]
        drawn = at + 1 + (rng.random(at.shape) * (last - at)).astype(np.int64)
        return self._histories.items[drawn] + 1

    def _negatives(self, rng: np.random.Generator) -> NDArray[np.int64]:
        if self._config.negatives >= len(self._known):
            return self._known
        return rng.choice(self._known, self._config.negatives, replace=False)

    def loss(self, batch: Steps) -> torch.Tensor:
        """Return the mean over all places that have a target."""
        vectors = self.network.encode(batch.sequences)[batch.asked]
        targets, negatives = self.network.items(batch.targets), self.network.items(batch.negatives)
        share = len(batch.negatives) / len(self._known)
        if self._config.loss == "softmax":
            log_counts = torch.full((len(negatives),), math.log(share), device=self._device)
            return corrected_softmax(vectors, targets, negatives, log_counts, batch.hits)
        others = vectors @ negatives.T
        others[batch.hits[0], batch.hits[1]] = MASKED
        return gbce((vectors * targets).sum(dim=1), others, share, self._config.calibration)

    def quality(self) -> float | None:
        """Return the NDCG@10 of the items taken out."""
        vectors = encoded(self.network, self._histories, self._carved.users, self._config.length)
        return self._carved.ndcg(vectors, self.network.item_vectors().cpu().numpy())


def gbce(positive: torch.Tensor, negatives: torch.Tensor, share: float, calibration: float) -> torch.Tensor:
    """Return the generalised binary cross-entropy (Petrov & Macdonald 2023, section 4.3).

    Args:
        positive: (m,) scores of the targets.
        negatives: (m, k) scores of the drawn items, `MASKED` where one is the target itself.
        share: of all items that are drawn, α in the paper.
        calibration: t in the paper.
    """
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    return (functional.softplus(negatives).sum(dim=1) - beta * functional.logsigmoid(positive)).mean()


def encoded(
    network: SequenceNetwork, histories: Histories, users: NDArray[np.int64], length: int
) -> FloatArray:
    """Return the vectors of users, (len(users), f) float32; 0 for users without items.

    Args:
        network: a trained one.
        histories: the users' items.
        users: their rows.
        length: items of each history that count.
    """
    device = network.items.weight.device
    vectors = np.zeros((len(users), network.items.weight.shape[1]), np.float32)
    taken = np.minimum(histories.lengths[users], length)
    order = np.argsort(taken, kind="stable")
    order = order[taken[order] > 0]
    cost = np.cumsum(taken[order])
    network.eval()
    with torch.no_grad():
        for some in np.split(order, np.flatnonzero(np.diff(cost // _EVALUATED)) + 1):
            if len(some):
                block = torch.from_numpy(histories.latest(users[some], length)).to(device)
                vectors[some] = network(block).cpu().numpy()
    return vectors


def _window_ends(histories: Histories, window_s: float) -> NDArray[np.int64]:
    """Return for each step of the histories the last index that it may predict, (n,): at least the next one."""
    n = len(histories.items)
    if not window_s:
        return np.arange(1, n + 1)
    rows = np.repeat(np.arange(len(histories.starts) - 1), histories.lengths)
    span = int(histories.times.max(initial=0) - histories.times.min(initial=0) + window_s) + 2
    keys = rows * span + (histories.times - histories.times.min(initial=0))
    last = np.searchsorted(keys, keys + int(window_s), side="right") - 1
    found: NDArray[np.int64] = np.maximum(last, np.arange(1, n + 1))
    return found
