"""Hyperparameters of `mf`; a module of its own, because the model and its training both read them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.device import DeviceConfig, torch_threads
from models.passes import passes
from models.search_space import OneOf, Range, SearchSpace

_PASSES, _LEAST_PASSES = 50, 10
_SAMPLED_BY_DEFAULT = 1_000_000  # ratings, at most
_OF_DESCENT = {
    "device", "implicit_term", "regularization", "bias_regularization", "degree_exponent", "implicit_regularization",
    "epochs", "warm_share", "batch", "learning_rate", "link_weight",
}  # fmt: skip


class MFConfig(DeviceConfig):
    """Hyperparameters of `mf`. Penalties apply to standardized ratings, so that they suit any rating scale."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(16, 256, log=True),
        "implicit_term": OneOf((False, True)),
        "regularization": Range(0.1, 10.0, log=True),
        "bias_regularization": Range(0.05, 10.0, log=True),
        "degree_exponent": Range(0.0, 1.0),
        "epochs": Range(20, 100, log=True),
        "learning_rate": Range(0.005, 0.1, log=True),
        "popularity_weight": Range(0.0, 6.0),
        "link_weight": Range(0.0, 10.0),
    }

    estimation: Literal["auto", "sampling", "descent"] = Field(
        default="auto",
        description="descent: the vectors with the least loss. sampling: the mean prediction of many draws from the "
        "posterior of a Bayesian model, which needs no penalties, errs less and takes longer. auto: sampling up to a "
        "million ratings, unless a setting is given that only descent has, such as epochs.",
    )
    factors: int = Field(default=64, ge=1, le=2048, description="Length of the user and item vectors.")
    draws: int = Field(
        default=80, ge=10, le=100_000, description="sampling: how often all parameters are drawn."
    )
    draw_factors: int = Field(
        default=12,
        ge=1,
        le=2048,
        description="sampling: length of the vectors of one draw; `factors` is the length of those that stand for the "
        "mean of all draws.",
    )
    implicit_term: bool = Field(
        default=False,
        description="SVD++: add to a user's vector one vector for each item that they interacted with, rated or not, "
        "divided by the square root of their number. Sampling does so in any case, and for items, too.",
    )
    regularization: float = Field(
        default=1.2,
        ge=0,
        le=1e4,
        description="Weight λ of the squared vectors in the loss, Σ (squared error) + Σ λ · (squared vectors).",
    )
    bias_regularization: float = Field(
        default=0.6, ge=0, le=1e4, description="The same weight of the squared biases."
    )
    degree_exponent: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Both weights are multiplied by the user's or item's number of ratings to this power: 0 is one "
        "prior for all, 1 is weighted-λ regularization (Zhou et al. 2008).",
    )
    implicit_regularization: float = Field(
        default=80.0,
        ge=0,
        le=1e6,
        description="Weight of the squared vectors of the implicit term, the same for all items.",
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over all ratings. Default: 50 up to a million ratings, then fewer, by the root of their "
        "number, but at least 10.",
    )
    warm_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the epochs that a warm start takes; they are the last ones, with their low "
        "learning rates. With `implicit_term` there is no warm start.",
    )
    batch: int = Field(
        default=8192,
        ge=1,
        le=10_000_000,
        description="Approximate number of ratings in a step of Adam, which takes whole users. An epoch always has 10 "
        "to 256 steps.",
    )
    learning_rate: float = Field(
        default=0.02, gt=0, le=1, description="Adam's first learning rate; it falls to 0 along a cosine."
    )
    popularity_weight: float = Field(
        default=1.5,
        ge=0,
        le=100,
        description="Rankings (not predictions) add this times the logarithm of the item's number of ratings, in "
        "standard errors of a prediction; 0 ranks by the predicted rating alone.",
    )
    link_weight: float = Field(
        default=0.3,
        ge=0,
        le=1e4,
        description="descent: weight of the squared distance between a user's vector and the mean of their friends' "
        "vectors. Both: 0 ignores links. Above 0, users without ratings (with an implicit term, without any "
        "interaction) get the mean of the vectors of their friends with ratings. No effect if the data has no links.",
    )

    def is_sampled(self, n_ratings: int) -> bool:
        """Return whether so many ratings are learned from by sampling."""
        if self.estimation != "auto":
            return self.estimation == "sampling"
        return n_ratings <= _SAMPLED_BY_DEFAULT and not self.model_fields_set & _OF_DESCENT

    def passes(self, n_ratings: int) -> int:
        """Return the number of passes over so many ratings."""
        return self.epochs or passes(_PASSES, n_ratings, least=_LEAST_PASSES)

    def machine_state(self) -> dict[str, str | int]:
        """Return the GPU, or the number of threads of torch: from a million ratings on, bits depend on it."""
        return super().machine_state() or {"threads": torch_threads()}
