"""Name → recommender. A new model is one file in a family's folder and one line here.

Classes are imported when they are asked for, so that nobody waits for libraries of models they do not use.
"""

from __future__ import annotations

import difflib
from importlib import import_module

from models.base import Config, Recommender

RECOMMENDERS: dict[str, str] = {
    "popularity": "models.baselines.popularity:Popularity",
    "item_knn": "models.neighbours.item_knn:ItemKNN",
    "user_knn": "models.neighbours.user_knn:UserKNN",
    "als": "models.factors.als:ALS",
    "bpr": "models.factors.bpr:BPR",
    "logistic_mf": "models.factors.logistic_mf:LogisticMF",
    "mf": "models.factors.mf:MF",
    "lightgcn": "models.graph.lightgcn:LightGCN",
    "ngcf": "models.graph.ngcf:NGCF",
    "ease": "models.linear.ease:EASE",
    "graph_filter": "models.linear.graph_filter:GraphFilter",
    "content": "models.content.profiles:Content",
}

ENSEMBLES: dict[str, str] = {"blend": "models.ensemble.blend:Blend"}
"""Made of fitted models: no part of a shelf, and fitted by tasks of their own."""


def require_known(name: str) -> str:
    """The name itself, if a model bears it; nothing is imported.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.
    """
    if name in RECOMMENDERS:
        return name
    near = difflib.get_close_matches(name, RECOMMENDERS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"There is no model {name!r}.{hint} Models: {', '.join(RECOMMENDERS)}.")


def recommender_class(name: str) -> type[Recommender]:
    """The class called `name`.

    Raises:
        ValueError: as `require_known`.
    """
    place = ENSEMBLES.get(name) or RECOMMENDERS[require_known(name)]
    module, _, attribute = place.partition(":")
    found: type[Recommender] = getattr(import_module(module), attribute)
    return found


def config_class(name: str) -> type[Config]:
    """The config class of the model called `name`."""
    return recommender_class(name).config_class
