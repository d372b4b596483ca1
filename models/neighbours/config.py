"""Hyperparameters that both neighbourhood models share."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from models.base import Config
from models.neighbours.similarity import Measure, Missing, Similarity
from models.neighbours.weighting import Weighting
from models.search_space import OneOf, Range, SearchSpace


class NeighbourConfig(Config):
    """Hyperparameters of `item_knn` and `user_knn`; each overrides some defaults."""

    search_space: ClassVar[SearchSpace] = {
        "k": Range(20, 2000, log=True),
        "similarity": OneOf(("cosine", "asymmetric_cosine", "jaccard")),
        "user_exponent": Range(0.0, 1.0),
        "item_exponent": Range(0.0, 1.0),
        "asymmetry": Range(0.1, 0.9),
        "shrink": Range(0.3, 300.0, log=True),
        "exponent": Range(0.3, 2.0),
    }

    k: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Neighbours kept per user or item; 0: all that memory_mb allows. Default: grows with the data.",
    )
    memory_mb: int = Field(
        default=2000,
        ge=1,
        le=1_000_000,
        description="Memory limit of the neighbours in MB; if they would take more, only the strongest are kept.",
    )
    similarity: Similarity = Field(
        default="cosine",
        description="Similarity of two users or items; table in models/neighbours/similarity.py.",
    )
    missing: Missing = Field(
        default="auto",
        description="Meaning of a missing entry: ignored (only entries that both have count), zero, or mean "
        "(the mean of its user); auto is the usual choice for the similarity.",
    )
    weighting: Weighting = Field(
        default="auto",
        description="Weights of the entries that are compared: none, tfidf, bm25 or degree; auto is degree for cosine, "
        "asymmetric_cosine and dot, which compare interactions, and none for the others and for matrix rating.",
    )
    user_exponent: float = Field(
        default=0.5,
        ge=0,
        le=2,
        description="Weighting degree: entries are divided by their user's number of entries to this power.",
    )
    item_exponent: float = Field(
        default=0.5,
        ge=0,
        le=2,
        description="Weighting degree: entries are divided by their item's number of entries to this power.",
    )
    bm25_k1: float = Field(
        default=1.2,
        ge=0,
        le=1000,
        description="Weighting bm25: large entries saturate the later, the greater this is.",
    )
    bm25_b: float = Field(
        default=0.75, ge=0, le=1, description="Weighting bm25: damping of users or items with many entries."
    )
    asymmetry: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="asymmetric_cosine: exponent of the scored user or item in the denominator; .5 is the cosine.",
    )
    shrink: float = Field(
        default=10.0,
        ge=0,
        le=1_000_000,
        description="Shrinks similarities of few common entries, in numbers of them; 0 is the plain similarity.",
    )
    exponent: float = Field(
        default=0.8,
        gt=0,
        le=10,
        description="Similarities are raised to this power; below 1 makes them more equal.",
    )

    rating_shrink: float = Field(
        default=0.3,
        ge=0,
        le=1000,
        description="With matrix rating: added to the sum of the similarities that the neighbours' deviations are "
        "divided by, so that few and weak neighbours change the baseline little.",
    )

    rating_popularity: float = Field(
        default=0.4,
        ge=0,
        le=100,
        description="With matrix rating: rankings (not predictions) add this times the logarithm of the item's number "
        "of ratings, in standard deviations of the ratings; 0 ranks by the predicted rating alone.",
    )

    @model_validator(mode="after")
    def _weighting_suits_ratings(self) -> Self:
        if self.matrix == "rating" and self.weighting == "bm25":
            raise ValueError("weighting bm25 is for counts: with matrix rating, choose another, such as none")
        return self

    @property
    def weights(self) -> Weighting:
        """Return the weighting, with `auto` resolved."""
        if self.weighting != "auto":
            return self.weighting
        if self.matrix == "rating":
            return "none"
        return "degree" if self.similarity in ("dot", "cosine", "asymmetric_cosine") else "none"

    @property
    def measure(self) -> Measure:
        """Return the similarity and its parameters."""
        return Measure(self.similarity, self.missing, self.asymmetry, self.shrink, self.exponent)
