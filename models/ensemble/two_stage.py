"""Two stages: one model retrieves candidates, and a learned ranker reranks them with the context of the visit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray, Progress
from models.content.tf_idf import tf_idf
from models.ensemble.blend import Blend
from models.ensemble.candidates import CandidatePool
from models.ensemble.profile_features import mean_profiles, profile_cosines
from models.interactions import Interactions
from models.new_users import NewUsers
from models.retrieval.visits import Visits, after_last_event
from models.warm_start import WarmStart

_DAYS, _MOST_EVENTS = 7.0, 50  # the user's last week


class TwoStage(Blend):
    """Reranks what one model lists, by its score and rank and by features of the item, the pair and the context.

    A blend of a single member (Covington et al. 2016, section 4: a model that retrieves has to be fast, and one that
    ranks a hundred items can look at each of them). Beside the features of the blend it has two cosines: of the item's
    genres and tags to the mean of those of the 30 items that the user liked last, and to the mean of those of the
    user's events in the seven days up to the last one.

    Attributes:
        item_profiles_: (n_items, n_features) float32, TF-IDF weights of the features.
        week_: (n_users, n_items) float32, 1 / n for each of the n latest events of those days, at most 50; empty for a
            user whose events are all of one time.
    """

    name: ClassVar[str] = "two_stage"
    in_words: ClassVar[str] = (
        "what one model finds for you, reranked by what you did lately and by what people went on to like"
    )

    item_profiles_: sparse.csr_array
    week_: sparse.csr_array

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in the order of `feature_columns`."""
        return [*super().feature_names, "near latest profile", "near week's profile"]

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
        self.item_profiles_ = tf_idf(data.item_features)
        visits = Visits.of(data.seen, data.timestamp, _DAYS, _MOST_EVENTS)
        self.week_ = visits.before(np.arange(data.n_users), after_last_event(data.timestamp)).events
        self.week_.sort_indices()

    def _fold_in(self, new: NewUsers) -> None:
        super()._fold_in(new)
        no_times = np.empty((len(new.lengths), 0), np.int32)
        self.week_ = _ones(no_times, self.item_profiles_.shape[0])

    def _pair_columns(self, pool: CandidatePool, users: IntArray) -> Iterator[FloatArray]:
        """Compute the features of pairs: those of a blend, and the cosines to the two mean profiles."""
        yield from super()._pair_columns(pool, users)
        latest = _ones(self.latest_likes_[users], self.item_profiles_.shape[0])
        for weights in (latest, sparse.csr_array(self.week_[users])):
            profiles = mean_profiles(weights, self.item_profiles_)
            yield profile_cosines(pool.row, pool.item, profiles, self.item_profiles_)


def _ones(items: NDArray[np.int32], n_items: int) -> sparse.csr_array:
    """Return a 1 for each item of each row, (b, n_items) float32, from (b, n) with −1 as padding."""
    row, place = np.nonzero(items >= 0)
    return sparse.csr_array((np.ones(len(row), np.float32), (row, items[row, place])), (len(items), n_items))
