"""The training of `two_tower`: batches of pairs with their contexts, and the three losses. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.nn import functional

from models.base import FloatArray
from models.interactions import entries_of
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.neural.layers import distinct_rows
from models.neural.sampled_cross_entropy import corrected_softmax, equal_pairs
from models.neural.training import Objective
from models.retrieval.two_tower_network import Items, TwoTowerNetwork, Users
from models.retrieval.visits import Visits

if TYPE_CHECKING:
    from models.retrieval.config import TwoTowerConfig

_ENCODED = 4096  # users encoded at a time without gradients


class Inputs:
    """Prepares what the towers read.

    Args:
        likes: (n_users, n_items), the histories.
        visits: all events.
        features: (n_items, n_features) float32.
        ages: (n_items, 2) float32.
        device: where the tensors go.
        user_profiles: (n_users, n_user_features) float32; None if nothing is known of the users.
    """

    def __init__(
        self,
        likes: sparse.csr_array,
        visits: Visits,
        features: sparse.csr_array,
        ages: FloatArray,
        device: torch.device,
        user_profiles: sparse.csr_array | None = None,
    ) -> None:
        self._likes = sparse.csr_array(
            (np.ones(likes.nnz, np.float32), likes.indices, likes.indptr), likes.shape
        )
        self._visits, self._features, self._ages, self._device = visits, features, ages, device
        self._user_profiles = user_profiles

    def items(self, ids: NDArray[np.int64]) -> Items:
        """Return the inputs of items, (n,) indices."""
        features = Bags.of(sparse.csr_array(self._features[ids]), self._device)
        return Items(self._tensor(ids), features, self._tensor(self._ages[ids]))

    def step(
        self,
        rows: NDArray[np.int64],
        moments: NDArray[np.int64],
        liked: NDArray[np.int64],
        items: NDArray[np.int64],
    ) -> tuple[torch.Tensor, Users, Items]:
        """Return the distinct items of a step, (k,) int64, and its users and items with places among them.

        Args:
            rows, moments: as for `users`.
            liked: (b,) an item of each history to leave out.
            items: (n,) item indices.
        """
        users, asked = self.users(rows, moments, liked), self.items(items)
        of_histories = users.histories.items.cpu().numpy()
        is_used = np.zeros(self._likes.shape[1], np.bool_)
        is_used[of_histories] = is_used[items] = True
        place = np.cumsum(is_used) - 1
        histories = users.histories._replace(items=self._tensor(place[of_histories]))
        users = users._replace(histories=histories, without=self._tensor(place[liked]))
        return self._tensor(np.flatnonzero(is_used)), users, asked._replace(ids=self._tensor(place[items]))

    def users(
        self,
        rows: NDArray[np.int64],
        moments: NDArray[np.int64],
        without: NDArray[np.int64] | None = None,
        *,
        are_known: bool = True,
    ) -> Users:
        """Return the inputs of users at moments.

        Args:
            rows: (b,) of the histories and visits.
            moments: (b,) Unix seconds.
            without: (b,) an item of each history to leave out, or −1; by default none.
            are_known: whether the rows are also those of the users' embeddings.
        """
        distinct, places = np.unique(rows, return_inverse=True)
        histories = sparse.csr_array(self._likes[distinct])
        context = self._visits.before(rows, moments)
        nothing, profiles = np.full(len(rows), -1), self._user_profiles
        return Users(
            rows=self._tensor(distinct if are_known else np.full(len(distinct), -1)),
            histories=Bags.of(histories, self._device),
            places=self._tensor(places),
            counts=self._tensor(np.diff(histories.indptr)[places].astype(np.float32)),
            without=self._tensor(nothing if without is None else without),
            recent=Bags.of(sparse.csr_array(context.events @ self._features), self._device),
            clock=self._tensor(context.clock),
            features=None
            if profiles is None
            else Bags.of(sparse.csr_array(profiles[distinct]), self._device),
        )

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)


class Step(NamedTuple):
    """A batch: b users, the item each liked, k other items, and what the losses need to know of them.

    Attributes:
        distinct: (d,) int64, the items of the step, those of histories among them.
        users: inputs of the user tower.
        items: inputs of the item tower: those liked, then those drawn.
        values: (b,) float32, what `loss = squared` predicts.
        log_counts: (b + k,) logarithm of how often each item is expected among them.
        hits: rows and columns, (2, n) int64, where an item is the one that the row's user liked.
    """

    distinct: torch.Tensor
    users: Users
    items: Items
    values: torch.Tensor
    log_counts: torch.Tensor
    hits: torch.Tensor


class LikedPairs(Objective[Step]):
    """Every like of every user, with the context that the user had then.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: the training matrix without what decides when to stop.
        timestamp: (n_users, n_items) int64; holds every entry of the training matrix.
        inputs: of the users of `carved.train`.
    """

    network: TwoTowerNetwork

    def __init__(
        self,
        name: str,
        network: TwoTowerNetwork,
        config: TwoTowerConfig,
        carved: CarveOut,
        timestamp: sparse.csr_array,
        inputs: Inputs,
    ) -> None:
        self.name, self.network, self._config, self._carved = name, network, config, carved
        train = carved.train
        self._inputs, self._items = inputs, train.indices.astype(np.int64)
        self._users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
        self._times = entries_of(timestamp, train)
        mean = float(train.data.mean(dtype=np.float64)) if train.nnz else 1.0
        self._values = (train.data / np.float64(mean)).astype(np.float32)
        self._counts = np.bincount(self._items, minlength=train.shape[1])
        self._known = np.flatnonzero(self._counts)
        held_out = carved.held_out
        held_times = entries_of(sparse.csr_array(timestamp[carved.users]), held_out)
        self._moments = np.minimum.reduceat(held_times, held_out.indptr[:-1]) if held_out.nnz else held_times
        self._device = network.items.device

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Step]:  # noqa: ARG002
        """Yield all likes in random order, each batch with newly drawn items."""
        order = rng.permutation(len(self._items))
        for some in np.array_split(order, max(1, round(len(order) / self._config.batch))):
            liked = self._items[some]
            items = np.concatenate([liked, rng.choice(self._known, self._config.uniform_negatives)])
            log_counts = np.log(self.expected_counts(items, len(some))).astype(np.float32)
            yield Step(
                *self._inputs.step(self._users[some], self._times[some], liked, items),
                *(
                    torch.from_numpy(part).to(self._device)
                    for part in (self._values[some], log_counts, equal_pairs(liked, items))
                ),
            )

    def expected_counts(self, items: NDArray[np.int64], n_likes: int) -> NDArray[np.float64]:
        """Return how often each item is expected among so many random likes and the uniformly drawn items, (n,)."""
        of_likes = n_likes * self._counts[items] / len(self._items)
        found: NDArray[np.float64] = of_likes + self._config.uniform_negatives / len(self._known)
        return found

    def loss(self, batch: Step) -> torch.Tensor:
        """Return the mean loss of a pair."""
        table = distinct_rows(self.network.items, batch.distinct)
        vectors = self.network.user_vectors(batch.users, table) / self._config.temperature
        items, n = self.network.item_vectors(batch.items, table), len(vectors)
        if self._config.loss == "softmax":
            return corrected_softmax(vectors, items[:n], items, batch.log_counts, batch.hits)
        positive = (vectors * items[:n]).sum(dim=1)
        drawn = n + torch.arange(n, device=self._device) % (len(items) - n)
        negative = (vectors * items[drawn]).sum(dim=1)
        positive, negative = (self.network.scale * part + self.network.bias for part in (positive, negative))
        if self._config.loss == "sigmoid":
            return (functional.softplus(-positive) + functional.softplus(negative)).mean()
        return ((positive.relu() - batch.values).square() + negative.relu().square()).mean()

    def quality(self) -> float | None:
        """Return the NDCG@10 of the items taken out, with the context that each user had before the first of them."""
        users = self._carved.users
        if not len(users):
            return None
        vectors = encoded_users(self.network, self._inputs, users, self._moments)
        return self._carved.ndcg(vectors, encoded_items(self.network, self._inputs))


def encoded_users(
    network: TwoTowerNetwork,
    inputs: Inputs,
    rows: NDArray[np.int64],
    moments: NDArray[np.int64],
    *,
    are_known: bool = True,
) -> FloatArray:
    """Return the vectors of users at moments, (len(rows), f) float32; see `Inputs.users`."""
    network.eval()
    parts = [np.empty((0, network.items.shape[1]), np.float32)]
    with torch.no_grad():
        for start in range(0, len(rows), _ENCODED):
            some = slice(start, start + _ENCODED)
            asked = inputs.users(rows[some], moments[some], are_known=are_known)
            parts.append(network.user_vectors(asked).cpu().numpy())
    return np.vstack(parts)


def encoded_items(network: TwoTowerNetwork, inputs: Inputs) -> FloatArray:
    """Return the vectors of all items, (n_items, f) float32."""
    network.eval()
    with torch.no_grad():
        found: FloatArray = network.item_vectors(inputs.items(np.arange(len(network.items)))).cpu().numpy()
    return found
