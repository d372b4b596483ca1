"""Descriptions of the models, in words for everybody."""

from __future__ import annotations

_MODELS = {
    "popularity": "what most people liked, the same for everybody; what the others are measured against",
    "item_knn": "items that the same people liked as those you liked",
    "user_knn": "what people who like what you like also liked",
    "als": "tastes as mixtures of hidden factors, learned from how much everybody did with each item",
    "bpr": "hidden factors that put what people liked before what they passed by",
    "logistic_mf": "hidden factors that say how probable a like is",
    "mf": "hidden factors that predict the stars people would give",
    "lightgcn": "hidden factors that spread along the network of people and items",
    "ngcf": "the same network, with learned messages between neighbours",
    "ease": "every item weighed directly against every other",
    "graph_filter": "likes smoothed along the network of people and items",
    "content": "items described like those you liked, by genres and tags",
    "blend": "the lists of the other models put together, by weights learned from what people went on to like",
    "fallback": "the list for people whom we do not know yet",
}


def model_meaning(model: str) -> str:
    """Return how a model finds its lists, in words for everybody; empty for a model that is not known here."""
    return _MODELS.get(model, "")
