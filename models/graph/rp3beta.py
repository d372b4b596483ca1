"""RP3β: the random walk of P3α, with popular ends made less likely.

Paudel et al. 2017, "Updatable, accurate, diverse, and scalable recommendations for interactive applications",
section 4.2.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Config
from models.graph.p3alpha import P3Alpha, P3AlphaConfig
from models.search_space import Range, SearchSpace


class RP3BetaConfig(P3AlphaConfig):
    """Hyperparameters of `rp3beta`."""

    search_space: ClassVar[SearchSpace] = {**P3AlphaConfig.search_space, "beta": Range(0.0, 1.2)}

    alpha: float = Field(
        default=0.5, ge=0, le=10, description="Power of the probability of a step, as for p3alpha."
    )
    beta: float = Field(
        default=0.4,
        ge=0,
        le=10,
        description="Chances are divided by the item's number of likes to this power; 0 is p3alpha.",
    )


class RP3Beta(P3Alpha):
    """Scores an item as `p3alpha` does, divided by its number of likes to the power β."""

    name: ClassVar[str] = "rp3beta"
    in_words: ClassVar[str] = "items that a random walk along likes reaches, popular ones held back"
    config_class: ClassVar[type[Config]] = RP3BetaConfig
    config: RP3BetaConfig

    def _penalty(self) -> float:
        return self.config.beta
