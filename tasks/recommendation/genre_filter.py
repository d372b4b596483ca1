"""The genres of the items of a snapshot, and which items the allow-lists let through."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import load_feature_names, load_matrix
from models.suggestions import did_you_mean
from tasks.artifacts import Snapshot
from tasks.config.settings import RecommendSettings
from tasks.errors import UsageError
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)


class Genres(NamedTuple):
    """`matrix` (n_items, n_genres) stores an entry for every genre of every item; `names` name its columns."""

    names: tuple[str, ...]
    matrix: sparse.csr_array

    def any_of(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """(n_items,) which items have at least one of these genres."""
        chosen = np.isin(self.names, list(names)).astype(np.float32)
        return np.asarray(self.matrix @ chosen) > 0


def genres_of_items(snapshot: Snapshot) -> Genres:
    """What the catalogue says; features that are no genres, the tags, are left out."""
    features = load_matrix(snapshot.folder, "item_features").tocsc()
    kinds = [name.partition(":") for name in load_feature_names(snapshot.folder)]
    columns = [column for column, (kind, _, _) in enumerate(kinds) if kind == "genre"]
    return Genres(tuple(kinds[c][2] for c in columns), sparse.csr_array(features[:, columns]))


def check_genres(con: duckdb.DuckDBPyConnection, settings: RecommendSettings) -> None:
    """Warn of names in the allow-lists that no item of the catalogue has, and of what they may have meant.

    Only a warning: tomorrow's catalogue may have such items.

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
    """Those with one of `recommend.genres`, if it names any, and none of `without_genres`. None: all of them.

    Raises:
        UsageError: nothing is allowed.
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
