"""Recent popularity: the same list for all users, by the number of users who liked each item in the last days."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress
from models.baselines.popularity import Popularity
from models.interactions import Interactions, MatrixName, entries_of
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart

_DAY_S = 86_400


class RecentConfig(Config):
    """Hyperparameters of `recent`."""

    search_space: ClassVar[SearchSpace] = {"days": Range(1.0, 365.0, log=True)}

    days: float = Field(
        default=7.0,
        gt=0,
        le=36_500,
        description="Likes of the last so many days count, back from the newest one.",
    )


class Recent(Popularity):
    """Scores an item by the sum of its column over the last days; ties break by all of the column.

    On data that are cut by time it beats many models of sequences, because what is liked changes.
    """

    name: ClassVar[str] = "recent"
    in_words: ClassVar[str] = "what most people liked in the last days, the same for everybody"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = RecentConfig
    config: RecentConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        super()._fit(matrix, data, seed=seed, progress=progress, warm_start=warm_start)
        times = entries_of(data.timestamp, matrix)
        since = times.max(initial=0) - self.config.days * _DAY_S
        recent = np.bincount(matrix.indices, weights=matrix.data * (times > since), minlength=matrix.shape[1])
        below_one = self.item_scores_ / (self.item_scores_.max(initial=0) + 1)
        self.item_scores_ = (recent + below_one).astype(np.float32)
