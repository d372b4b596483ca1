"""Write the files of evaluations by hand: held-out users with item statistics, and a model's values per user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.evaluation.metrics import LIST_METRICS
from models.evaluation.slices import ITEM_CLASSES

ITEMS = 4


def judged_users(folder: Path, half: list[int], classes: list[int] | None = None) -> Path:
    """Write held-out users whose histories have popularity .25, and four items, one of which has no interaction.

    Args:
        folder: where to write.
        half: of each user, 0 select or 1 report.
        classes: of each user, places in `USER_CLASSES`; by default all are new.
    """
    folder.mkdir(parents=True)
    n = len(half)
    np.savez(folder / "users.npz", user_idx=np.arange(n), half=np.array(half, np.int8))
    np.savez(
        folder / "item_statistics.npz",
        popularity=np.array([0.5, 0.25, 0.25, 0.0]),
        item_class=np.array([0, 1, 2, -1], np.int8),
        user_class=np.array(classes or [0] * n, np.int8),
        history_popularity=np.full(n, 0.25),
        taste_vectors=np.zeros((ITEMS, 0), np.float32),
    )
    sparse.save_npz(folder / "feature_vectors.npz", sparse.csr_array((ITEMS, 0), dtype=np.float32))
    (folder / "segments.json").write_text("[]", encoding="utf-8")
    none = np.zeros(0, np.int32)
    np.savez(folder / "cold_users.npz", half=none)
    np.savez(folder / "new_item_users.npz", user_idx=none, half=none)
    sparse.save_npz(folder / "new_item_relevant.npz", sparse.csr_array((0, ITEMS), dtype=np.float32))
    np.savez(folder / "ratings.npz", user_idx=none, item_idx=none, rating=none, half=none)
    similar_pairs(folder, [])
    return folder


def similar_pairs(folder: Path, pairs: Sequence[tuple[int, int, int, int, bool]]) -> None:
    """Write pairs of items: (user, item liked last, item liked later, half, whether that is cold), by user."""
    columns = np.array(pairs, np.int64).reshape(-1, 5).T
    user, query, target, half, is_cold = columns
    np.savez(
        folder / "similar_pairs.npz",
        user=user.astype(np.int32),
        query=query.astype(np.int32),
        target=target.astype(np.int32),
        half=half.astype(np.int8),
        is_cold=is_cold.astype(bool),
    )


def judged_model(
    folder: Path,
    per_user: dict[str, NDArray[np.float64]],
    *,
    lists: NDArray[np.int32],
    of_lists: dict[str, list[float]] | None = None,
    of_items: dict[str, dict[str, list[float]]] | None = None,
) -> Path:
    """Write a model's values per user, NaN where nothing is given.

    Args:
        folder: where to write.
        per_user: ranking metrics such as `ndcg@10`, (n_users,) each.
        lists: (n_users, n) ranked items.
        of_lists: list metrics such as `novelty@10`.
        of_items: by class of items, the ranking metrics where only items of the class are relevant.
    """
    folder.mkdir(parents=True)
    np.savez(folder / "per_user.npz", **per_user)
    nothing = np.full(len(lists), np.nan)
    for name in ITEM_CLASSES:
        given = (of_items or {}).get(name, {})
        np.savez(
            folder / f"{name}.npz", **{metric: np.array(given.get(metric, nothing)) for metric in per_user}
        )
    named = {f"{metric.name}@10": nothing for metric in LIST_METRICS}
    given = {metric: np.array(values) for metric, values in (of_lists or {}).items()}
    np.savez(folder / "lists.npz", items=lists, **{**named, **given})
    return folder
