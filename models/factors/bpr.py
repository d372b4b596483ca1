"""Bayesian personalized ranking (Rendle et al. 2009): a liked item should score above an item that is not liked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.factors.bpr_kernels import Factors, Trainer
from models.factors.implicit_library import fitted_factors
from models.interactions import Interactions, MatrixName
from models.passes import passes
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace
from models.warm_start import Rows, WarmStart, fill_from_neighbours, fill_new_rows, warm_rounds

_PASSES, _LEAST_PASSES = 80, 20
_MANY, _PASSES_OF_MANY = 500_000, 50  # entries
_LEAST_DRAWN, _MOST_DRAWN, _ITEMS_PER_CANDIDATE = 2, 15, 2900
_STAGES = 8  # implicit's learning rate is constant: it falls in so many stages


class BPRConfig(Config):
    """Hyperparameters of `bpr`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 512, log=True),
        "iterations": Range(20, 200, log=True),
        "learning_rate": Range(0.03, 1.0, log=True),
        "regularization": Range(0.001, 0.1, log=True),
        "candidates": Range(1, 16, log=True),
    }

    sampler: Literal["uniform", "implicit"] = Field(
        default="uniform",
        description="uniform: our own trainer, which draws negatives uniformly from all items. implicit: that "
        "library's trainer, which draws them by popularity; the item bias is corrected for it.",
    )
    factors: int = Field(default=128, ge=1, le=2048, description="Length of the user and item vectors.")
    iterations: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over all entries. Default: 80 up to half a million entries, 50 up to 1.6 million; beyond, "
        "as many fewer as there are more entries, but at least 20.",
    )
    learning_rate: float = Field(
        default=0.2, gt=0, le=10, description="Learning rate of the first pass; it falls linearly to 0."
    )
    regularization: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Weight λ of the squares in the loss of a comparison, −log σ(liked score − other score) + λ · "
        "(squared vectors and biases of the user and the two items); by default 0.01, and 0.0025 with sampler = "
        "implicit.",
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="uniform: items drawn for one comparison, of which the one with the highest score is taken "
        "(dynamic negative sampling: Zhang et al. 2013). 1 is plain BPR; by default one for every 2,900 items, "
        "at least 2 and at most 15, and at least 160 / passes where the passes are fewer by default.",
    )
    warm_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="uniform: share of the iterations that a warm start takes; they are the last ones, with their low "
        "learning rates.",
    )
    deterministic: bool = Field(
        default=True,
        description="implicit: train on one thread, because with several lock-free threads no two fits are equal. "
        "uniform is always deterministic, on all threads.",
    )

    def passes(self, n_entries: int) -> int:
        """Return the number of passes over so many entries."""
        most = _PASSES if n_entries <= _MANY else _PASSES_OF_MANY
        return self.iterations or min(most, passes(_PASSES, n_entries, least=_LEAST_PASSES, exponent=1))

    def drawn(self, n_entries: int, n_items: int) -> int:
        """Return the candidates of one comparison: harder negatives make up for fewer passes over large data."""
        if self.candidates is not None:
            return self.candidates
        least = _LEAST_DRAWN if self.iterations else round(_LEAST_DRAWN * _PASSES / self.passes(n_entries))
        return max(least, min(_MOST_DRAWN, n_items // _ITEMS_PER_CANDIDATE))


class BPR(FactorRecommender):
    """Matrix factorization by pairwise comparisons: each liked item i against an item j that the user did not like.

    The loss of a comparison, with λ = `regularization`, is the BPR-OPT criterion of the paper:

        −log σ(x_u · y_i + b_i − x_u · y_j − b_j) + λ (‖x_u‖² + ‖y_i‖² + ‖y_j‖² + b_i² + b_j²)

    With `sampler=implicit` negatives are drawn in proportion to their number of users q, so the model learns
    log(p(item | user) / q(item)) instead of log p(item | user): unpopular items score too high. Adding log q to the
    item bias corrects that; without the correction the same library ranks much worse.
    """

    name: ClassVar[str] = "bpr"
    in_words: ClassVar[str] = "hidden factors that put what people liked before what they passed by"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = BPRConfig
    remedy: ClassVar[str] = "a lower `learning_rate` or `regularization` is safer"
    config: BPRConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        positives = self._only_positive(matrix)
        if self.config.sampler == "uniform":
            learned = self._train_uniform(positives, seed, progress, warm_start)
        else:
            learned = self._train_implicit(positives, seed, progress)
        self.user_factors_, self.item_factors_, self.item_bias_ = learned

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return the factors and the bias; a new user or item starts at the mean vector of its neighbours."""
        if self.config.sampler == "implicit":
            return {}
        return {"user_factors_": "users", "item_factors_": "items", "item_bias_": "items"}

    def _train_uniform(
        self, matrix: sparse.csr_array, seed: int, progress: Progress, warm_start: WarmStart | None
    ) -> Factors:
        config = self.config
        rng = np.random.default_rng(seed)
        n_users, n_items = matrix.shape
        factors = Factors(
            users=_small_vectors(n_users, config.factors, rng),
            items=_small_vectors(n_items, config.factors, rng),
            bias=np.zeros(n_items, np.float32),
        )
        iterations, first = config.passes(matrix.nnz), 0
        if warm_start is not None:
            factors = _warm_factors(warm_start, matrix, factors)
            first = iterations - warm_rounds(iterations, config.warm_share, warm_start.effort)
        trainer = Trainer(matrix, factors, rng)
        regularization = _or_default(config.regularization, 0.01)
        candidates = config.drawn(matrix.nnz, int(self.known_items_.sum()))
        for done in range(first, iterations):
            trainer.epoch(
                step=config.learning_rate * (1 - done / iterations),
                regularization=regularization,
                candidates=candidates,
            )
            progress(done + 1 - first, iterations - first)
        return factors

    def _train_implicit(self, matrix: sparse.csr_array, seed: int, progress: Progress) -> Factors:
        from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: PLC0415  (takes half a second)

        config = self.config
        users, items = fitted_factors(
            BayesianPersonalizedRanking,
            matrix,
            progress,
            factors=config.factors,
            regularization=2 * _or_default(config.regularization, 0.0025),  # implicit's loss has a half of it
            num_threads=1 if config.deterministic else 0,
            stages=_falling_steps(config.learning_rate, config.passes(matrix.nnz), seed),
        )
        degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
        bias = items[:, -1] + np.log(np.maximum(degree, 1))  # implicit sets the last factor of users to 1
        return Factors(
            users=np.ascontiguousarray(users[:, :-1]),
            items=np.ascontiguousarray(items[:, :-1]),
            bias=bias.astype(np.float32),
        )


def _warm_factors(warm_start: WarmStart, matrix: sparse.csr_array, cold: Factors) -> Factors:
    """Return the factors of the earlier fit; new rows get the mean of their neighbours, or else their cold start."""
    users = warm_start.take("user_factors_", *cold.users.shape)
    items = warm_start.take("item_factors_", *cold.items.shape)
    bias = warm_start.take("item_bias_", *cold.bias.shape)
    fill_from_neighbours(users, items, matrix)
    for found, start in zip((users, items, bias), cold, strict=True):
        fill_new_rows(found, start)
    return Factors(users, items, bias)


def _falling_steps(first: float, iterations: int, seed: int) -> list[dict[str, Any]]:
    """Return options of implicit's trainer for each stage of training, with a lower learning rate in each."""
    n_stages = min(_STAGES, iterations)
    ends = np.linspace(0, iterations, n_stages + 1).astype(int)
    seeds = np.random.default_rng(seed).integers(2**31, size=n_stages)
    return [
        {
            "learning_rate": first * (1 - start / iterations),
            "iterations": int(end - start),
            "random_state": int(own),  # an int: a RandomState crashes
        }
        for start, end, own in zip(ends[:-1], ends[1:], seeds, strict=True)
    ]


def _small_vectors(n: int, factors: int, rng: np.random.Generator) -> FloatArray:
    """Draw vectors of length about 0.1: (n, factors) float32."""
    return rng.standard_normal((n, factors), np.float32) * np.float32(0.1 / factors**0.5)


def _or_default(value: float | None, default: float) -> float:
    """Return `value`, or `default` if it is None (not if it is 0)."""
    return default if value is None else value
