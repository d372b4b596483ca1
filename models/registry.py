"""Name → recommender. A new model is one file in the folder of its family, one line here and its test.

A class is imported when it is asked for. Modules of models import torch and implicit only while they fit, so that
reading what a class declares (`in_words`, its config) stays cheap.
"""

from __future__ import annotations

from importlib import import_module

from models.base import Config, Recommender
from models.did_you_mean import did_you_mean

RECOMMENDERS: dict[str, str] = {
    "popularity": "models.baselines.popularity:Popularity",
    "recent": "models.baselines.recent:Recent",
    "item_knn": "models.neighbours.item_knn:ItemKNN",
    "user_knn": "models.neighbours.user_knn:UserKNN",
    "als": "models.factors.als:ALS",
    "cke": "models.factors.cke:CKE",
    "bpr": "models.factors.bpr:BPR",
    "logistic_mf": "models.factors.logistic_mf:LogisticMF",
    "mf": "models.factors.mf:MF",
    "lightgcn": "models.graph.lightgcn:LightGCN",
    "social_gcn": "models.graph.social_gcn:SocialGCN",
    "kgcn": "models.graph.kgcn:KGCN",
    "ngcf": "models.graph.ngcf:NGCF",
    "p3alpha": "models.graph.p3alpha:P3Alpha",
    "rp3beta": "models.graph.rp3beta:RP3Beta",
    "pinsage": "models.graph.pinsage:PinSage",
    "ease": "models.linear.ease:EASE",
    "graph_filter": "models.linear.graph_filter:GraphFilter",
    "cheby_filter": "models.linear.cheby_filter:ChebyFilter",
    "autorec": "models.neural.autorec:AutoRec",
    "neumf": "models.neural.neumf:NeuMF",
    "multvae": "models.neural.multvae:MultVAE",
    "recvae": "models.neural.recvae:RecVAE",
    "two_tower": "models.retrieval.two_tower:TwoTower",
    "sasrec": "models.sequence.sasrec:SASRec",
    "gru4rec": "models.sequence.gru4rec:GRU4Rec",
    "caser": "models.sequence.caser:Caser",
    "content": "models.content.profiles:Content",
    "attentive_content": "models.content.attentive:AttentiveContent",
}

ENSEMBLES: dict[str, str] = {
    "blend": "models.ensemble.blend:Blend",
    "two_stage": "models.ensemble.two_stage:TwoStage",
}
"""Models made of other fitted models: never on the shelf, and fitted by stages of their own."""


def require_known(name: str) -> str:
    """Return `name` if there is a model of that name; imports nothing.

    Raises:
        ValueError: there is none; the message suggests the most similar name and lists all.
    """
    if name in RECOMMENDERS:
        return name
    hint = f" {did_you_mean(name, RECOMMENDERS)}".rstrip()
    raise ValueError(f"There is no model {name!r}.{hint} Models: {', '.join(RECOMMENDERS)}.")


def recommender_class(name: str) -> type[Recommender]:
    """Return the class of the model or ensemble called `name`.

    Raises:
        ValueError: see `require_known`.
    """
    place = ENSEMBLES.get(name) or RECOMMENDERS[require_known(name)]
    module, _, attribute = place.partition(":")
    found: type[Recommender] = getattr(import_module(module), attribute)
    return found


def config_class(name: str) -> type[Config]:
    """Return the config class of the model called `name`.

    Raises:
        ValueError: see `require_known`.
    """
    return recommender_class(name).config_class


def in_words(name: str) -> str:
    """Return how a model or ensemble finds its lists, in plain words; empty for an unknown name.

    Names can be unknown because runs of earlier versions are shown too, and their models may be gone.
    """
    return recommender_class(name).in_words if name in {**RECOMMENDERS, **ENSEMBLES} else ""


def counterpart(name: str) -> str | None:
    """Return the model that a model or ensemble is without its side data; None without one, or for an unknown name."""
    return recommender_class(name).counterpart if name in {**RECOMMENDERS, **ENSEMBLES} else None
