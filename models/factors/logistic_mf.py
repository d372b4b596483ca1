"""Logistic matrix factorization (Johnson 2014): the probability that a user likes an item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress
from models.factors.implicit_library import fitted_factors
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart


class LogisticMFConfig(Config):
    """Hyperparameters of `logistic_mf`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(8, 128, log=True),
        "iterations": Range(10, 100, log=True),
        "learning_rate": Range(0.1, 3.0, log=True),
        "regularization": Range(0.05, 15.0, log=True),
        "negatives": Range(5, 100, log=True),
    }

    factors: int = Field(default=32, ge=1, le=2048, description="Length of the user and item vectors.")
    iterations: int = Field(default=30, ge=1, le=10_000, description="Rounds of users, then items.")
    learning_rate: float = Field(default=1.0, gt=0, le=10, description="Learning rate of AdaGrad.")
    regularization: float = Field(
        default=1.0,
        ge=0,
        le=10_000,
        description="Weight λ of the squares in the loss, −log-likelihood + λ · (squared vectors and biases).",
    )
    negatives: int = Field(
        default=30,
        ge=1,
        le=1000,
        description="Items without an entry that are drawn for each entry, in every round.",
    )
    deterministic: bool = Field(
        default=True,
        description="Train on one thread: with several, the drawn items depend on the number of threads.",
    )


class LogisticMF(FactorRecommender):
    """The logistic matrix factorization of the library implicit.

    Scores are log-odds without the user's own bias, which does not change the order of any list.
    """

    name: ClassVar[str] = "logistic_mf"
    in_words: ClassVar[str] = "hidden factors that say how probable a like is"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = LogisticMFConfig
    remedy: ClassVar[str] = "a lower `learning_rate` is safer"
    config: LogisticMFConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from implicit.cpu.lmf import LogisticMatrixFactorization  # noqa: PLC0415  (takes half a second)

        config = self.config
        users, items = fitted_factors(
            LogisticMatrixFactorization,
            self._only_positive(matrix),
            progress,
            factors=config.factors,
            learning_rate=config.learning_rate,
            regularization=2 * config.regularization,  # implicit's loss has a half of it
            iterations=config.iterations,
            neg_prop=config.negatives,
            num_threads=1 if config.deterministic else 0,
            random_state=seed,  # an int: a RandomState crashes
        )
        # implicit appends two columns to both tables: (1, user bias) to users and (item bias, 1) to items
        self.user_factors_ = np.ascontiguousarray(users[:, :-2])
        self.item_factors_ = np.ascontiguousarray(items[:, :-2])
        self.item_bias_ = np.ascontiguousarray(items[:, -2])
