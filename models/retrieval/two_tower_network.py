"""The towers of `two_tower` (Covington et al. 2016, section 3; Yi et al. 2019, section 3). Imports torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from models.base import FloatArray
from models.neural.bags import Bags
from models.neural.layers import Dropout, distinct_rows
from models.retrieval.visits import N_CLOCK

if TYPE_CHECKING:
    from models.retrieval.config import TwoTowerConfig

_SPREAD = 0.05  # standard deviation of the first embeddings
_SMALL = 0.1  # share of it beside the singular vectors
N_AGES = 2
"""Numbers that say how old an item is."""


class Items(NamedTuple):
    """Inputs of the item tower, for n items.

    Attributes:
        ids: (n,) int64, which of the step's items; without a step, item indices.
        features: the features of each.
        ages: (n, 2) float32.
    """

    ids: torch.Tensor
    features: Bags
    ages: torch.Tensor


class Users(NamedTuple):
    """Inputs of the user tower, for b visits of h users.

    Attributes:
        rows: (h,) int64 user indices; −1 for one who has none.
        histories: (h, n) the users' histories, whose columns are the step's items; without a step, all items.
        places: (b,) int64, which of the users comes.
        counts: (b,) float32, items of the history.
        without: (b,) int64, an item of the history to leave out of it, which is to be predicted; −1 for none.
        recent: (b, n_features) mean features of the events of the context.
        clock: (b, 6) float32, see `models.retrieval.visits.Context`.
        features: (h, n_user_features), those of the users; None if nothing is known of anybody.
    """

    rows: torch.Tensor
    histories: Bags
    places: torch.Tensor
    counts: torch.Tensor
    without: torch.Tensor
    recent: Bags
    clock: torch.Tensor
    features: Bags | None = None


class TwoTowerNetwork(nn.Module):
    """A vector of unit length for each user and item.

    An item is the sum of its embedding, of the vectors of its features and of a term of its age. A user is the sum of
    their embedding, of the vectors of their features, of the mean of the items they liked, and of what ReLU layers make
    of these and of the context.

    Args:
        shape: number of users, items and features of items.
        config: hyperparameters.
        n_user_features: number of features of users.
    """

    def __init__(self, shape: tuple[int, int, int], config: TwoTowerConfig, n_user_features: int = 0) -> None:
        super().__init__()
        n_users, n_items, n_features = shape
        f = config.factors
        self.users = nn.Parameter(torch.zeros(n_users, f))
        self.items = nn.Parameter(torch.randn(n_items, f) * _SPREAD)
        self.feature_vectors = nn.Parameter(torch.zeros(n_features, f))
        self.age_vectors = nn.Linear(N_AGES, f, bias=False)
        self.context = nn.Linear(f + N_CLOCK, f)
        widths = [3 * f, *[2 * f] * config.layers]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.last = nn.Linear(widths[-1], f)
        self.scale, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.user_feature_vectors = nn.Parameter(torch.zeros(n_user_features, f))
        self.dropout, self.hide = Dropout(config.dropout), Dropout(config.id_dropout)
        for layer in (self.age_vectors, self.last):
            nn.init.zeros_(
                layer.weight
            )  # until they have learned something, users are the mean of their items

    def item_vectors(self, items: Items, table: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vectors of items, (n, f), of unit length.

        Args:
            items: n of them.
            table: the embeddings of the step's items; those of all items without a step.
        """
        table = self.items if table is None else table
        features = items.features.sums(self.feature_vectors)
        has_features = items.features.lengths() > 0
        is_shown = self.hide(torch.ones_like(items.ages[:, :1])) > 0
        own = table[items.ids] * (is_shown | ~has_features[:, None])
        return functional.normalize(own + features + self.age_vectors(items.ages), dim=1)

    def user_vectors(self, users: Users, table: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vectors of users, (b, f), of unit length; `table` as for `item_vectors`."""
        table = self.items if table is None else table
        is_shown = self.hide((users.rows >= 0)[users.places, None].float()) > 0
        own = self._own(users.rows.clamp(min=0))[users.places] * is_shown
        is_left_out = (users.without >= 0).float()
        liked = users.histories.sums(table)[users.places]
        liked = liked - table[users.without.clamp(min=0)] * is_left_out[:, None]
        mean = liked / (users.counts - is_left_out).clamp(min=1)[:, None]
        if users.features is not None:
            described, is_history_shown = self._described(users.features, users.places)
            own, mean = own + described, mean * is_history_shown
        recent = users.recent.sums(self.feature_vectors)
        context = self.context(torch.cat([recent, users.clock], dim=1)).relu()
        x = torch.cat([own, mean, context], dim=1)
        for layer in self.layers:
            x = self.dropout(layer(x).relu())
        return functional.normalize(own + mean + self.last(x), dim=1)

    def _own(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the users' own embeddings, (h, f); in training the users are distinct."""
        return distinct_rows(self.users, rows) if self.training else self.users[rows]

    def _described(self, features: Bags, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of users' features, (b, f), and whose history is shown, (b, 1) bool.

        In training some of either are hidden, so that both learn to stand alone: features for users without likes
        (Volkovs et al. 2017, "DropoutNet", section 4.1), histories for those of whom nothing is known.
        """
        vectors = features.sums(self.user_feature_vectors)[places]
        have_features = (features.lengths() > 0)[places, None]
        everybody = torch.ones_like(vectors[:, :1])
        is_shown, is_history_shown = self.hide(everybody) > 0, self.hide(everybody) > 0
        return vectors * is_shown, is_history_shown | ~have_features

    def start_from(self, vectors: FloatArray) -> None:
        """Write the vectors, (n_items, at most f), over the first ones of the items."""
        with torch.no_grad():
            self.items.mul_(_SMALL)[:, : vectors.shape[1]] = torch.from_numpy(vectors).to(self.items.device)
