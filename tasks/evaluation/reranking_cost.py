"""Measure what reranking costs: the champion's lists with and without diversity and caps per genre.

Only the held-out users of the select half are used: an operator chooses settings by these figures, and nothing may be
chosen by the report half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.evaluation.bootstrap import intervals
from models.evaluation.diversity import intra_list_diversity
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix
from tasks.artifacts import FittedModel, HeldOut, Snapshot, TradeOff, TradeOffFigure
from tasks.config.settings import JudgeSettings, RecommendSettings
from tasks.preparation.item_statistics import ItemStatistics, load_item_statistics
from tasks.recommendation.item_rules import by_index
from tasks.recommendation.rerank import resolve_reranking
from tasks.storage.artifact_store import write_json
from tasks.storage.stage import stage
from tasks.training.load_model import load_model

_BLOCK = 4096


@stage("trade_off", model=lambda given: str(given["champion"].model), note=lambda made: made.in_short)
def trade_off(
    champion: FittedModel,
    backfill: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    settings: RecommendSettings,
    judge: JudgeSettings,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> TradeOff:
    """Judge the champion's lists at every `judge.k`, with and without diversity and caps.

    Both are made without rules of single items, allow-lists of genres and places for new items.

    Folder: `trade_off.json`, the figures of the reference.

    Args:
        champion: the model that makes the lists, fitted on the training part.
        backfill: the models that complete its short lists, in this order.
        snapshot: the training part.
        held_out: the users to judge on.
        settings: the length of the lists, the diversity and the caps.
        judge: the lengths at which lists are judged, and how the bootstrap is drawn.
        seed: of the lists and of the bootstrap.
        key: of the reference that is returned.
        folder: where to write.
    """
    models = [load_model(each) for each in (champion, *backfill)]
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as arrays:
        selecting = np.flatnonzero(arrays["half"] == 0)
        users = arrays["user_idx"][selecting]
    relevant = load_matrix(held_out.folder, "relevant")[selecting]
    seen = load_matrix(snapshot.folder, "seen")
    plain = settings.model_copy(update={"genres": (), "without_genres": (), "new_item_share": 0.0})
    arranged = resolve_reranking(snapshot, plain, by_index((), range(snapshot.n_items)), models, seed=seed)
    # As in judging: items without interactions are never relevant.
    arranged = replace(arranged, eligible=~arranged.is_new)
    as_said = replace(arranged, diversity=0.0, max_per_genre=0)
    longest = min(max(judge.k), settings.n)
    lists = np.full((2, len(users), longest), -1, np.int32)
    for number, how in enumerate((as_said, arranged)):
        for start in range(0, len(users), _BLOCK):
            block = slice(start, start + _BLOCK)
            lists[number, block] = how.lists(models, users[block], seen).items[:, :longest]
    statistics = load_item_statistics(held_out)
    figures = _figures(lists[0], lists[1], relevant, statistics, judge, seed)
    write_json(folder / "trade_off.json", [asdict(figure) for figure in figures])
    return TradeOff(key, folder, champion.model, len(users), figures)


def _figures(
    as_said: NDArray[np.int32],
    arranged: NDArray[np.int32],
    relevant: sparse.csr_array,
    statistics: ItemStatistics,
    judge: JudgeSettings,
    seed: int,
) -> tuple[TradeOffFigure, ...]:
    """Return NDCG and diversity of both kinds of lists with the paired difference, at every `judge.k`.

    Users for whom one of the two values is not defined are left out. Diversity is by genres and tags, or by who likes
    the items where no item has genres or tags.
    """
    described = statistics.feature_vectors.nnz > 0
    diversity = "ild_features" if described else "ild_vectors"
    vectors = statistics.feature_vectors if described else statistics.taste_vectors
    figures = []
    for k in judge.k:
        both = (as_said, arranged)
        values = {
            "ndcg": [ranking_metrics(lists, relevant, [k])[f"ndcg@{k}"] for lists in both],
            diversity: [intra_list_diversity(lists, vectors, [k])[k] for lists in both],
        }
        for metric, (without, with_it) in values.items():
            table = np.column_stack([without, with_it, with_it - without])
            table = table[np.isfinite(table).all(axis=1)]
            if len(table):
                means = intervals(
                    table, samples=judge.bootstrap_samples, confidence=judge.confidence, seed=seed
                )
                before, after, gain = means
                figures.append(
                    TradeOffFigure(metric, k, before.mean, after.mean, gain.mean, gain.low, gain.high)
                )
    return tuple(figures)
