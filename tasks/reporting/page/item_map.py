"""The map of the items, coloured by genre."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow.parquet as pq

from tasks.artifacts import Lists
from tasks.reporting.list_samples import titles
from tasks.reporting.page.histograms import popularity
from tasks.reporting.page.umap import umap
from tasks.reporting.page.vector_map import (
    LEAST,
    N_COLOURS,
    MappedModel,
    Point,
    VectorMap,
    draw_map,
)

MAX_ITEMS = 2000
_WIDTH, _HEIGHT = 1000, 720


def item_map(mapped: MappedModel, lists: Lists, *, seed: int) -> VectorMap | None:
    """Return the map of the most popular items; None if there are too few.

    An item has the colour of its rarest genre that has one, which says most about it.

    Args:
        mapped: the model.
        lists: of the run; they name the items.
        seed: of the layout.
    """
    model, snapshot = mapped
    met = popularity(snapshot) * model.known_items_
    top = np.argsort(-met, kind="stable")[:MAX_ITEMS]
    top = top[met[top] > 0]
    if len(top) < LEAST:
        return None
    ids = pq.read_table(snapshot.folder / "items.parquet")["item_id"].take(top).to_pylist()
    named = titles(lists)
    found = [named.get(item, (f"item {item}", ())) for item in ids]
    counts = Counter(genre for _, genres in found for genre in genres)
    common = [genre for genre, _ in counts.most_common(N_COLOURS)]
    about = [
        Point(next((each for each in reversed(common) if each in genres), ""), title, ", ".join(genres))
        for title, genres in found
    ]
    points = umap(model.item_factors_[top], seed=seed)
    return draw_map(model.name, points, about, common, width=_WIDTH, height=_HEIGHT)
