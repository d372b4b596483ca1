"""Genres of the items of a snapshot, and the items that the genre settings allow in lists."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.did_you_mean import did_you_mean
from models.interactions import load_feature_names, load_matrix
from tasks.artifacts import Snapshot
from tasks.config.settings import RecommendSettings
from tasks.errors import UsageError
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)


class Genres(NamedTuple):
    """Genres by item index.

    Attributes:
        names: of the columns of `matrix`.
        matrix: (n_items, n_genres), an entry for every genre of every item.
    """

    names: tuple[str, ...]
    matrix: sparse.csr_array

    def any_of(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Return (n_items,) bool: items with at least one of these genres."""
        chosen = np.isin(self.names, list(names)).astype(np.float32)
        return np.asarray(self.matrix @ chosen) > 0


def genres_of_items(snapshot: Snapshot) -> Genres:
    """Return the genre columns of the item features; the other features, tags and attributes, are left out."""
    features = load_matrix(snapshot.folder, "item_features").tocsc()
    kinds = [name.partition(":") for name in load_feature_names(snapshot.folder)]
    columns = [column for column, (kind, _, _) in enumerate(kinds) if kind == "genre"]
    return Genres(tuple(kinds[c][2] for c in columns), sparse.csr_array(features[:, columns]))


def check_genres(con: duckdb.DuckDBPyConnection, settings: RecommendSettings) -> None:
    """Warn of genres in the settings that no item of the catalogue has, and suggest a similar name.

    They are only warned of, because tomorrow's catalogue may have such items.

    Raises:
        UsageError: no item has any of `recommend.genres`.
    """
    asked = {"genres": settings.genres, "without_genres": settings.without_genres}
    if not any(asked.values()):
        return
    known = [genre for (genre,) in run_file(con, "warehouse/features/genres.sql").fetchall()]
    if settings.genres and not {*settings.genres} & {*known}:
        hints = " ".join(filter(None, (did_you_mean(name, known) for name in settings.genres)))
        raise UsageError(
            f"No item has a genre of recommend.genres ({', '.join(map(repr, settings.genres))}).",
            f"{hints} There are: {', '.join(known) or 'none'}.".lstrip(),
        )
    for setting, names in asked.items():
        for name in names:
            if name not in known:
                hint = f" {did_you_mean(name, known)}".rstrip()
                log.warning("No item has the genre %r of recommend.%s.%s", name, setting, hint)


def allowed_items(genres: Genres, settings: RecommendSettings) -> NDArray[np.bool_] | None:
    """Return the items that the genre settings allow in lists.

    An item is allowed if it has one of `recommend.genres` (where any are set) and none of `recommend.without_genres`.

    Returns:
        (n_items,) bool; None if all items are allowed.

    Raises:
        UsageError: no item is allowed.
    """
    if not settings.genres and not settings.without_genres:
        return None
    wanted = genres.any_of(settings.genres) if settings.genres else True
    allowed: NDArray[np.bool_] = wanted & ~genres.any_of(settings.without_genres)
    if not allowed.any():
        known = ", ".join(sorted(genres.names)) or "none"
        raise UsageError(
            "No item is of recommend.genres and of none of recommend.without_genres.", f"There are: {known}"
        )
    return allowed
