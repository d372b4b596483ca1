"""Gibbs sampling of `mf`: parameters are drawn from their posterior many times, and the predictions averaged.

Bayesian matrix factorization (Salakhutdinov & Mnih 2008, "Bayesian probabilistic matrix factorization using Markov
chain Monte Carlo") with one parameter drawn at a time (Rendle 2012, "Factorization machines with libFM", section 3.3)
and implicit terms on both sides (Rendle, Zhang & Koren 2019, "On the difficulty of evaluating baselines", section 3.2).

A rating is the product of a user's row and an item's row, plus noise:

    row of user u = own vector of u + Σ vectors of the items that u met / √number of them
    row of item i = own vector of i + Σ vectors of the users who met i / √number of them

In the first column the items' rows are 1, so that it holds the biases of users, and in the second one the users' rows.
Each kind of vector has a normal prior in each column, whose mean and precision are drawn too: nothing is regularised
by hand. For one column, with o the other side's rows and e the errors, a row r needs only Σ o² and Σ o · e over its
ratings to draw all vectors that it is made of. One thread does all: a step is a few reads of each rating, too little to
share out where there are a million of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, Progress
from models.numerics.threads import one_blas_thread

Floats = NDArray[np.float64]
Draw = tuple[FloatArray, FloatArray]
"""Rows of users, (f + 2, n_users), and of items, (f + 2, n_items)."""

_BIASES = 2  # columns that are biases: of users, of items
_FIRST_SPREAD = 0.1  # standard deviation of the first vectors; that of the ratings is 1
_BURN_IN = 0.2  # share of the rounds before the first draw that counts
_KEPT = 48  # draws that are averaged; those between them resemble them
_PRIOR = 1.0  # shape, rate and weight of the priors of all means and precisions, as in libFM


class Learned(NamedTuple):
    """Result of a fit of `mf`, in units of standardised ratings.

    Attributes:
        user_factors: (n_users, f) float32, including the implicit term.
        item_factors: (n_items, f) float32.
        user_bias: (n_users,) float32.
        item_bias: (n_items,) float32.
        error: root mean squared error over the last epoch, or that which one draw expects; 1 if there were no ratings.
    """

    user_factors: FloatArray
    item_factors: FloatArray
    user_bias: FloatArray
    item_bias: FloatArray
    error: float


def sample(
    ratings: sparse.csr_array,
    seen: sparse.csr_array | None,
    *,
    factors: int,
    rounds: int,
    rank: int,
    seed: int,
    progress: Progress,
) -> Learned:
    """Draw all parameters `rounds` times and return the mean of the predictions of the draws.

    Args:
        ratings: (n_users, n_items) float32, standardised: mean 0 and standard deviation 1.
        seen: (n_users, n_items), what users met, for the implicit terms; None for none.
        factors: length of the vectors of a draw.
        rounds: how often all parameters are drawn.
        rank: length of the vectors that stand for the mean of all draws: the best approximation of that rank.
        seed: of all that is drawn.
        progress: called after each round.
    """
    with one_blas_thread():
        draws, error = _draws(ratings, seen, factors, rounds, np.random.default_rng(seed), progress)
        n_users, n_items = ratings.shape
        counts = np.bincount(np.repeat(np.arange(n_users), np.diff(ratings.indptr)), minlength=n_users)
        of_users = counts > 0 if seen is None else (counts > 0) | (np.diff(seen.indptr) > 0)
        of_items = np.bincount(ratings.indices, minlength=n_items) > 0
        return mean_of(draws, (of_users, of_items), counts, rank, error)


def _draws(
    ratings: sparse.csr_array,
    seen: sparse.csr_array | None,
    factors: int,
    rounds: int,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[list[Draw], float]:
    """Return the rows of users and items of the draws that count, and the mean noise of these draws."""
    users, items = sides(ratings, seen, factors, rng)
    errors = ratings.data.astype(np.float64)
    add_products(users, items, errors)
    kept, variance = list[Draw](), 0.0
    first = int(rounds * _BURN_IN)
    every = max(1, (rounds - first) // _KEPT)
    for done in range(1, rounds + 1):
        noise = _drawn_precision(rng, len(errors), float(errors @ errors))
        for column in range(factors + _BIASES):
            if column != 1:
                users.draw(column, items.rows[column], errors, noise, rng)
            if column != 0:
                items.draw(column, users.rows[column], errors, noise, rng)
        if done > first and (done - first) % every == 0:
            kept.append((users.rows.astype(np.float32), items.rows.astype(np.float32)))
            variance += 1 / noise
        progress(done, rounds)
    return kept, float(np.sqrt(variance / len(kept)))


class Side:
    """The users or the items: their rows, the vectors that these are made of, and the ratings in their order.

    Args:
        indptr: (n + 1,), where the ratings of each row begin and end.
        others: the other side's row of each rating.
        places: of the ratings among the errors.
        met: (n, n_others), what each row met, or None.
        factors: length of the vectors.
        fixed: the column in which all rows are 1.
        rng: source of the first vectors.

    Attributes:
        rows: (factors + 2, n) float64, one line for each column of the module's text.
        own: (factors + 2, n) float64, the rows' own vectors.
        implicit: (factors + 2, n_others) float64, a vector for everything that can be met.
    """

    def __init__(
        self, indptr: NDArray[Any], others: NDArray[Any], places: NDArray[Any], met: sparse.csr_array | None, *,
        factors: int, fixed: int, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.indptr, self.others, self.places = indptr, others, places
        n = len(indptr) - 1
        self.own = rng.standard_normal((factors + _BIASES, n)) * _FIRST_SPREAD
        self.own[:_BIASES] = 0
        self.rows = self.own.copy()
        self.rows[fixed] = 1
        self.implicit = np.zeros((factors + _BIASES, 0 if met is None else met.shape[1]))
        self._columns = None
        if met is not None:
            by_column = met.tocsc()
            scale = 1 / np.sqrt(np.maximum(np.diff(met.indptr), 1).astype(np.float64))
            self._columns = by_column.indptr, by_column.indices, scale

    def draw(
        self, column: int, other: Floats, errors: Floats, noise: float, rng: np.random.Generator
    ) -> None:
        """Draw all vectors of a column, and change rows and errors accordingly.

        Args:
            column: of the rows.
            other: the other side's rows in it.
            errors: of all ratings, changed in place.
            noise: precision of the ratings.
            rng: source of randomness.
        """
        row, before = self.rows[column], self.rows[column].copy()
        squares, products = _sums(self.indptr, self.others, self.places, other, errors)
        own = self.own[column]
        mean, precision = _drawn_prior(rng, own)
        total = noise * squares + precision
        drawn = (noise * (products + own * squares) + precision * mean) / total
        drawn += rng.standard_normal(len(own)) / np.sqrt(total)
        products -= (drawn - own) * squares
        row += drawn - own
        own[:] = drawn
        if self._columns is not None:
            implicit = self.implicit[column]
            mean, precision = _drawn_prior(rng, implicit)
            normal = rng.standard_normal(len(implicit))
            _draw_implicit(*self._columns, squares, products, row, implicit, normal, noise, mean, precision)
        _add(self.indptr, self.others, self.places, before - row, other, errors)


def sides(
    ratings: sparse.csr_array, seen: sparse.csr_array | None, factors: int, rng: np.random.Generator
) -> tuple[Side, Side]:
    """Return the users and the items before the first round; arguments as of `sample`."""
    places = np.arange(ratings.nnz)
    numbered = sparse.csr_array((places, ratings.indices, ratings.indptr), shape=ratings.shape).tocsc()
    by_item = None if seen is None else sparse.csr_array(seen.T)
    users = Side(ratings.indptr, ratings.indices, places, seen, factors=factors, fixed=1, rng=rng)
    items = Side(numbered.indptr, numbered.indices, numbered.data, by_item, factors=factors, fixed=0, rng=rng)
    return users, items


def add_products(users: Side, items: Side, errors: Floats) -> None:
    """Subtract the products of users' and items' rows from the errors, in place."""
    for mine, other in zip(users.rows, items.rows, strict=True):
        _add(users.indptr, users.others, users.places, -mine, other, errors)


def mean_of(
    draws: list[Draw],
    known: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    counts: NDArray[np.int64],
    rank: int,
    error: float,
) -> Learned:
    """Return biases and vectors whose predictions are the mean of those of all draws, up to the rank.

    Vectors are those of known users and items less their means, which become biases; and the biases of users are 0 on
    average over the ratings. So an unknown user or item, who has neither, gets the predictions of an average one.

    Args:
        draws: of all rounds that count.
        known: (n_users,) and (n_items,) bool; all others get zeros.
        counts: (n_users,) ratings of each user.
        rank: length of the vectors.
        error: of the result.

    Returns:
        Vectors of length `rank`, or less where a draw's vectors and the draws are few.
    """
    of_users, of_items = known
    user_bias = np.mean([users[0] for users, _ in draws], axis=0, dtype=np.float64)
    item_bias = np.mean([items[1] for _, items in draws], axis=0, dtype=np.float64)
    share = np.float32(1 / np.sqrt(len(draws)))
    left = np.concatenate([users[_BIASES:] for users, _ in draws]).T * share
    right = np.concatenate([items[_BIASES:] for _, items in draws]).T * share
    left_mean, right_mean = left[of_users].mean(axis=0), right[of_items].mean(axis=0)
    user_bias += left @ right_mean
    item_bias += (right - right_mean) @ left_mean
    shift = counts @ user_bias / counts.sum()  # the draws only tell the sum of both biases
    user_bias -= shift
    item_bias += shift
    left -= left_mean
    right -= right_mean
    for table, its_known in (
        (left, of_users),
        (user_bias, of_users),
        (right, of_items),
        (item_bias, of_items),
    ):
        table[~its_known] = 0
    user_factors, item_factors = _of_rank(left, right, rank)
    return Learned(
        user_factors, item_factors, user_bias.astype(np.float32), item_bias.astype(np.float32), error
    )


def _of_rank(left: FloatArray, right: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Return the best approximation of left · rightᵀ by vectors of the length `rank` (Eckart & Young 1936)."""
    if left.shape[1] <= rank:
        return np.ascontiguousarray(left), np.ascontiguousarray(right)
    (q_left, r_left), (q_right, r_right) = np.linalg.qr(left), np.linalg.qr(right)
    u, values, v = np.linalg.svd(r_left @ r_right.T)
    rank = min(rank, len(values))
    root = np.sqrt(values[:rank])
    return (
        np.ascontiguousarray(q_left @ (u[:, :rank] * root)),
        np.ascontiguousarray(q_right @ (v[:rank].T * root)),
    )


def _drawn_precision(rng: np.random.Generator, n: int, squares: float) -> float:
    """Draw the precision of n normal values whose squared distances from their mean add up to `squares`."""
    return float(rng.gamma((_PRIOR + n) / 2, 2 / (_PRIOR + squares)))


def _drawn_prior(rng: np.random.Generator, vectors: Floats) -> tuple[float, float]:
    """Draw the mean and the precision of the normal prior that `vectors`, (n,), come from."""
    n, mean = len(vectors), float(vectors.mean()) if len(vectors) else 0.0
    spread = float(((vectors - mean) ** 2).sum()) + _PRIOR * n / (_PRIOR + n) * mean**2
    precision = _drawn_precision(rng, n, spread)
    deviation = 1 / np.sqrt((n + _PRIOR) * precision)
    return float(rng.normal(n * mean / (n + _PRIOR), deviation)), precision


@numba.njit(cache=True, nogil=True)
def _sums(indptr: Any, others: Any, places: Any, other: Any, errors: Any) -> Any:
    """Return Σ o² and Σ o · e over the ratings of each row."""
    n = len(indptr) - 1
    squares, products = np.zeros(n), np.zeros(n)
    for row in range(n):
        for at in range(indptr[row], indptr[row + 1]):
            o = other[others[at]]
            squares[row] += o * o
            products[row] += o * errors[places[at]]
    return squares, products


@numba.njit(cache=True, nogil=True)
def _add(indptr: Any, others: Any, places: Any, change: Any, other: Any, errors: Any) -> None:
    """Add change of the row · o to the errors."""
    for row in range(len(indptr) - 1):
        for at in range(indptr[row], indptr[row + 1]):
            errors[places[at]] += change[row] * other[others[at]]


@numba.njit(cache=True, nogil=True)
def _draw_implicit(
    indptr: Any, rows: Any, scale: Any, squares: Any, products: Any, row: Any, vectors: Any, normal: Any,
    noise: float, mean: float, precision: float,
) -> None:  # fmt: skip
    """Draw the vector of each thing that can be met, given all others, and change the rows of those who met it."""
    for thing in range(len(vectors)):
        square = 0.0
        product = 0.0
        for at in range(indptr[thing], indptr[thing + 1]):
            x = scale[rows[at]]
            square += x * x * squares[rows[at]]
            product += x * products[rows[at]]
        total = noise * square + precision
        drawn = (noise * (product + vectors[thing] * square) + precision * mean) / total
        drawn += normal[thing] / np.sqrt(total)
        change = drawn - vectors[thing]
        vectors[thing] = drawn
        for at in range(indptr[thing], indptr[thing + 1]):
            x = scale[rows[at]] * change
            products[rows[at]] -= x * squares[rows[at]]
            row[rows[at]] += x
