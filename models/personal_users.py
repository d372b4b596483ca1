"""The users of whom a fitted model has learned something, by their likes or by what links and features say.

`known_users_` says for whom a model has a list. Models with one list for everybody have it for users of whom nothing is
known, and so do ensembles with such a member.
"""

from __future__ import annotations

import numpy as np

from models.base import BoolArray, Recommender
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend


def personal_users(model: Recommender) -> BoolArray:
    """Return which users have a list of their own, (n_users,) bool.

    None has by a model with one list for everybody; by an ensemble those have that have by one of its members.

    Args:
        model: a fitted model.
    """
    if isinstance(model, Popularity):
        return np.zeros_like(model.known_users_)
    if isinstance(model, Blend):
        found: BoolArray = np.any([personal_users(member) for member in model.members], axis=0)
        return found & model.known_users_
    return model.known_users_
