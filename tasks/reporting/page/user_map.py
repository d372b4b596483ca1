"""The map of some users, coloured by a feature of theirs or by the length of their history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.spatial import KDTree

from models.evaluation.slices import USER_CLASSES, user_classes
from models.interactions import load_matrix, load_names
from tasks.artifacts import Snapshot
from tasks.reporting.page.umap import Points, umap
from tasks.reporting.page.vector_map import (
    LEAST,
    N_COLOURS,
    MappedModel,
    Point,
    VectorMap,
    draw_map,
)

MAX_USERS = 1000
_WIDTH, _HEIGHT = 1000, 520
_N_NEAREST = 10
_HISTORY = "history"


@dataclass(frozen=True)
class UserMap:
    """A map of users.

    Attributes:
        map: the map.
        n_known: users that the model knows, of whom the map shows some.
        colour: what the colours stand for, such as `gender`.
        shared: how often a user's ten nearest neighbours on the map have the colour of the user, from 0 to 1.
        by_chance: how often any two users of the map have the same colour.
    """

    map: VectorMap
    n_known: int
    colour: str
    shared: float
    by_chance: float


class Colouring(NamedTuple):
    """A way to class users: its name, the users' classes ('' for none), and all classes in their order."""

    name: str
    of_users: list[str]
    classes: tuple[str, ...]


def user_map(mapped: MappedModel, *, seed: int) -> UserMap | None:
    """Return a map of a random sample of the users, 1,000 at most; None if there are too few.

    Colours are those of the feature of users in which neighbours on the map agree most, compared with chance; without
    features, of the class of the length of the history.

    Args:
        mapped: the model.
        seed: of the sample and of the layout.
    """
    model, snapshot = mapped
    n_met = np.diff(load_matrix(snapshot.folder, "seen").indptr)
    known = np.flatnonzero(model.known_users_ & (n_met > 0))
    if len(known) < LEAST:
        return None
    some = known
    if len(known) > MAX_USERS:
        some = np.sort(np.random.default_rng(seed).choice(known, MAX_USERS, replace=False))
    some = some[np.argsort(-n_met[some], kind="stable")]
    points = umap(model.user_vectors()[some], seed=seed)
    choices = _features(snapshot, some) or [_histories(n_met, some)]
    agreements = [_agreement(points, each.of_users) for each in choices]
    best = max(range(len(choices)), key=lambda n: agreements[n][0] - agreements[n][1])
    ids = pq.read_table(snapshot.folder / "users.parquet")["user_id"].take(some).to_pylist()
    about = [
        Point(layer, f"User {user}", f"{choices[best].name}: {layer or 'unknown'}; {n:,} items")
        for layer, user, n in zip(choices[best].of_users, ids, n_met[some], strict=True)
    ]
    drawn = draw_map(model.name, points, about, choices[best].classes, width=_WIDTH, height=_HEIGHT)
    return UserMap(drawn, len(known), choices[best].name, *agreements[best])


def _features(snapshot: Snapshot, users: NDArray[np.int64]) -> list[Colouring]:
    """Return the features in which some users differ, with the classes that most of them have in the order of names."""
    if not (snapshot.folder / "user_features.npz").exists():
        return []
    matrix = load_matrix(snapshot.folder, "user_features")[users]
    names = [name.partition(":")[::2] for name in load_names(snapshot.folder, "user_feature_names")]
    found = []
    for kind in dict.fromkeys(kind for kind, _ in names):
        of_users = [""] * len(users)
        row, column = matrix.nonzero()
        for user, feature in zip(row, column, strict=True):
            if names[feature][0] == kind:
                of_users[user] = names[feature][1]
        counts = Counter(each for each in of_users if each)
        common = {name for name, _ in counts.most_common(N_COLOURS)}
        classes = tuple(value for each, value in names if each == kind and value in common)
        if len(classes) > 1:
            found.append(Colouring(kind, of_users, classes))
    return found


def _histories(n_met: NDArray[np.integer], users: NDArray[np.int64]) -> Colouring:
    """Return the classes of some users that the night judges by, among all users with a history."""
    classes = np.full(len(n_met), 0, np.int8)
    classes[n_met > 0] = user_classes(n_met[n_met > 0])
    return Colouring(_HISTORY, [USER_CLASSES[each] for each in classes[users]], USER_CLASSES)


def _agreement(points: Points, classes: Sequence[str]) -> tuple[float, float]:
    """Return how often the nearest neighbours of points have their class, and how often any two points have the same.

    Args:
        points: (n, 2), n ≥ 2.
        classes: the n classes; points without one, '', do not count.
    """
    _, number = np.unique(np.array(classes), return_inverse=True)
    classed = np.array([each != "" for each in classes])
    points, number = points[classed], number[classed]
    n = len(points)
    _, nearest = KDTree(points).query(
        points, k=range(2, min(_N_NEAREST + 2, n + 1))
    )  # the first is the point itself
    counts = np.bincount(number)
    by_chance = float((counts * (counts - 1)).sum() / (n * (n - 1)))
    return float((number[nearest] == number[:, None]).mean()), by_chance
