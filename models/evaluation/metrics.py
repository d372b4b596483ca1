"""The metrics: each is one entry with its name, its formula and everything that is said of it anywhere.

A new metric of ranked lists is one entry of `RANKING_METRICS` (relevance) or `LIST_METRICS` (what the lists are like):
evaluation, `metrics.json`, the report page, the terminal's tables and docs/judging.md read these entries. Numba is
imported by the functions that need it, so that the terminal can read the entries without waiting for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse

    from models.evaluation.hits import Hits
    from models.evaluation.link_prediction import FoundPairs

Floats = NDArray[np.float64]
Lists = NDArray[np.integer[Any]]
PerLength = dict[int, Floats]
"""Values of lists, (n_lists,), by the length at which the lists are cut."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its names, formula, direction and descriptions.

    Attributes:
        name: its name in `metrics.json`, `model_metrics` and the settings, such as `ndcg`.
        title: its name for people, such as NDCG.
        definition: the formula for docs/judging.md, in Markdown.
        meaning: what it says, in a sentence or two for everybody.
        better: which values are better; `neither` where no end is best.
        cut_at_k: whether it is measured on the first k of a list. Those that are not have no k.
        column: its header in the terminal's table of what lists are like, at most 10 characters; empty if it has none.
        form: the format of its values in that table.
    """

    name: str
    title: str
    definition: str
    meaning: str
    better: Literal["higher", "lower", "neither"] = "higher"
    cut_at_k: bool = True
    column: str = ""
    form: str = ".3f"


class ItemVectors(Protocol):
    """Properties of the items for list metrics, all from before the cutoffs."""

    @property
    def popularity(self) -> Floats:
        """(n_items,) float64, the share of the users that have met the item."""

    @property
    def feature_vectors(self) -> sparse.csr_array:
        """(n_items, n_features) float32, the item's genres and tags."""

    @property
    def taste_vectors(self) -> NDArray[np.float32]:
        """(n_items, d) float32, who likes the item."""


@dataclass(frozen=True, kw_only=True)
class RankingMetric(Metric):
    """A metric of the relevance of a list's items, per user. `formula` returns one value for each row of `Hits`."""

    formula: Callable[[Hits], Floats]


@dataclass(frozen=True, kw_only=True)
class ListMetric(Metric):
    """A metric of a list that does not depend on what is relevant, per user.

    `formula` is given lists (n_lists, n), padded with −1, the items and list lengths; NaN where it is not defined.
    """

    formula: Callable[[Lists, ItemVectors, Sequence[int]], PerLength]


@dataclass(frozen=True, kw_only=True)
class ExposureMetric(Metric):
    """A metric of all lists together. `formula` is given the number of lists that hold each item, (n_items,)."""

    formula: Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True, kw_only=True)
class HistoryRatio(Metric):
    """The mean of `above`, a list metric, over the users' lists, divided by the mean over the users' histories."""

    above: str


@dataclass(frozen=True, kw_only=True)
class PairMetric(Metric):
    """A metric of lists of similar items. `formula` returns one value for each pair of a query and a target."""

    formula: Callable[[FoundPairs], Floats]


@dataclass(frozen=True, kw_only=True)
class RatingMetric(Metric):
    """The error of predicted ratings: `of_mean` of the mean of `formula` over the errors predicted − given."""

    formula: Callable[[Floats], Floats]
    of_mean: Callable[[Floats], Floats] = lambda mean: mean


RANKING_METRICS = (
    RankingMetric(
        name="ndcg",
        title="NDCG",
        definition="Σ over hits of 1 / log2(rank + 1), divided by that sum for a list with min(k, R) hits in front "
        "(Järvelin & Kekäläinen 2002)",
        meaning="Hits near the top of the list count most; 1 is a perfect list.",
        formula=lambda hits: hits.gain / hits.ideal_gain,
    ),
    RankingMetric(
        name="recall",
        title="Recall",
        definition="hits / R; below 1 where R > k, even for a perfect list",
        meaning="The share of the items liked later that the list holds.",
        formula=lambda hits: hits.n_hits / hits.n_relevant,
    ),
    RankingMetric(
        name="recall_min",
        title="Recall (capped)",
        definition="hits / min(k, R); 1 for a perfect list",
        meaning="The share of the hits that were possible at this length.",
        formula=lambda hits: hits.n_hits / np.minimum(hits.k, hits.n_relevant),
    ),
    RankingMetric(
        name="precision",
        title="Precision",
        definition="hits / k",
        meaning="The share of the list that the user went on to like.",
        formula=lambda hits: hits.n_hits / hits.k,
    ),
    RankingMetric(
        name="map",
        title="MAP",
        definition="Σ over hits of (hits up to its rank / its rank), divided by R; as trec_eval's `map_cut`",
        meaning="Precision, averaged over the places of the hits.",
        formula=lambda hits: hits.precision_sum / hits.n_relevant,
    ),
    RankingMetric(
        name="mrr",
        title="MRR",
        definition="1 / rank of the first hit, 0 without one",
        meaning="One over the rank of the first hit.",
        formula=lambda hits: hits.reciprocal_rank,
    ),
    RankingMetric(
        name="hit_rate",
        title="Hit rate",
        definition="1 with any hit, else 0",
        meaning="The share of users with at least one hit on their list.",
        formula=lambda hits: (hits.n_hits > 0).astype(np.float64),
    ),
)


def _novelty(lists: Lists, items: ItemVectors, ks: Sequence[int]) -> PerLength:
    from models.evaluation.beyond_accuracy import list_means, self_information  # noqa: PLC0415  (numba)

    return list_means(lists, self_information(items.popularity), ks)


def _list_popularity(lists: Lists, items: ItemVectors, ks: Sequence[int]) -> PerLength:
    from models.evaluation.beyond_accuracy import list_means  # noqa: PLC0415  (numba)

    return list_means(lists, items.popularity, ks)


def _diversity_of_features(lists: Lists, items: ItemVectors, ks: Sequence[int]) -> PerLength:
    from models.evaluation.diversity import intra_list_diversity  # noqa: PLC0415  (numba)

    return intra_list_diversity(lists, items.feature_vectors, ks)


def _diversity_of_taste(lists: Lists, items: ItemVectors, ks: Sequence[int]) -> PerLength:
    from models.evaluation.diversity import intra_list_diversity  # noqa: PLC0415  (numba)

    return intra_list_diversity(lists, items.taste_vectors, ks)


def _coverage(exposure: NDArray[np.int64]) -> float:
    from models.evaluation.beyond_accuracy import coverage  # noqa: PLC0415  (numba)

    return coverage(exposure)


def _gini(exposure: NDArray[np.int64]) -> float:
    from models.evaluation.beyond_accuracy import gini  # noqa: PLC0415  (numba)

    return gini(exposure)


LIST_METRICS = (
    ListMetric(
        name="novelty",
        title="Novelty",
        definition="mean of −log2(share of the users that had met the item), bits (Zhou et al. 2010); "
        "1 bit more is half as known",
        meaning="How little known the recommended items are, in bits of self-information; neither end is best.",
        better="neither",
        column="novelty",
        form=".2f",
        formula=_novelty,
    ),
    ListMetric(
        name="list_popularity",
        title="Popularity of the lists",
        definition="mean share of the users that had met the item",
        meaning="The share of the users that had met a recommended item, on average.",
        better="neither",
        formula=_list_popularity,
    ),
    ListMetric(
        name="ild_features",
        title="Diversity by genre and tag",
        definition="mean of 1 − cosine over all pairs in the list, by genres and tags in TF-IDF (Ziegler et al. 2005)",
        meaning="How far two items of a list are apart by genres and tags, on average.",
        column="by genre",
        formula=_diversity_of_features,
    ),
    ListMetric(
        name="ild_vectors",
        title="Diversity by taste",
        definition="mean of 1 − cosine over all pairs in the list, by who likes them: 64 item factors of PureSVD "
        "(Cremonesi et al. 2010), the same for every model",
        meaning="How far two items of a list are apart by who likes them, on average.",
        column="by taste",
        formula=_diversity_of_taste,
    ),
)

EXPOSURE_METRICS = (
    ExposureMetric(
        name="coverage",
        title="Catalogue coverage",
        definition="items in any list / items of the catalogue; no interval",
        meaning="The share of the catalogue that is on somebody's list.",
        column="coverage",
        form=".1%",
        formula=_coverage,
    ),
    ExposureMetric(
        name="gini",
        title="Gini (concentration)",
        definition="Gini coefficient of how many lists hold each item (Fleder & Hosanagar 2009); no interval",
        meaning="How unevenly places are given to items: 0 to all alike, 1 all to one.",
        better="lower",
        column="gini",
        formula=_gini,
    ),
)

HISTORY_RATIOS = (
    HistoryRatio(
        name="popularity_bias",
        title="Popularity bias",
        definition="mean `list_popularity` / mean popularity of what the users had met: 1 + ΔGAP of Abdollahpouri et "
        "al. 2019",
        meaning="The popularity of the lists over that of the users' past items; above 1 the lists are more popular.",
        better="neither",
        column="popularity",
        form=".2f",
        above="list_popularity",
    ),
)

RATING_METRICS = (
    RatingMetric(
        name="rmse",
        title="RMSE",
        definition="root of the mean squared error of `predict` on the ratings given after the cutoff to items new to "
        "the user; models of `rating` only, `k` is null",
        meaning="The typical error of a predicted rating, great errors counting more.",
        better="lower",
        cut_at_k=False,
        column="rmse",
        form=".4f",
        formula=lambda errors: errors**2,
        of_mean=np.sqrt,
    ),
    RatingMetric(
        name="mae",
        title="MAE",
        definition="mean absolute error on the same ratings, `k` is null",
        meaning="The mean error of a predicted rating.",
        better="lower",
        cut_at_k=False,
        formula=np.abs,
    ),
)

PAIR_K = 10
"""The length at which lists of similar items are cut, whatever `judge.k` says."""

PAIR_METRICS = (
    PairMetric(
        name="link_hits",
        title="Similar pairs found",
        definition="1 if the target is among the 10 items most similar to the query, else 0",
        meaning="The share of the items liked later that are among the ten most similar to the last one liked before.",
        formula=lambda found: (found.place <= PAIR_K).astype(np.float64),
    ),
    PairMetric(
        name="link_mrr",
        title="Similar pairs: MRR",
        definition="1 / place of the target among the 1,000 items most similar to the query, 0 if it is not among "
        "them; `k` is null",
        meaning="One over the place of an item liked later in the list of similar items.",
        cut_at_k=False,
        formula=lambda found: 1 / found.place,
    ),
    PairMetric(
        name="link_auc",
        title="Similar pairs: AUC",
        definition="share of all other items that are less similar to the query than the target, ties counted half; "
        "all beyond the first 1,000 and all without a similarity above 0 tie; `k` is null",
        meaning="How often an item liked later is more similar than an item that was not; ½ is chance.",
        cut_at_k=False,
        formula=lambda found: found.auc,
    ),
)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *RANKING_METRICS,
        *EXPOSURE_METRICS,
        *LIST_METRICS,
        *HISTORY_RATIOS,
        *RATING_METRICS,
        *PAIR_METRICS,
    )
}
"""Every metric by name."""


def ranking_metrics(items: Lists, relevant: sparse.csr_array, ks: Sequence[int]) -> dict[str, Floats]:
    """Every metric of `RANKING_METRICS` at every k, for every row: binary relevance, no sampling of candidates.

    Args:
        items: (n_rows, n) ranked item indices, best first, none twice; −1 pads short lists.
        relevant: (n_rows, n_items), the items stored in row r are relevant to list r.
        ks: list lengths, each at least 1. Lists shorter than k count as padded.

    Returns:
        Arrays (n_rows,) by names such as `ndcg@10`; NaN in rows without a relevant item.

    Raises:
        ValueError: the two inputs differ in their number of rows, or a k is less than 1.
    """
    from models.evaluation.hits import count_hits  # noqa: PLC0415  (numba)

    judged, hits = count_hits(items, relevant, ks)
    found = {at_k(metric.name, k): np.full(len(items), np.nan) for k in ks for metric in RANKING_METRICS}
    for k in ks:
        for metric in RANKING_METRICS:
            found[at_k(metric.name, k)][judged] = metric.formula(hits[k])
    return found


def list_metrics(lists: Lists, items: ItemVectors, ks: Sequence[int]) -> dict[str, Floats]:
    """Every metric of `LIST_METRICS` at every k, for every list.

    Args:
        lists: (n_lists, n) ranked item indices; −1 pads short lists.
        items: what is known of the items.
        ks: list lengths, each at least 1.

    Returns:
        Arrays (n_lists,) by names such as `novelty@10`; NaN where a metric is not defined.
    """
    found = {metric.name: metric.formula(lists, items, ks) for metric in LIST_METRICS}
    return {at_k(name, k): values[k] for k in ks for name, values in found.items()}


def at_k(name: str, k: int | None) -> str:
    """Return the name of a metric at a list length, such as `ndcg@10`; the bare name without a length."""
    return name if k is None else f"{name}@{k}"


def name_and_k(label: str) -> tuple[str, int | None]:
    """Split such as `ndcg@10` into the metric's name and the list length, None if there is none."""
    name, _, k = label.partition("@")
    return name, int(k) if k else None
