"""ChebyCF: a polynomial filter of the graph of items, applied to each user's row without ever storing the filter.

Kim et al. 2025, "Graph spectral filtering with Chebyshev interpolation for recommendation" (SIGIR), section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, TopN
from models.interactions import Interactions, MatrixName
from models.linear.graph_filter import default_rank
from models.neighbours import weighting
from models.new_users import NewUsers
from models.numerics.sparse_product import multiply, multiply_add
from models.numerics.truncated_svd import right_singular
from models.ranking.explanations import largest_terms, ones_like
from models.ranking.topk import Selector, identity
from models.ranking.user_similarity import UserSimilarityRecommender, cosines
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart

_BLOCK = 64
"""Rows that are filtered at once: the sums of so many fill whole vectors of the processor, and stay in its caches."""


class ChebyFilterConfig(Config):
    """Hyperparameters of `cheby_filter`."""

    search_space: ClassVar[SearchSpace] = {
        "flatness": Range(0.5, 20.0, log=True),
        "low_pass": Range(0.0, 1.0),
        "rank": Range(16, 1024, log=True),
        "item_exponent": Range(0.0, 0.6),
    }

    order: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Degree of the polynomial: how many steps from item to item over a user a like reaches.",
    )
    flatness: float = Field(
        default=1.5,
        gt=0,
        le=1000,
        description="How flat the filter is in the middle of the spectrum; a large one only passes the lowest "
        "frequencies whole and only stops the highest ones.",
    )
    low_pass: float = Field(
        default=0.2,
        ge=0,
        le=100,
        description="Weight of the ideal low-pass filter beside the polynomial.",
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Number of frequencies that the ideal filter passes. By default 2.96 · √(the smaller of users and "
        "items): 512 for 30,000, as published.",
    )
    item_exponent: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Entries are divided by their item's number of users to this power before the filters, and scores "
        "multiplied by it behind them.",
    )


class ChebyFilter(UserSimilarityRecommender):
    """Scores items by score(u, ·) = D^b · (p(L) + low_pass · V Vᵀ) · D^−b · r, with r the user's row.

    N = D_u^-½ R D^-½ is the normalised matrix of likes, D_u and D the numbers of entries of users and items, and
    L = I − 2 NᵀN the Laplacian of the items' graph, moved onto the interval from −1 (the lowest frequency) to 1.
    p interpolates the plateau h(x) = (1 − sgn(x) |x|^flatness) / 2 at Chebyshev's points; V holds the right singular
    vectors of N's greatest singular values; b is `item_exponent`.

    Nothing of the size items × items is stored: a list costs 2 · order products with N, so that lists take longer than
    those of other models. A list reads the whole training matrix `order` times, 64 users at once.

    Attributes:
        profiles_: (n_users, n_items) float32, the users' rows.
        normalised_: (n_users_of_training, n_items) float32, N.
        frequencies_: (n_items, rank) float32, V.
        item_scale_: (n_items,) float32, D^b.
    """

    name: ClassVar[str] = "cheby_filter"
    in_words: ClassVar[str] = "likes spread over several steps along the network of people and items"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = ChebyFilterConfig
    config: ChebyFilterConfig

    profiles_: sparse.csr_array
    normalised_: sparse.csr_array
    frequencies_: FloatArray
    item_scale_: FloatArray
    _turned: sparse.csr_array | None = None

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        self.profiles_ = matrix
        self.normalised_ = weighting.degree(matrix, row_exponent=0.5, column_exponent=0.5)
        self._turned = None
        rank = config.rank or 2 * default_rank(int(self.known_users_.sum()), int(self.known_items_.sum()))
        _, self.frequencies_ = right_singular(self.normalised_, rank, seed=seed)
        degrees = weighting.column_degrees(matrix)
        self.item_scale_ = np.power(degrees, config.item_exponent, dtype=np.float64).astype(np.float32)

    def _score(self, users: IntArray) -> FloatArray:
        rows = self.profiles_[users]
        return np.concatenate([scores for _, scores in self._filtered(rows)])

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        selector = Selector(users, n, self.tie_order_, exclude, eligible)
        for start, scores in self._filtered(self.profiles_[users]):
            selector.select(start, scores)
        return selector.top

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Return the items that score highest for somebody who likes that one item alone."""
        itself = identity(len(self.known_items_))
        selector = Selector(items, n, self.tie_order_, itself, eligible)
        for start, scores in self._filtered(itself[items]):
            selector.select(start, scores)
        return selector.top

    def _filtered(self, rows: sparse.csr_array) -> Iterator[tuple[int, FloatArray]]:
        """Yield the first row of each block, and its scores, (≤ 64, n_items) float32; −inf where no path leads."""
        for start in range(0, rows.shape[0], _BLOCK):
            block = rows[start : start + _BLOCK].toarray().T / self.item_scale_[:, None]
            scores = self._polynomial(np.ascontiguousarray(block, np.float32))
            scores += self.config.low_pass * (self.frequencies_ @ (self.frequencies_.T @ block))
            scores *= self.item_scale_[:, None]
            yield start, np.where(scores == 0, np.float32(-np.inf), scores).T.copy()

    def _polynomial(self, x: FloatArray) -> FloatArray:
        """Return p(L) · x by Clenshaw's recurrence; `x` is (n_items, b) float32."""
        coefficients = plateau(self.config.order, self.config.flatness)
        behind, last = np.zeros_like(x), coefficients[-1] * x
        for coefficient in coefficients[-2:0:-1]:
            behind, last = last, self._laplacian(last, 2) - behind + coefficient * x
        found: FloatArray = self._laplacian(last, 1) - behind + coefficients[0] * x
        return found

    def _laplacian(self, x: FloatArray, times: float) -> FloatArray:
        """Return times · (I − 2 NᵀN) · x."""
        if self._turned is None:
            self._turned = sparse.csr_array(self.normalised_.T)
        by_user = multiply(self.normalised_, x)
        return multiply_add(self._turned, by_user, x, np.empty_like(x), gain=-2 * times, own=times)

    def _fold_in(self, new: NewUsers) -> None:
        self.profiles_ = new.likes(float(self.like_value_))

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],
        liked: sparse.csr_array,
    ) -> NDArray[np.int32]:
        """Return the liked item of the largest term of the ideal filter, whose low frequencies carry the taste."""
        return largest_terms(items, ones_like(liked), left=self.frequencies_, right=self.frequencies_)

    def _user_similarities(self, user: int) -> FloatArray:
        """Return the cosines of the profiles."""
        return cosines(self.profiles_, user)


def plateau(order: int, flatness: float) -> FloatArray:
    """Return Chebyshev coefficients of the polynomial that interpolates h(x) = (1 − sgn(x) |x|^flatness) / 2.

    It passes the frequencies near −1 whole and those near 1 not at all, and half of those in the middle.

    Args:
        order: degree of the polynomial, at least 1.
        flatness: above 0.

    Returns:
        (order + 1,) float32, of the polynomials of degree 0, 1, ….
    """

    def h(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (1 - np.sign(x) * np.abs(x) ** flatness) / 2

    found: NDArray[np.float64] = chebyshev.chebinterpolate(h, order)  # type: ignore[arg-type]
    return found.astype(np.float32)
