"""Training of `mf`: Adam on blocks of whole users, with a learning rate that falls to 0. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch.nn import functional

from models.base import FloatArray, Progress
from models.device import torch_device
from models.factors.friends import Friends
from models.factors.mf_sampling import Learned
from models.factors.squared_errors import Rows, gather, squared_errors
from models.numerics.adam import Adam
from models.numerics.threads import one_torch_thread
from models.warm_start import WarmStart, new_rows, warm_rounds

if TYPE_CHECKING:
    from models.factors.mf_config import MFConfig

_INITIAL_SPREAD = 0.1  # standard deviation of the first factors; that of the ratings is 1
_STEPS = 10, 256  # fewest and most steps of an epoch
_MANY = 1_000_000  # ratings; with fewer, a step is too small to gain from threads


class Start(NamedTuple):
    """Parameters of an earlier fit, in units of standardized ratings; NaN rows where it knew none.

    Attributes:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        user_bias: (n_users,) float32.
        item_bias: (n_items,) float32.
        effort: factor of `warm_share`.
    """

    user_factors: FloatArray
    item_factors: FloatArray
    user_bias: FloatArray
    item_bias: FloatArray
    effort: int

    @classmethod
    def of(cls, warm_start: WarmStart, shape: tuple[int, int], factors: int, spread: np.float32) -> Start:
        """Return the learned arrays of `mf`, divided by the standard deviation of the ratings.

        Args:
            warm_start: of an earlier fit.
            shape: (n_users, n_items).
            factors: length of the vectors.
            spread: standard deviation of the ratings.
        """
        n_users, n_items = shape
        return cls(
            warm_start.take("user_factors_", n_users, factors),
            warm_start.take("item_factors_", n_items, factors) / spread,
            warm_start.take("user_rating_bias_", n_users) / spread,
            warm_start.take("item_rating_bias_", n_items) / spread,
            warm_start.effort,
        )


@dataclass(frozen=True)
class Parameters:
    """Parameters to learn; rows of users and items without a rating are 0 and stay 0.

    Attributes:
        user_factors: (n_users, f).
        item_factors: (n_items, f).
        user_bias: (n_users,).
        item_bias: (n_items,).
        implicit: (n_items, f), an item's vector in the implicit term, or None without that term.
    """

    user_factors: torch.Tensor
    item_factors: torch.Tensor
    user_bias: torch.Tensor
    item_bias: torch.Tensor
    implicit: torch.Tensor | None

    def tables(self) -> list[torch.Tensor]:
        """Return all parameters that are not None."""
        return [table for table in vars(self).values() if table is not None]


class Penalties(NamedTuple):
    """Weights of the squared parameters in the loss: one number for each user or item."""

    user_factors: torch.Tensor
    item_factors: torch.Tensor
    user_bias: torch.Tensor
    item_bias: torch.Tensor
    implicit: torch.Tensor


class Block(NamedTuple):
    """A batch of users, their ratings and, for the implicit term, all items that they interacted with."""

    users: torch.Tensor
    ratings: Rows
    seen: Rows | None


def train(
    ratings: sparse.csr_array,
    seen: sparse.csr_array | None,
    friends: Friends | None,
    config: MFConfig,
    seed: int,
    progress: Progress,
    start: Start | None = None,
) -> Learned:
    """Minimise the squared errors of all ratings plus the penalties and the distances from friends.

    Torch computes on one thread unless there are many ratings.

    Args:
        ratings: (n_users, n_items) float32, standardized: mean 0 and standard deviation 1.
        seen: (n_users, n_items), the items that the implicit term sums over, or None for no such term.
        friends: friends with ratings, to whose mean `config.link_weight` pulls the users' vectors, or None.
        config: hyperparameters.
        seed: draws the first factors and the order of the users.
        progress: called after every epoch.
        start: parameters of an earlier fit to start from; then only the last epochs are run.
    """
    with one_torch_thread() if ratings.nnz < _MANY else nullcontext():
        return _minimise(ratings, seen, friends, config, seed, progress, start)


def _minimise(
    ratings: sparse.csr_array,
    seen: sparse.csr_array | None,
    friends: Friends | None,
    config: MFConfig,
    seed: int,
    progress: Progress,
    start: Start | None,
) -> Learned:
    device, rng = torch_device(config.device), np.random.default_rng(seed)
    parameters = initial_parameters(ratings, seen is not None, config.factors, rng, device)
    epochs, first = config.passes(ratings.nnz), 0
    if start is not None:
        begin_from(parameters, start, ratings)
        first = epochs - warm_rounds(epochs, config.warm_share, start.effort)
    penalties = penalties_of(ratings, config, device)
    steps = int(np.clip(ratings.nnz // config.batch, *_STEPS))
    optimizer = Adam(parameters.tables())
    error = 1.0
    for epoch in range(first, epochs if ratings.nnz else 0):
        squared, visited = torch.zeros((), device=device), 0
        for block in blocks(ratings, seen, steps, rng, device):
            share = len(block.ratings.values) / ratings.nnz
            done = (epoch + visited / ratings.nnz) / epochs
            errors, slopes = differentiate(parameters, penalties, block, share)
            if friends is not None:
                add_pull(slopes[0], parameters.user_factors, block.users, friends, config.link_weight)
            optimizer.step(slopes, config.learning_rate * (1 + math.cos(math.pi * done)) / 2)
            squared += errors
            visited += len(block.ratings.values)
        error = math.sqrt(squared.item() / ratings.nnz)
        progress(epoch + 1 - first, epochs - first)
    with torch.no_grad():
        return learned(parameters, seen, error, device)


def initial_parameters(
    ratings: sparse.csr_array, implicit: bool, factors: int, rng: np.random.Generator, device: torch.device
) -> Parameters:
    """Return small random factors, and zeros for all other parameters.

    Args:
        ratings: (n_users, n_items); users and items without a rating get zero factors.
        implicit: whether there is an implicit term.
        factors: length of the vectors.
        rng: source of randomness.
        device: where the parameters live.
    """
    users, items = (degree > 0 for degree in degrees(ratings))

    def drawn(known: NDArray[np.bool_]) -> torch.Tensor:
        table = rng.standard_normal((len(known), factors), np.float32) * np.float32(_INITIAL_SPREAD)
        return torch.from_numpy(table * known[:, None]).to(device).requires_grad_()

    def zeros(*shape: int) -> torch.Tensor:
        return torch.zeros(shape, device=device, requires_grad=True)

    return Parameters(
        drawn(users), drawn(items), zeros(len(users)), zeros(len(items)),
        zeros(len(items), factors) if implicit else None,
    )  # fmt: skip


def begin_from(parameters: Parameters, start: Start, ratings: sparse.csr_array) -> None:
    """Write the parameters of an earlier fit over the first ones, in place, where it knew a user or item.

    Args:
        parameters: as of a cold fit.
        start: of an earlier fit.
        ratings: (n_users, n_items); users and items without a rating stay at zero.
    """
    users, items = (degree > 0 for degree in degrees(ratings))
    with torch.no_grad():
        for name, rated in (
            ("user_factors", users),
            ("item_factors", items),
            ("user_bias", users),
            ("item_bias", items),
        ):
            found, table = getattr(start, name), getattr(parameters, name)
            known = np.flatnonzero(rated & ~new_rows(found))
            table[torch.from_numpy(known).to(table.device)] = torch.from_numpy(found[known]).to(table.device)


def penalties_of(ratings: sparse.csr_array, config: MFConfig, device: torch.device) -> Penalties:
    """Return regularization · degree^degree_exponent for each row, and 0 for degree 0.

    The penalty of the implicit term is the same for all items: an item's vector there is learned from the ratings of
    everything else that its users rated, so the item's own number of ratings says little about how well it is known.

    Args:
        ratings: (n_users, n_items).
        config: the strengths and the exponent.
        device: where the penalties live.
    """

    def penalty(strength: float, degree: NDArray[np.integer]) -> torch.Tensor:
        weight = strength * (degree > 0) * degree**config.degree_exponent
        return torch.from_numpy(weight.astype(np.float32)).to(device)

    users, items = degrees(ratings)
    return Penalties(
        penalty(config.regularization, users),
        penalty(config.regularization, items),
        penalty(config.bias_regularization, users),
        penalty(config.bias_regularization, items),
        torch.full((len(items),), config.implicit_regularization, device=device),
    )


def degrees(matrix: sparse.csr_array) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the number of entries of each row, (m,), and of each column, (n,), of an (m, n) matrix."""
    return np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=matrix.shape[1])


def blocks(
    ratings: sparse.csr_array,
    seen: sparse.csr_array | None,
    count: int,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[Block]:
    """Yield all users with a rating, in random order, in at most `count` blocks of about equally many ratings.

    Args:
        ratings: (n_users, n_items).
        seen: (n_users, n_items), or None without an implicit term.
        count: greatest number of blocks.
        rng: draws the order of the users.
        device: where the blocks are put.
    """
    users = rng.permutation(np.flatnonzero(np.diff(ratings.indptr)))
    ends = np.cumsum(np.diff(ratings.indptr)[users])
    cuts = np.searchsorted(ends, ratings.nnz * np.arange(1, count) / count)
    for some in np.split(users, cuts):
        if len(some):
            yield Block(
                torch.from_numpy(some).to(device),
                rows(ratings, some, device),
                None if seen is None else rows(seen, some, device),
            )


def rows(matrix: sparse.csr_array, users: NDArray[np.int64], device: torch.device) -> Rows:
    """Return the rows of `users`, (k,), of a matrix (n_users, n_items), on `device`."""
    part = sparse.csr_array(matrix[users])
    indptr, columns = (torch.from_numpy(ids.astype(np.int64)) for ids in (part.indptr, part.indices))
    return Rows(indptr.to(device), columns.to(device), torch.from_numpy(part.data).to(device))


def differentiate(
    parameters: Parameters, penalties: Penalties, block: Block, share: float
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the squared error of a block, and the gradient of the block's loss for each parameter.

    The block's loss is its squared error, plus the penalties of its users, plus `share` of the penalties of all items.
    Over the blocks of an epoch these losses add up to the whole objective.

    Args:
        parameters: the parameters.
        penalties: their penalties.
        block: the users and their ratings.
        share: the block's share of all ratings.

    Returns:
        A scalar, and one gradient for each of `parameters.tables()`, of its shape.
    """
    users, tables = block.users, parameters.tables()
    own, bias = gather(parameters.user_factors, users), gather(parameters.user_bias, users)
    vectors = own
    if parameters.implicit is not None and block.seen is not None:
        vectors = own + implicit_sums(parameters.implicit, block.seen)
    errors = squared_errors(vectors, parameters.item_factors, bias, parameters.item_bias, block.ratings)
    slopes = list(torch.autograd.grad(errors, tables))
    of_users, of_items, of_user_bias, of_item_bias, *of_implicit = slopes
    with torch.no_grad():  # the gradient of w · x² is 2 w x; autograd would pass over every table five times
        of_users[users] += 2 * penalties.user_factors[users, None] * parameters.user_factors[users]
        of_user_bias[users] += 2 * penalties.user_bias[users] * parameters.user_bias[users]
        of_items.addcmul_(penalties.item_factors[:, None], parameters.item_factors, value=2 * share)
        of_item_bias.addcmul_(penalties.item_bias, parameters.item_bias, value=2 * share)
        if parameters.implicit is not None:
            of_implicit[0].addcmul_(penalties.implicit[:, None], parameters.implicit, value=2 * share)
    return errors.detach(), slopes


def add_pull(
    slope: torch.Tensor, user_factors: torch.Tensor, users: torch.Tensor, friends: Friends, weight: float
) -> None:
    """Add a block's rows of the gradient of `weight` · Σ ‖x_u − mean of friends' vectors‖², in place.

    A user is pulled in the step that sees their ratings: if Adam met the two apart, one would undo the other. The
    products are computed on the CPU, because those of sparse matrices on a GPU may sum in any order.

    Args:
        slope: (n_users, f), the gradient of the users' factors.
        user_factors: (n_users, f).
        users: (k,) the users of the block.
        friends: of all users.
        weight: of the squared distances in the loss.
    """
    pull = friends.pull(users.cpu().numpy(), user_factors.detach().cpu().numpy())
    slope[users] += 2 * weight * torch.from_numpy(pull).to(slope.device)


def implicit_sums(vectors: torch.Tensor, seen: Rows) -> torch.Tensor:
    """Return |N(u)|^-1/2 · Σ of the vectors of N(u), the items that user u interacted with: (n_rows, f)."""
    sums = functional.embedding_bag(seen.columns, vectors, seen.indptr[:-1], mode="sum")
    return sums * seen.indptr.diff().clamp(min=1).rsqrt()[:, None]


def learned(
    parameters: Parameters, seen: sparse.csr_array | None, error: float, device: torch.device
) -> Learned:
    """Return the parameters as arrays, with every user's implicit term added to their factors.

    Args:
        parameters: the trained parameters.
        seen: (n_users, n_items), or None without an implicit term.
        error: root mean squared error of the last epoch.
        device: where the parameters live.
    """
    vectors = parameters.user_factors
    if parameters.implicit is not None and seen is not None:
        parts = np.array_split(np.arange(seen.shape[0]), seen.nnz // 2**20 + 1)
        sums = [implicit_sums(parameters.implicit, rows(seen, users, device)) for users in parts]
        vectors = vectors + torch.cat(sums)
    return Learned(
        user_factors=vectors.detach().cpu().numpy(),
        item_factors=parameters.item_factors.detach().cpu().numpy(),
        user_bias=parameters.user_bias.detach().cpu().numpy(),
        item_bias=parameters.item_bias.detach().cpu().numpy(),
        error=error,
    )
