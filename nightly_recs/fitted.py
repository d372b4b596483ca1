"""Models of the shelf, or own ones, fitted on interactions: lists and similar items as frames, in the data's ids."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.base import Recommender, TopN
from models.registry import config_class, recommender_class, require_known
from nightly_recs.interactions import Interactions


class FittedModel:
    """A fitted recommender together with the ids of the data that it was fitted on.

    Attributes:
        recommender: the fitted `models.base.Recommender`.
        data: the interactions that it was fitted on.
        seconds: of the fit; None if that was not measured.
    """

    def __init__(self, recommender: Recommender, data: Interactions, seconds: float | None = None) -> None:
        self.recommender, self.data, self.seconds = recommender, data, seconds

    @property
    def name(self) -> str:
        """The model's name."""
        return self.recommender.name

    def recommend(
        self, users: Iterable[Any] | None = None, n: int = 10, *, exclude_seen: bool = True
    ) -> pd.DataFrame:
        """Return the n best items of each user, best first.

        Args:
            users: ids; None for all.
            n: length of the lists, at least 1.
            exclude_seen: leave out items that the user had an interaction with.

        Returns:
            Columns user, rank (from 1), item, title (if the data have titles) and score. Users whom the model does not
            know have no rows.

        Raises:
            KeyError: a user is not in the data.
        """
        rows = np.arange(self.data.n_users) if users is None else places(self.data.user_ids, users, "user")
        seen = self.data.matrices.seen if exclude_seen else None
        top = self.recommender.recommend(rows, n, exclude=seen)
        return self._frame(top, "user", self.data.user_ids[rows])

    def similar(self, items: Iterable[Any], n: int = 10) -> pd.DataFrame:
        """Return the n items most similar to each item; columns like, rank, item, title and score.

        Args:
            items: ids.
            n: length of the lists, at least 1.

        Raises:
            KeyError: an item is not in the data.
        """
        rows = places(self.data.item_ids, items, "item")
        return self._frame(self.recommender.similar_items(rows, n), "like", self.data.item_ids[rows])

    def _frame(self, top: TopN, of: str, ids: pd.Index[Any]) -> pd.DataFrame:
        row, rank = np.nonzero(top.items >= 0)
        item = self.data.item_ids[top.items[row, rank]]
        found = pd.DataFrame({of: ids[row], "rank": rank + 1, "item": item})
        if len(self.data.titles):
            found["title"] = self.data.titles.reindex(item).to_numpy()
        found["score"] = top.scores[row, rank]
        return found

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {self.seconds:.1f} s"
        return f"{self.name} fitted on {self.data!r}{took}"


def fit(model: str | Recommender, data: Interactions, *, seed: int = 42, **settings: Any) -> FittedModel:
    """Fit a model.

    Args:
        model: a name of the shelf, such as `als` (docs/models.md), or a recommender of your own.
        data: what to fit it on.
        seed: of the fit.
        settings: hyperparameters of a named model, such as factors=64.

    Raises:
        ValueError: there is no such model, or a setting is wrong.
    """
    if isinstance(model, str):
        config = config_class(require_known(model)).model_validate(settings)
        model = recommender_class(model)(config)
    elif settings:
        raise ValueError(f"give the settings of an own model to its class, not to fit: {', '.join(settings)}")
    started = time.perf_counter()
    model.fit(data.matrices, seed=seed)
    return FittedModel(model, data, time.perf_counter() - started)


def places(known: pd.Index[Any], ids: Iterable[Any], kind: str) -> NDArray[np.int64]:
    """Return the places of ids.

    Raises:
        KeyError: one is not known.
    """
    wanted = [ids] if isinstance(ids, str) else list(ids)
    found: NDArray[np.int64] = known.get_indexer(pd.Index(wanted))
    if (found < 0).any():
        absent = [wanted[at] for at in np.flatnonzero(found < 0)[:3]]
        raise KeyError(f"there is no {kind} {', '.join(map(repr, absent))} in the data")
    return found
