"""The demo's users: age, gender and region, tastes, stay, activity, and habits of rating.

Age and gender make some tastes a little more common; the region says nothing about taste.
"""

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
from tasks.datasets.synthetic.vocabulary import GENDERS, REGIONS, TASTES

USERS_PER_NEWCOMER = 50  # one more user for so many has not rated anything yet
AGE_CLASSES = (25, 45)  # young, middle, old: each leans to tastes of its own


@dataclass(frozen=True)
class Habits:
    """How the users of a data set rate.

    Attributes:
        least: ratings of the least active user.
        spread: standard deviation of the logarithm of a user's ratings beyond `least`.
        only_whole_stars: nobody rates in half stars; else two users in five never do.
    """

    least: int = 5
    spread: float = 1.2
    only_whole_stars: bool = False


DEFAULT_HABITS = Habits()


@dataclass(frozen=True)
class Users:
    """The users in order of arrival; user u has id u + 1, and one entry or row in each array.

    The last ones, the newcomers, have not rated anything yet.

    Attributes:
        age: (n,) years.
        gender, region: (n,) indices into `GENDERS` and `REGIONS`.
        tastes: (n, TASTES_PER_USER) distinct indices into `TASTES`.
        end_weights: (n, TASTES_PER_USER) the weights of these tastes at `END`; at `START` they are `START_WEIGHTS`.
        joined, left: (n,) Unix seconds.
        ratings, tags: (n,) the numbers that the user will give.
        mildness: (n,) added to every rating, in stars.
        whole_stars: (n,) True for users who never give half stars.
        trait_liking: (n, TRAITS) liking of the items' latent traits.
    """

    age: Ints
    gender: Ints
    region: Ints
    tastes: Ints
    end_weights: Floats
    joined: Ints
    left: Ints
    ratings: Ints
    tags: Ints
    mildness: Floats
    whole_stars: Bools
    trait_liking: Floats


def make_users(
    n: int, ratings: int, tags: int, most: int, rng: np.random.Generator, habits: Habits = DEFAULT_HABITS
) -> Users:
    """Draw users who will give exactly the asked numbers of ratings and tags.

    Args:
        n: users who rate; newcomers come on top.
        ratings: of all users together, from n · `habits.least` to n · `most`.
        tags: of all users together, up to 2 · `ratings`.
        most: ratings of one user at most.
        rng: the source of randomness.
        habits: how they rate.
    """
    newcomers = np.arange(n + n // USERS_PER_NEWCOMER) >= n
    everyone = len(newcomers)
    activity = on_grid(np.exp(habits.spread * rng.standard_normal(n)))
    weights = np.rint(activity * 4096).astype(np.int64) + 1
    given = np.zeros(everyone, np.int64)
    given[~newcomers] = apportion(ratings, weights, least=habits.least, most=most)
    gives_tags = rng.random(everyone) < 0.35
    tag_weight = np.where(
        gives_tags & ~newcomers, np.rint(4096 * on_grid(np.exp(rng.standard_normal(everyone)))) * given, 1.0
    )
    arrival = np.where(newcomers, 0.98 + 0.015 * rng.random(everyone), 0.98 * rng.random(everyone))
    joined = np.sort(np.rint(DAYS * DAY * arrival).astype(np.int64)) + START
    stays = rng.random(everyone) < 0.6
    until = 0.01 + 0.99 * rng.random(everyone) ** 2
    left = np.where(stays, END - DAY, joined + np.rint((END - DAY - joined) * until).astype(np.int64))
    age = 14 + np.floor(rng.triangular(0, 16, 66, everyone)).astype(np.int64)
    gender = np.searchsorted([0.47, 0.94], rng.random(everyone))
    return Users(
        age=age,
        gender=gender,
        region=rng.integers(0, len(REGIONS), everyone),
        tastes=draw_user_tastes(_leaning(age, gender, rng), rng),
        end_weights=draw_end_weights(everyone, rng),
        joined=joined,
        left=left,
        ratings=given,
        tags=apportion(tags, tag_weight.astype(np.int64), most=2 * given),
        mildness=on_grid(0.35 * rng.standard_normal(everyone)),
        whole_stars=(rng.random(everyone) < 0.4) | habits.only_whole_stars,
        trait_liking=on_grid(rng.standard_normal((everyone, TRAITS))),
    )


def _leaning(age: Ints, gender: Ints, rng: np.random.Generator) -> Floats:
    """Draw how much more often than others each age class and gender has each taste: (n, len(TASTES))."""
    of_ages = 0.6 + 0.8 * rng.random((len(AGE_CLASSES) + 1, len(TASTES)))
    of_genders = 0.6 + 0.8 * rng.random((len(GENDERS), len(TASTES)))
    return of_ages[np.searchsorted(AGE_CLASSES, age, side="right")] * of_genders[gender]
