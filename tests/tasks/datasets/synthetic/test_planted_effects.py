"""The demo's friends, directors, ages and genders say what users like; shuffled ones, places and regions do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tasks.datasets.synthetic.catalogue import make_items
from tasks.datasets.synthetic.generate import generate_demo
from tasks.datasets.synthetic.users import AGE_CLASSES

SHUFFLES = 19
RELEVANT = 3.5
FEW = 5
ERAS = 6
SEED = 7


class World(NamedTuple):
    """`rated` and `liked` are users × items, 0 or 1; the frames have one row per user, item, friendship and triple."""

    rated: np.ndarray
    liked: np.ndarray
    users: pd.DataFrame
    movies: pd.DataFrame
    links: pd.DataFrame
    relations: pd.DataFrame


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world in which many items have fewer than five ratings."""
    folder = tmp_path_factory.mktemp("data") / "small"
    generate_demo(folder, users=1000, items=1500, ratings=25_000, tags=0, seed=SEED)
    names = ("ratings", "users", "movies", "links", "relations")
    ratings, *others = (pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for name in names)
    rated = np.zeros((len(others[0]), len(others[1])))
    liked = rated.copy()
    rated[ratings.userId - 1, ratings.movieId - 1] = 1
    liked[ratings.userId - 1, ratings.movieId - 1] = ratings.rating >= RELEVANT
    return World(rated, liked, *others)


def above_shuffles(
    measure: Callable[[np.ndarray], float], labels: np.ndarray, within: np.ndarray | None = None
) -> int:
    """Return how many of `SHUFFLES` random orders of the labels, within groups if given, have a smaller measure."""
    rng = np.random.default_rng(0)
    groups = np.zeros(len(labels)) if within is None else within
    places = np.argsort(groups, kind="stable")
    shuffled = np.empty((SHUFFLES, len(labels)), labels.dtype)
    for row in shuffled:
        row[places] = labels[np.lexsort((rng.random(len(labels)), groups))]
    true = measure(labels)
    return sum(measure(row) < true for row in shuffled)


def codes(column: pd.Series) -> np.ndarray:
    return pd.factorize(column)[0]


def one_hot(labels: np.ndarray, n: int) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(labels)), (np.arange(len(labels)), labels)), shape=(len(labels), n))


# -- friends --------------------------------------------------------------------------------------------------


def test_friends_like_what_a_user_likes_beyond_popularity(world: World) -> None:
    """Correlate each user's likes with the mean of the friends' likes, relative to what is liked on average."""
    n = len(world.users)
    liking = world.liked / np.sqrt(world.liked.sum(0) + 1)
    liking -= liking.mean(0)
    liking /= np.linalg.norm(liking, axis=1, keepdims=True)
    ties = one_hot(world.links.userId - 1, n).T @ one_hot(world.links.friendId - 1, n)
    friends = ties + ties.T
    social = friends.sum(1) > 0

    def correlation(users: np.ndarray) -> float:
        theirs = (friends @ liking[users])[social]
        own = liking[users][social]
        return float(((theirs * own).sum(1) / np.linalg.norm(theirs, axis=1)).mean())

    assert above_shuffles(correlation, np.arange(n)) == SHUFFLES
    shuffled = correlation(np.random.default_rng(1).permutation(n))
    assert correlation(np.arange(n)) > 2 * shuffled, "shuffled friends share the taste of many"


# -- directors, series and places -----------------------------------------------------------------------------


def liking_of_rare_items(world: World) -> Callable[[np.ndarray], float]:
    """Measure, for any grouping of the items, how much those who like an item with few ratings like its group's others.

    It is the mean over such likes, in standard deviations of all users' liking of that group.
    """
    rare = world.rated.sum(0) < FEW
    known = sparse.csr_array(world.liked * ~rare)
    activity = np.sqrt(world.liked.sum(1, keepdims=True) + 1)
    user, item = np.nonzero(world.liked * rare)

    def measure(group: np.ndarray) -> float:
        liking = (known @ one_hot(group, group.max() + 1)).toarray() / activity
        relative = (liking - liking.mean(0)) / np.maximum(liking.std(0), 1e-12)
        return float(relative[user, group[item]].mean())

    return measure


def test_directors_say_who_likes_an_item_with_few_ratings(world: World) -> None:
    """Directors keep to a taste and a time, so that the control shuffles them among items of the same taste and time.

    Genres do not show the main taste; the catalogue, drawn once more, does.
    """
    n = len(world.movies)
    items = make_items(n, np.random.default_rng([SEED, 1]))
    assert items.year.tolist() == world.movies.year.tolist()
    alike = items.main_taste * ERAS + np.arange(n) * ERAS // n
    assert above_shuffles(liking_of_rare_items(world), codes(world.movies.director), within=alike) == SHUFFLES


def test_the_place_of_filming_says_nothing(world: World) -> None:
    places = world.relations[world.relations.relation == "filmed_in"]
    assert above_shuffles(liking_of_rare_items(world), codes(places["tail"])) < SHUFFLES


# -- features of users ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("feature", "matters"), [("age", True), ("gender", True), ("region", False)])
def test_age_and_gender_shift_the_genres_a_little(world: World, feature: str, matters: bool) -> None:
    genres = world.liked @ world.movies.genres.str.get_dummies("|").to_numpy(float)
    active = world.liked.sum(1) >= 3
    share = genres[active] / genres[active].sum(1, keepdims=True)
    column = world.users[feature]
    classes = np.digitize(column, AGE_CLASSES) if feature == "age" else codes(column)

    def explained(labels: np.ndarray) -> float:
        member = np.eye(labels.max() + 1)[labels]
        means = (member.T @ share) / member.sum(0)[:, None]
        return float((((member @ means) - share.mean(0)) ** 2).sum() / ((share - share.mean(0)) ** 2).sum())

    assert (above_shuffles(explained, classes[active]) == SHUFFLES) == matters
    assert explained(classes[active]) < 0.05, "a little"
