"""Start a fit from an earlier night's fit of the same model: read it, and match its rows by external id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.base import Recommender
from models.registry import recommender_class
from models.warm_start import WarmStart, WarmStartError
from tasks.artifacts import WarmFit
from tasks.storage.cache_key import SOURCE


def source_of(name: str) -> str:
    """Return a hash of the source of a model with all that it imports, as it was when the process began."""
    return SOURCE.hash(recommender_class(name).__module__)


def read_warm_start(chosen: WarmFit, model: Recommender) -> WarmStart | None:
    """Return the learned arrays of the chosen fit, by the rows of the snapshot that `model` is fitted on.

    Args:
        chosen: the earlier fit.
        model: not fitted yet, with the hyperparameters of the new fit.

    Returns:
        The warm start; None if a cold fit was chosen.

    Raises:
        WarmStartError: the fit cannot be read.
    """
    if not chosen.key or chosen.folder is None or chosen.rows is None:
        return None
    try:
        earlier = type(model).load(chosen.folder)
        with np.load(chosen.rows / "rows.npz", allow_pickle=False) as rows:
            return matched(earlier, rows["users"], rows["items"], chosen.effort)
    except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise WarmStartError(f"the fit {chosen.key} cannot be read: {error}") from error


def matched(
    earlier: Recommender, users: NDArray[np.int64], items: NDArray[np.int64], effort: int = 1
) -> WarmStart:
    """Return the warm start from a fitted model.

    Args:
        earlier: a fitted model. Users and items that it does not know count as new.
        users: (n_users,) for each row of the new data its row of the earlier fit, −1 for new users.
        items: (n_items,) the same.
        effort: factor of the model's `warm_share`.

    Raises:
        WarmStartError: the earlier fit lacks an array, because an older version made it.
    """
    rows = (
        np.where((places >= 0) & known[places], places, -1)
        for places, known in ((users, earlier.known_users_), (items, earlier.known_items_))
    )
    return replace(WarmStart.of(vars(earlier), earlier.warm_parts(), *rows), effort=effort)


def earlier_rows(earlier: Path, now: Path, side: str) -> NDArray[np.int64]:
    """Return, for each row of a snapshot, the row of the same user or item in an earlier one, or −1: (n,) int64.

    Args:
        earlier: folder of the earlier snapshot.
        now: folder of the snapshot.
        side: `user` or `item`.
    """
    ids = [
        pq.read_table(folder / f"{side}s.parquet", columns=[f"{side}_id"])[f"{side}_id"]
        for folder in (now, earlier)
    ]
    places = pc.index_in(ids[0].combine_chunks(), value_set=ids[1].combine_chunks())
    found: NDArray[np.int64] = places.fill_null(-1).cast(pa.int64()).to_numpy()
    return found
