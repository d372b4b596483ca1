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
from tasks.reporting.run_artifacts import RunArtifacts
from tasks.training.load_model import load_model

MAX_ITEMS = 2000
N_GENRES = 10
_WIDTH, _HEIGHT = 1000, 720
_SIZES = 4


@dataclass(frozen=True)
class Place:
    """One item on the map: its position in units of the picture, size (0 to 3, by popularity), title and genres."""

    x: float
    y: float
    size: int
    title: str
    genres: tuple[str, ...]


@dataclass(frozen=True)
class ItemMap:
    """The most popular items, placed by the item vectors of `model`; one layer per genre, '' for all other items."""

    model: str
    width: int
    height: int
    layers: tuple[tuple[str, tuple[Place, ...]], ...]

    @property
    def n_items(self) -> int:
        """The number of items on the map."""
        return sum(len(places) for _, places in self.layers)


def item_map(artifacts: RunArtifacts, *, seed: int) -> ItemMap | None:
    """Return the map of a run; None if no model has item vectors, or if the run's lists are not kept any more.

    The vectors are those of the best model that has any, from the refit if it was fitted again.

    Args:
        artifacts: of the run.
        seed: of the layout.
    """
    found = _best_with_vectors(artifacts)
    if found is None or artifacts.lists is None:
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
    known = titles(artifacts.lists)
    about = [known.get(item, (f"item {item}", ())) for item in ids]
    return ItemMap(fitted.model, _WIDTH, _HEIGHT, _layers(_fit(points), about))


def _best_with_vectors(artifacts: RunArtifacts) -> tuple[FittedModel, Snapshot] | None:
    ranking = artifacts.choice.ranking if artifacts.choice is not None else tuple(artifacts.fits)
    for models, snapshot in (
        (artifacts.refits, artifacts.everything),
        (artifacts.fits, artifacts.judged),
    ):
        for name in ranking:
            if name in models and snapshot is not None and _has_vectors(name):
                return models[name], snapshot
    return None


def _has_vectors(name: str) -> bool:
    return name in RECOMMENDERS and issubclass(recommender_class(name), FactorRecommender)


def _fit(points: Points) -> Points:
    """Stretch the points to the picture; the few outermost ones are put on its edge."""
    low, high = np.quantile(points, 0.002, axis=0), np.quantile(points, 0.998, axis=0)
    share = np.clip((points - low) / np.where(high > low, high - low, 1), 0, 1)
    margin = 14
    stretched: Points = margin + share * (np.array([_WIDTH, _HEIGHT]) - 2 * margin)
    return stretched


def _layers(
    points: Points, about: list[tuple[str, tuple[str, ...]]]
) -> tuple[tuple[str, tuple[Place, ...]], ...]:
    """Return a layer per common genre; an item is in that of its rarest genre, which says most about it."""
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
