"""The training of `attentive_content`: a random part of each user's likes must find others of them. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, DivergedError, FloatArray, Progress
from models.content.attentive_config import AttentiveContentConfig
from models.content.attentive_network import AttentiveNetwork, rows_of
from models.interactions import only
from models.neural.bags import Bags
from models.neural.sampled_cross_entropy import MASKED
from models.numerics.adam import Adam
from models.numerics.threads import one_torch_thread


class Catalogue(NamedTuple):
    """Descriptions and likes of the items.

    Attributes:
        descriptions: (n_items, n_features) float32.
        popularity: (n_items,) float32, see `attentive.standardised`.
        is_met: (n_items,) bool, items with a like.
    """

    descriptions: sparse.csr_array
    popularity: FloatArray
    is_met: BoolArray


class Step(NamedTuple):
    """The users of one step.

    Attributes:
        given: (b, n_items), the part of each user's likes that is the history.
        wanted: (b, n_items), other likes of the users, which are to be found.
        liked: (b, n_items), all likes of the users.
    """

    given: sparse.csr_array
    wanted: sparse.csr_array
    liked: sparse.csr_array


def train(
    network: AttentiveNetwork,
    catalogue: Catalogue,
    likes: sparse.csr_array,
    config: AttentiveContentConfig,
    *,
    seed: int,
    progress: Progress,
) -> None:
    """Change the parameters of `network` so that histories find the other likes of their users.

    Everything runs on one thread of torch, so that the bits do not depend on how many there are.

    Args:
        network: to train.
        catalogue: the items.
        likes: (n_users, n_items), likes of items with a description.
        config: hyperparameters.
        seed: draws histories, targets, negatives and hidden popularities.
        progress: called after every epoch.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    users = np.flatnonzero(np.diff(likes.indptr) > 1)
    if not len(users):
        return
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(np.diff(catalogue.descriptions.indptr) > 0)
    parameters = [*network.parameters()]
    optimizer = Adam(parameters)
    n_steps = config.epochs * math.ceil(min(len(users), config.most_users) / config.batch)
    done = 0
    with one_torch_thread():
        for epoch in range(config.epochs):
            drawn = rng.permutation(users)[: config.most_users]
            for step in _steps(sparse.csr_array(likes[drawn]), config, rng):
                loss = _loss(network, catalogue, step, known, config, rng)
                loss = loss + config.pull / likes.nnz * network.pull()
                if not math.isfinite(float(loss.detach())):
                    raise DivergedError(
                        f"attentive_content: the loss became {float(loss.detach())} in epoch {epoch + 1}; a lower "
                        "`learning_rate` is safer"
                    )
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
                optimizer.step(gradients, config.learning_rate * (1 - done / n_steps))
                done += 1
            progress(epoch + 1, config.epochs)


def biases(network: AttentiveNetwork, catalogue: Catalogue) -> FloatArray:
    """Return what each item scores for any user, (n_items,) float32: see `AttentiveNetwork.bias`."""
    items = rows_of(Bags.of(catalogue.descriptions), catalogue.popularity, catalogue.is_met)
    with one_torch_thread(), torch.no_grad():
        found: FloatArray = network.bias(items).numpy()
    return found


def _steps(
    likes: sparse.csr_array, config: AttentiveContentConfig, rng: np.random.Generator
) -> Iterator[Step]:
    """Yield all rows of `likes`, each with at least two entries, in their order, `config.batch` at a time."""
    given, wanted = parted(likes, config.history, config.targets, rng)
    for start in range(0, likes.shape[0], config.batch):
        rows = slice(start, start + config.batch)
        yield Step(*(sparse.csr_array(matrix[rows]) for matrix in (given, wanted, likes)))


def parted(
    likes: sparse.csr_array, history: int, targets: int, rng: np.random.Generator
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Split each user's likes at random into a history and targets, which have no item in common.

    The lengths of histories spread evenly over the orders of magnitude, because new users have few likes.

    Args:
        likes: (n, n_items), at least two entries in each row.
        history: greatest length of a history.
        targets: most targets of a user.
        rng: draws lengths and items.

    Returns:
        Two matrices (n, n_items); every row of both has an entry.
    """
    counts = np.diff(likes.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((rng.random(likes.nnz), rows))
    place = np.empty(likes.nnz, np.int64)
    place[order] = np.arange(likes.nnz) - likes.indptr[rows]
    longest = np.minimum(counts - 1, history)
    lengths = np.exp(rng.random(len(counts)) * np.log(longest + 1)).astype(np.int64)
    lengths = np.clip(lengths, 1, longest)[rows]
    return only(likes, place < lengths), only(likes, (place >= lengths) & (place < lengths + targets))


def padded(histories: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return the items of some histories as a dense table.

    Args:
        histories: (b, n_items), an entry for every item.

    Returns:
        (m,) the distinct items, sorted; (b, h) their places in it, 0 behind the last item of a row; (b, h) float32, 1
        where there is an item. h is at least 1.
    """
    items, places = np.unique(histories.indices, return_inverse=True)
    lengths = np.diff(histories.indptr)
    taken = np.arange(max(int(lengths.max(initial=0)), 1)) < lengths[:, None]
    at = np.zeros(taken.shape, np.int64)
    at[taken] = places
    return items.astype(np.int64), at, taken.astype(np.float32)


def _loss(
    network: AttentiveNetwork,
    catalogue: Catalogue,
    step: Step,
    known: NDArray[np.int64],
    config: AttentiveContentConfig,
    rng: np.random.Generator,
) -> torch.Tensor:
    """Return the mean cross-entropy of each target against uniform negatives that its user does not like.

    The negatives stand for all items: their share of these is the correction of the sampled softmax.
    """
    negatives = rng.choice(known, min(config.negatives, len(known)), replace=False)
    targets, column, is_target = padded(step.wanted)
    met, at, taken = padded(step.given)
    scored = np.concatenate([negatives, targets])
    shown = rng.random(len(catalogue.is_met)) >= config.hidden_share
    items = rows_of(
        Bags.of(sparse.csr_array(catalogue.descriptions[scored])),
        catalogue.popularity[scored],
        (catalogue.is_met & shown)[scored],
    )
    wanted, bias = items.descriptions.sums(network.scored), network.bias(items)
    history = Bags.of(sparse.csr_array(catalogue.descriptions[met])).sums(network.met)
    of_users = history[torch.from_numpy(at)], torch.from_numpy(taken)
    k, own = len(negatives), torch.from_numpy(len(negatives) + column)
    others = network.scores(wanted[:k], bias[:k], *of_users)
    mine = network.scores(wanted[own], bias[own], *of_users)
    liked = torch.from_numpy(step.liked[:, negatives].toarray() != 0)
    others = (others + math.log(len(known) / k)).masked_fill(liked, MASKED).logsumexp(dim=1)
    losses = torch.logaddexp(others[:, None], mine) - mine
    loss: torch.Tensor = losses[torch.from_numpy(is_target > 0)].mean()
    return loss
