"""Name → recommender. A new model is one file in a family's folder and one line here."""

from __future__ import annotations

import difflib

from models.base import Config, Recommender
from models.baselines.popularity import Popularity
from models.factors.als import ALS
from models.neighbours.item_knn import ItemKNN

RECOMMENDERS: dict[str, type[Recommender]] = {model.name: model for model in (Popularity, ItemKNN, ALS)}


def recommender_class(name: str) -> type[Recommender]:
    """The class called `name`.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.
    """
    if name in RECOMMENDERS:
        return RECOMMENDERS[name]
    near = difflib.get_close_matches(name, RECOMMENDERS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"There is no model {name!r}.{hint} Models: {', '.join(RECOMMENDERS)}.")


def config_class(name: str) -> type[Config]:
    """The config class of the model called `name`."""
    return recommender_class(name).config_class
