"""How a page names things: metrics, slices, numbers."""

from __future__ import annotations

from typing import Any

from models.registry import in_words

_METRICS = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "recall_min": "Recall (capped)",
    "precision": "Precision",
    "map": "MAP",
    "mrr": "MRR",
    "hit_rate": "Hit rate",
    "rmse": "RMSE",
    "mae": "MAE",
    "coverage": "Catalogue coverage",
    "gini": "Gini (concentration)",
    "ild_features": "Diversity by genre and tag",
    "ild_vectors": "Diversity by taste",
    "list_popularity": "Popularity of the lists",
}
_LISTS = {"fallback": "the list for people whom we do not know yet"}  # lists that are named like models
LESS_IS_BETTER = {"rmse", "mae", "gini"}

_MEANINGS = {
    "ndcg": "Hits near the top of the list count most; 1 is a perfect list.",
    "recall": "The share of what a user went on to like that stands on the list.",
    "recall_min": "The share of the hits that were possible at this length.",
    "precision": "The share of the list that the user went on to like.",
    "map": "Precision, averaged over the places of the hits.",
    "mrr": "One over the rank of the first hit.",
    "hit_rate": "The share of users with at least one hit on their list.",
    "coverage": "The share of the catalogue that stands on anybody's list.",
    "gini": "How unevenly places are given to items: 0 to all alike, 1 all to one.",
    "novelty": "How little known the recommended items are, in bits of self-information; neither end is best.",
    "ild_features": "How far two items of a list are apart by genres and tags, on average.",
    "ild_vectors": "How far two items of a list are apart by who likes them, on average.",
    "list_popularity": "The share of the users that had met a recommended item, on average.",
    "popularity_bias": "The popularity of the lists over that of what users had met; 1 is alike, more is more popular.",
    "rmse": "The typical error of a predicted rating, great errors counting more.",
    "mae": "The mean error of a predicted rating.",
}

_SEGMENTS = {
    "all": "Everybody with a history",
    "cold": "Users without any history",
    "new": "New users",
    "light": "Light users",
    "medium": "Medium users",
    "heavy": "Heavy users",
    "head": "Popular items only",
    "middle": "Items in between only",
    "tail": "Rare items only",
}


def metric_name(metric: str, k: int | None) -> str:
    """Such as 'NDCG@10' for ndcg and 10; a metric of no length has no k."""
    name = _METRICS.get(metric, plain(metric))
    return f"{name}@{k}" if k else name


def metric_meaning(metric: str) -> str:
    """One sentence on a metric, or nothing for one that is not known here."""
    return _MEANINGS.get(metric, "")


def model_meaning(model: str) -> str:
    """How a model finds its lists, in plain words; empty for a model that no longer exists."""
    return _LISTS.get(model) or in_words(model)


def segment_name(segment: str) -> str:
    """Such as 'Heavy users' for heavy_users."""
    return _SEGMENTS.get(segment, plain(segment))


def plain(name: str) -> str:
    """A name from the code as words."""
    words = name.replace("_", " ").replace(":", ": ")
    return words[:1].upper() + words[1:]


def segment_meaning(about: dict[str, Any]) -> str:
    """What a slice holds, such as '10 to 46 items met', from its row of `segments`."""
    least, greatest = f"{about['least']:,}", f"{about['greatest']:,}"
    extent = least if least == greatest else f"{least} to {greatest}"
    return f"{extent} items met" if about["of"] == "users" else f"met by {extent} users"


def figure(value: float | None) -> str:
    """A metric with as many digits as it deserves."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def signed(value: float) -> str:
    """A difference, with its sign."""
    return f"{value:+.3f}".replace("-", "−")


def amount(value: float | None) -> str:
    """A number of a check: whole ones without a point."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def sentence(text: str) -> str:
    """A note with a full stop; nothing stays nothing."""
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


def duration(seconds: float) -> str:
    """Such as 8.3 s, 4 min 10 s, 2 h 5 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
