"""The training of `pinsage`: pairs of items against drawn and hard negatives. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from models.base import FloatArray
from models.graph.item_pairs import ItemPairs
from models.graph.pinsage_network import PinSageNetwork, Products
from models.neural.early_stopping import CarveOut
from models.neural.sampled_cross_entropy import corrected_softmax, equal_pairs
from models.neural.training import Objective

if TYPE_CHECKING:
    from models.graph.pinsage_config import PinSageConfig


class Step(NamedTuple):
    """A batch: b pairs of items and k drawn items.

    Attributes:
        asked: (b,) int64, the items that are asked about.
        items: (b + k,) int64, the item that belongs to each, then those drawn.
        log_counts: (b + k,) float32, logarithm of how often each is expected among them.
        hits: (2, n) int64, rows and columns where an item is the one that belongs to the row's.
        hard: (b, h) int64, hard negatives of each pair; −1 pads.
    """

    asked: torch.Tensor
    items: torch.Tensor
    log_counts: torch.Tensor
    hits: torch.Tensor
    hard: torch.Tensor


class SimilarPairs(Objective[Step]):
    """Foresees which item a user likes soon after another one.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: the training matrix without what decides when to stop.
        pairs: of `carved.train`.
        products: of the network.
        hard: (n_items, h) int32, items that are near each item, but not nearest; −1 pads.
        last: (k,) int64, the last item of each of `carved.users`.
    """

    network: PinSageNetwork
    judged_by = "NDCG@10 of similar items"

    def __init__(
        self,
        name: str,
        network: PinSageNetwork,
        config: PinSageConfig,
        carved: CarveOut,
        pairs: ItemPairs,
        products: Products,
        hard: NDArray[np.int32],
        last: NDArray[np.int64],
    ) -> None:
        self.name, self.network, self._config, self._carved = name, network, config, carved
        self._pairs, self._products, self._hard, self._last = pairs, products, hard, last
        self._counts = np.bincount(carved.train.indices, minlength=carved.train.shape[1])
        self._known = np.flatnonzero(self._counts)
        self._shares = self._counts / max(self._counts.sum(), 1)
        self._device = network.items.device

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Step]:
        """Yield batches of newly drawn pairs and negatives."""
        n_hard = min(epoch, self._config.hard_negatives) if self._config.loss == "margin" else 0
        for _ in range(self._config.steps):
            asked, liked = self._pairs.draw(self._config.batch, rng)
            if not len(asked):
                continue
            drawn = rng.choice(self._known, self._config.uniform_negatives)
            items = np.concatenate([liked, drawn])
            hard = self._hard[asked[:, None], rng.integers(self._hard.shape[1], size=(len(asked), n_hard))]
            expected = len(asked) * self._shares[items] + len(drawn) / len(self._known)
            parts = (
                asked, items, np.log(expected).astype(np.float32), equal_pairs(liked, items),
                hard.astype(np.int64),
            )  # fmt: skip
            yield Step(*(torch.from_numpy(part).to(self._device) for part in parts))

    def loss(self, batch: Step) -> torch.Tensor:
        """Return the mean loss of a pair."""
        vectors = self.network(self._products)
        asked, items = vectors[batch.asked], vectors[batch.items]
        if self._config.loss == "margin":
            return self._margin_loss(asked, items, vectors, batch)
        popularity = self.network.popularity[batch.items]
        one = torch.ones_like(asked[:, :1])
        queries = torch.cat([asked / self._config.temperature, one], dim=1)
        keys = torch.cat([items, popularity[:, None]], dim=1)
        return corrected_softmax(queries, keys[: len(asked)], keys, batch.log_counts, batch.hits)

    def _margin_loss(
        self, asked: torch.Tensor, items: torch.Tensor, vectors: torch.Tensor, batch: Step
    ) -> torch.Tensor:
        """Return by how much negatives are not farther than the pair's item by the margin, on average."""
        n = len(asked)
        drawn = n + torch.arange(n, device=self._device) % (len(items) - n)
        negatives = torch.cat([batch.items[drawn, None], batch.hard], dim=1)
        cosines = (asked[:, None] * vectors[negatives.clamp(min=0)]).sum(dim=2)
        nearness = (asked * items[:n]).sum(dim=1, keepdim=True)
        counts = (negatives >= 0) & (negatives != batch.items[:n, None]) & (negatives != batch.asked[:, None])
        lacking = (cosines - nearness + self._config.margin).relu()
        return (lacking * counts).sum() / counts.sum().clamp(min=1)

    def quality(self) -> float | None:
        """Return the NDCG@10 of items similar to each user's last one, on the items taken out."""
        vectors, popularity = encoded(self.network, self._products, self._counts, self._config)
        asked = vectors[self._last] / np.float32(self._config.temperature)
        return self._carved.ndcg(asked, vectors, popularity)


def encoded(
    network: PinSageNetwork, products: Products, counts: NDArray[np.int64], config: PinSageConfig
) -> tuple[FloatArray, FloatArray]:
    """Return the vectors of all items, (n_items, f) float32, and what popularity adds to their scores, (n_items,).

    Args:
        network: trained.
        products: of the network.
        counts: (n_items,), the likes of each item.
        config: hyperparameters.
    """
    network.eval()
    with torch.no_grad():
        vectors: FloatArray = network(products).cpu().numpy()
        popularity = network.popularity.double().cpu().numpy()
    prior = config.prior_likes / max(int(counts.max(initial=0)), 1)
    smoothed = np.log(np.exp(popularity - popularity.max(initial=-np.inf)) + prior)
    return vectors, (config.popularity * (smoothed - smoothed.max(initial=-np.inf))).astype(np.float32)
