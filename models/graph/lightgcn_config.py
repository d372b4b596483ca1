"""Hyperparameters of `lightgcn`; a module of its own, because the model and its training on a GPU both read them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from models.graph.graph_model import GraphConfig
from models.search_space import Range, SearchSpace

_LEAST_NEGATIVES, _MOST_NEGATIVES = 64, 128
_NEGATIVE_ENTRIES = 16_384  # negatives × factors, between those bounds
_RIVAL_SHARE = (
    0.2  # share of the known items that the negatives stand for; all of them is too hard on small data
)

_GAIN = 4.0
_MILLION, _MANY = 1_000_000, 4_000_000  # positives
_CROWD = 40  # positives of an item, on average
_EPOCHS, _EPOCHS_FALL, _LEAST_EPOCHS = (
    9,
    -0.29,
    3,
)  # of crowded data: epochs of a million positives, and their growth


class LightGCNConfig(GraphConfig):
    """Hyperparameters of `lightgcn`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(64, 512, log=True),
        "layers": Range(1, 4),
        "epochs": Range(5, 80, log=True),
        "negative_weight": Range(0.5, 100.0, log=True),
        "degree_exponent": Range(0.0, 0.6),
        "step": Range(0.02, 0.4, log=True),
        "shrink": Range(0.3, 10.0, log=True),
    }

    most_epochs: ClassVar[int] = 40

    factors: int = Field(default=256, ge=1, le=2048, description="Length of the embeddings.")
    layers: int = Field(default=3, ge=0, le=4, description="Number of propagation steps along the graph.")
    layer_weights: tuple[Annotated[float, Field(ge=0, le=1000)], ...] = Field(
        default=(),
        description="Weights of the layers 0 to `layers` relative to each other, not all of them 0; by default all "
        "are equal.",
    )
    negatives: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Items drawn against each positive; by default 64, and up to 128 if embeddings are shorter than "
        "the default, because they cost less then.",
    )
    negative_weight: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Number of items that each negative counts as in the softmax; by default the negatives of a "
        "positive count together as a fifth of the known items.",
    )
    degree_exponent: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="The step of a positive is divided by its user's number of items to this power; above 0, users "
        "with many items count less.",
    )
    group: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Positives of a user that are trained at once and share their negatives, on the CPU with softmax. "
        "By default 4 on crowded data, else 1. Crowded are more than a million positives with more than forty for "
        "each item, and more than four million in any case.",
    )
    gain: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Factor by which a change is multiplied when it is propagated back to the base embeddings; by "
        "default 4, and 1 on crowded data, where more diverges.",
    )
    start: Literal["random", "svd", "als"] = Field(
        default="svd",
        description="Initial base embeddings: random noise, the singular vectors of the normalized matrix, or the "
        "factors of an `als` that is fitted for this.",
    )

    @field_validator("layer_weights")
    @classmethod
    def _one_weight_a_layer(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        layers = info.data.get("layers", len(weights) - 1)  # an invalid `layers` has its own error
        if weights and len(weights) != layers + 1:
            raise ValueError(
                f"it takes {layers + 1} numbers, for the layers 0 to {layers}, not {len(weights)}"
            )
        if weights and not any(weights):
            raise ValueError("at least one weight must be above 0")
        return weights

    def weights(self) -> tuple[float, ...]:
        """Return the weights of the layers 0, 1, …, `layers`; they sum to 1."""
        weights = self.layer_weights or (1.0,) * (self.layers + 1)
        return tuple(weight / sum(weights) for weight in weights)

    def negatives_drawn(self) -> int:
        """Return the number of items drawn against each positive."""
        return self.negatives or min(
            _MOST_NEGATIVES, max(_LEAST_NEGATIVES, _NEGATIVE_ENTRIES // self.factors)
        )

    def weight_of_a_negative(self, n_known: int) -> float:
        """Return the number of items that each negative counts as; `n_known` items have at least one user."""
        if self.negative_weight is not None:
            return self.negative_weight
        return _RIVAL_SHARE * n_known / self.negatives_drawn()

    def effective_gain(self) -> float:
        """Return `gain`, or 1 without layers: then propagation does not weaken a change."""
        if not self.layers:
            return 1.0
        return _GAIN if self.gain is None else self.gain

    def for_data(self, n_positives: int, n_items: int) -> Self:
        """Return the config with the defaults of crowded data in place of those that are not set, if the data are so.

        There an item has so many positives in a part of an epoch that its final embedding arrives where descent alone
        takes it. With a gain of 4 its base embedding would then go four times as far, and training diverges.

        Args:
            n_positives: number of positives.
            n_items: number of items that have one.
        """
        crowded = n_positives > _MILLION and n_positives > _CROWD * max(n_items, 1)
        return self.for_crowds(n_positives) if crowded or n_positives > _MANY else self

    def for_crowds(self, n_positives: int) -> Self:
        """Return the config with the defaults of crowded data in place of those that are not set.

        Args:
            n_positives: number of positives; the more, the fewer epochs.
        """
        epochs = max(_LEAST_EPOCHS, round(_EPOCHS * (n_positives / _MILLION) ** _EPOCHS_FALL))
        defaults = {"group": 4, "gain": 1.0, "refreshes": 4, "shrink": 0.5, "epochs": epochs}
        return self.model_copy(
            update={name: value for name, value in defaults.items() if getattr(self, name) is None}
        )
