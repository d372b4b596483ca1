"""The demo's users: tastes, stay, activity, and habits of rating."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.datasets.synthetic.exact_numbers import Bools, Floats, Ints, apportion, on_grid
from tasks.datasets.synthetic.taste_model import (
    DAY,
    DAYS,
    END,
    START,
    TRAITS,
    draw_end_weights,
    draw_user_tastes,
)

MIN_RATINGS = 5


@dataclass(frozen=True)
class Users:
    """The users in order of arrival; user u has id u + 1, and one entry or row in each array.

    Attributes:
        tastes: (n, TASTES_PER_USER) distinct indices into `TASTES`.
        end_weights: (n, TASTES_PER_USER) the weights of these tastes at `END`; at `START` they are `START_WEIGHTS`.
        joined, left: (n,) Unix seconds.
        ratings, tags: (n,) the numbers that the user will give.
        mildness: (n,) added to every rating, in stars.
        whole_stars: (n,) True for users who never give half stars.
        trait_liking: (n, TRAITS) liking of the items' latent traits.
    """

    tastes: Ints
    end_weights: Floats
    joined: Ints
    left: Ints
    ratings: Ints
    tags: Ints
    mildness: Floats
    whole_stars: Bools
    trait_liking: Floats


def make_users(n: int, ratings: int, tags: int, most: int, rng: np.random.Generator) -> Users:
    """Draw users who will give exactly the asked numbers of ratings and tags.

    Args:
        n: users.
        ratings: of all users together, from n · MIN_RATINGS to n · `most`.
        tags: of all users together, up to 2 · `ratings`.
        most: ratings of one user at most.
        rng: the source of randomness.
    """
    activity = on_grid(np.exp(1.2 * rng.standard_normal(n)))
    given = apportion(ratings, np.rint(activity * 4096).astype(np.int64) + 1, least=MIN_RATINGS, most=most)
    gives_tags = rng.random(n) < 0.35
    tag_weight = np.where(gives_tags, np.rint(4096 * on_grid(np.exp(rng.standard_normal(n)))) * given, 1.0)
    joined = np.sort(np.rint(DAYS * DAY * 0.98 * rng.random(n)).astype(np.int64)) + START
    stays = rng.random(n) < 0.6
    until = 0.01 + 0.99 * rng.random(n) ** 2
    left = np.where(stays, END - DAY, joined + np.rint((END - DAY - joined) * until).astype(np.int64))
    end_weights = draw_end_weights(n, rng)
    return Users(
        tastes=draw_user_tastes(n, rng),
        end_weights=end_weights,
        joined=joined,
        left=left,
        ratings=given,
        tags=apportion(tags, tag_weight.astype(np.int64), most=2 * given),
        mildness=on_grid(0.35 * rng.standard_normal(n)),
        whole_stars=rng.random(n) < 0.4,
        trait_liking=on_grid(rng.standard_normal((n, TRAITS))),
    )
