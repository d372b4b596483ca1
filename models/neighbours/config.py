"""What both neighbourhood models can be told."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Config
from models.neighbours.similarity import Measure, Missing, Similarity
from models.neighbours.weighting import Weighting
from models.search_space import OneOf, Range, SearchSpace


class NeighbourConfig(Config):
    """Hyperparameters of `item_knn` and `user_knn`."""

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
        description="Neighbours kept of each; 0 keeps all that memory_mb allows. By default it grows with the data.",
    )
    memory_mb: int = Field(
        default=2000,
        ge=1,
        le=1_000_000,
        description="What the neighbours may take in MB; only the strongest are kept where they would take more.",
    )
    similarity: Similarity = Field(
        default="cosine", description="How alike two are: the table in models/neighbours/similarity.py."
    )
    missing: Missing = Field(
        default="auto",
        description="What an entry that is missing means: ignored (only what both have counts), zero, or mean "
        "(the mean of its user); auto is what the similarity was made for.",
    )
    weighting: Weighting = Field(
        default="auto",
        description="Weights of the entries that are compared: none, tfidf, bm25 or degree; auto is degree for the "
        "cosines and dot, which compare what was done, and none for what compares ratings.",
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
        default=1.2, ge=0, le=1000, description="Weighting bm25: how late large entries saturate."
    )
    bm25_b: float = Field(
        default=0.75, ge=0, le=1, description="Weighting bm25: how much those with many entries are damped."
    )
    asymmetry: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="asymmetric_cosine: the share of the judged one in the denominator; .5 is the cosine.",
    )
    shrink: float = Field(
        default=10.0,
        ge=0,
        le=1_000_000,
        description="Distrust of what rests on little, in numbers of common entries; 0 is the plain similarity.",
    )
    exponent: float = Field(
        default=0.8, gt=0, le=10, description="Similarities are raised to this power: below 1 evens them out."
    )

    @property
    def weights(self) -> Weighting:
        """The weighting, never `auto`."""
        if self.weighting != "auto":
            return self.weighting
        return "degree" if self.similarity in ("dot", "cosine", "asymmetric_cosine") else "none"

    @property
    def measure(self) -> Measure:
        """Which similarity, and how."""
        return Measure(self.similarity, self.missing, self.asymmetry, self.shrink, self.exponent)
