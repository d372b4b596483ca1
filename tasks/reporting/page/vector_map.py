"""A map of items or users: vectors of a factor model laid out in the plane, coloured by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.ranking.factor_model import FactorRecommender
from models.registry import RECOMMENDERS, recommender_class
from tasks.artifacts import Snapshot
from tasks.reporting.page.umap import Points
from tasks.reporting.run_artifacts import RunArtifacts
from tasks.training.load_model import load_model

N_COLOURS = 10
LEAST = 3
"""A map of fewer points shows nothing."""
_MARGIN = 14
_SIZES = 4


@dataclass(frozen=True)
class Place:
    """One point of a map: its position in units of the picture, size (0 to 3), title, and what else to say of it."""

    x: float
    y: float
    size: int
    title: str
    about: str


@dataclass(frozen=True)
class VectorMap:
    """Points by the vectors of `model`; one layer per class that has a colour, '' for all other points."""

    model: str
    width: int
    height: int
    layers: tuple[tuple[str, tuple[Place, ...]], ...]

    @property
    def n(self) -> int:
        """The number of points."""
        return sum(len(places) for _, places in self.layers)


class MappedModel(NamedTuple):
    """The model whose vectors are shown, and the snapshot that it was fitted on."""

    model: FactorRecommender
    snapshot: Snapshot


class Point(NamedTuple):
    """The class, the title and what else to say of one point."""

    layer: str
    title: str
    about: str


def model_of_maps(artifacts: RunArtifacts) -> MappedModel | None:
    """Return the best model of a run that has vectors, from the refit if it was fitted again; None if none has."""
    ranking = artifacts.choice.ranking if artifacts.choice is not None else tuple(artifacts.fits)
    for models, snapshot in (
        (artifacts.refits, artifacts.everything),
        (artifacts.fits, artifacts.judged),
    ):
        for name in ranking:
            if name in models and snapshot is not None and _has_vectors(name):
                model = load_model(models[name])
                assert isinstance(model, FactorRecommender)  # noqa: S101  (for the type checker)
                return MappedModel(model, snapshot)
    return None


def _has_vectors(name: str) -> bool:
    return name in RECOMMENDERS and issubclass(recommender_class(name), FactorRecommender)


def draw_map(
    model: str, points: Points, about: Sequence[Point], layers: Sequence[str], *, width: int, height: int
) -> VectorMap:
    """Return a map.

    Args:
        model: the name of the model.
        points: (n, 2), in any unit.
        about: the n points, the largest first.
        layers: the classes that have a colour, in their order; points of any other class come last.
        width, height: of the picture.
    """
    places: dict[str, list[Place]] = {layer: [] for layer in (*layers, "")}
    for rank, ((x, y), point) in enumerate(zip(_stretched(points, width, height), about, strict=True)):
        size = _SIZES - 1 - min(_SIZES - 1, int(_SIZES * (rank / len(about)) ** 0.5))
        place = Place(round(float(x), 1), round(float(y), 1), size, point.title, point.about)
        places[point.layer if point.layer in places else ""].append(place)
    return VectorMap(
        model, width, height, tuple((layer, tuple(found)) for layer, found in places.items() if found)
    )


def _stretched(points: Points, width: int, height: int) -> Points:
    """Stretch the points to the picture; the few outermost ones are put on its edge."""
    low, high = np.quantile(points, 0.002, axis=0), np.quantile(points, 0.998, axis=0)
    share = np.clip((points - low) / np.where(high > low, high - low, 1), 0, 1)
    stretched: Points = _MARGIN + share * (np.array([width, height]) - 2 * _MARGIN)
    return stretched
