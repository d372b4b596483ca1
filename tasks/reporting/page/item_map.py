"""A map of the items: the vectors of a factor model laid out in the plane, coloured by genre."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from models.ranking.factor_model import FactorRecommender
from models.registry import RECOMMENDERS, recommender_class
from tasks.artifacts import FittedModel, Snapshot
from tasks.reporting.list_samples import titles
from tasks.reporting.page.histograms import popularity
from tasks.reporting.page.umap import Points, umap
from tasks.reporting.run_artifacts import Made
from tasks.training.fit import load_model

MAX_ITEMS = 2000
N_GENRES = 10
_WIDTH, _HEIGHT = 1000, 720
_SIZES = 4


@dataclass(frozen=True)
class Place:
    """One item on the map: where (in the units of the picture), how big (0 to 3, by popularity), what it is."""

    x: float
    y: float
    size: int
    title: str
    genres: tuple[str, ...]


@dataclass(frozen=True)
class ItemMap:
    """The most popular items as `model` sees them, in layers by genre; the last layer, '', holds all the others."""

    model: str
    width: int
    height: int
    layers: tuple[tuple[str, tuple[Place, ...]], ...]

    @property
    def n_items(self) -> int:
        """How many items are on it."""
        return sum(len(places) for _, places in self.layers)


def item_map(made: Made, *, seed: int) -> ItemMap | None:
    """The map of a run, or None if none of its models has item vectors or its lists are kept no more.

    The vectors are those of the best model that has any, from the refit if it was fitted again.
    """
    found = _best_with_vectors(made)
    if found is None or made.lists is None:
        return None
    fitted, snapshot = found
    model = load_model(fitted)
    assert isinstance(model, FactorRecommender)  # noqa: S101  (for the type checker)
    met = popularity(snapshot) * model.known_items_
    top = np.argsort(-met, kind="stable")[:MAX_ITEMS]
    top = top[met[top] > 0]
    if len(top) < 3:
        return None
    points = umap(model.item_factors_[top], seed=seed)
    ids = pq.read_table(snapshot.folder / "items.parquet")["item_id"].take(top).to_pylist()
    known = titles(made.lists)
    about = [known.get(item, (f"item {item}", ())) for item in ids]
    return ItemMap(fitted.model, _WIDTH, _HEIGHT, _layers(_fit(points), about))


def _best_with_vectors(made: Made) -> tuple[FittedModel, Snapshot] | None:
    ranking = made.choice.ranking if made.choice is not None else tuple(made.fits)
    for models, snapshot in ((made.refits, made.everything), (made.fits, made.judged)):
        for name in ranking:
            if name in models and snapshot is not None and _has_vectors(name):
                return models[name], snapshot
    return None


def _has_vectors(name: str) -> bool:
    return name in RECOMMENDERS and issubclass(recommender_class(name), FactorRecommender)


def _fit(points: Points) -> Points:
    """The points stretched to the picture, a few strays put on its edge."""
    low, high = np.quantile(points, 0.002, axis=0), np.quantile(points, 0.998, axis=0)
    share = np.clip((points - low) / np.where(high > low, high - low, 1), 0, 1)
    margin = 14
    stretched: Points = margin + share * (np.array([_WIDTH, _HEIGHT]) - 2 * margin)
    return stretched


def _layers(
    points: Points, about: list[tuple[str, tuple[str, ...]]]
) -> tuple[tuple[str, tuple[Place, ...]], ...]:
    """One layer per common genre; an item goes to the rarest of its own, which says most about it."""
    counts = Counter(genre for _, genres in about for genre in genres)
    common = [genre for genre, _ in counts.most_common(N_GENRES)]
    layers: dict[str, list[Place]] = {genre: [] for genre in (*common, "")}
    for rank, ((x, y), (title, genres)) in enumerate(zip(points, about, strict=True)):
        shown = [genre for genre in common if genre in genres]
        size = _SIZES - 1 - min(_SIZES - 1, int(_SIZES * (rank / len(about)) ** 0.5))
        layers[shown[-1] if shown else ""].append(
            Place(round(float(x), 1), round(float(y), 1), size, title, genres)
        )
    return tuple((genre, tuple(places)) for genre, places in layers.items() if places)
