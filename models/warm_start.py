"""Warm starts: what an earlier fit of the same model learned, matched to the rows of new data.

`models/` knows no external ids: whoever has them matches the rows (`tasks/training/warm_start.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = Literal["users", "items", "none"]
"""The kind of a learned array's rows. Arrays of neither users nor items are taken unchanged."""


class WarmStartError(ValueError):
    """A warm start does not fit the model or the data: fit without it."""


class ColdByChoiceError(WarmStartError):
    """The model begins anew on such data whatever it is given: nothing is wrong, so that nobody need be warned."""


@dataclass(frozen=True)
class WarmStart:
    """Learned arrays of an earlier fit.

    Attributes:
        arrays: by the name of the learned attribute. Those of users or items have a row for each user or item of the
            new data, NaN where the earlier fit knew none.
        effort: factor of the model's `warm_share`: more where much of the data is new.
    """

    arrays: Mapping[str, NDArray[Any]]
    effort: int = 1

    @classmethod
    def of(
        cls,
        learned: Mapping[str, NDArray[Any]],
        parts: Mapping[str, Rows],
        users: NDArray[np.int64],
        items: NDArray[np.int64],
    ) -> WarmStart:
        """Return the arrays of an earlier fit, their rows moved to where the new data have them.

        Args:
            learned: the learned arrays of the earlier fit, by name; others than those of `parts` are ignored.
            parts: `warm_parts` of the model.
            users: (n_users,) for each new row its row of the earlier fit, −1 where that knew none.
            items: (n_items,) the same.

        Raises:
            WarmStartError: the earlier fit has not all arrays of `parts`, because an older version made it.
        """
        absent = sorted(parts.keys() - learned.keys())
        if absent:
            raise WarmStartError(f"the earlier fit has no {' and no '.join(absent)}")
        places = {"users": users, "items": items, "none": None}
        return cls({name: _moved(learned[name], places[rows]) for name, rows in parts.items()})

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return a copy of an array.

        Args:
            name: of the learned attribute.
            shape: the shape that the new fit needs.

        Raises:
            WarmStartError: there is none, or it has another shape.
        """
        found = self.arrays.get(name)
        if found is None or found.shape != shape:
            there = "absent" if found is None else f"of shape {found.shape}"
            raise WarmStartError(f"{name} of the earlier fit is {there}; the new fit needs {shape}")
        return np.array(found, np.float32)


def _moved(array: NDArray[Any], places: NDArray[np.int64] | None) -> NDArray[Any]:
    """Return the rows at `places`, NaN for −1; without places the array itself."""
    if places is None:
        return array
    found = np.full((len(places), *array.shape[1:]), np.nan, np.float32)
    known = places >= 0
    found[known] = array[places[known]]
    return found


def warm_rounds(rounds: int, share: float, effort: int = 1) -> int:
    """Return how many of `rounds` passes a warm fit takes.

    Args:
        rounds: passes of a cold fit.
        share: of them that a warm start takes, rounded, but at least one pass.
        effort: factor of that.
    """
    return min(rounds, effort * max(1, round(rounds * share)))


def fill_new_rows(found: NDArray[np.float32], cold: NDArray[np.float32]) -> None:
    """Write the rows with which a cold fit would start into the NaN rows of `found`; both have the same shape."""
    new = new_rows(found)
    found[new] = cold[new]


def fill_from_neighbours(
    users: NDArray[np.float32], items: NDArray[np.float32], matrix: sparse.csr_array
) -> None:
    """Write the mean vector of their items into NaN rows of users, then that of their users into NaN rows of items.

    Rows without a neighbour whose vector is known stay NaN.

    Args:
        users: (n_users, f), changed in place.
        items: (n_items, f), changed in place.
        matrix: (n_users, n_items); every stored entry is an edge, whatever its value.
    """
    edges = sparse.csr_array((np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr), matrix.shape)
    for rows, others, transposed in ((users, items, False), (items, users, True)):
        new = np.flatnonzero(new_rows(rows))
        if not len(new):
            continue
        own = sparse.csr_array((edges.T.tocsr() if transposed else edges)[new])
        is_known = ~new_rows(others)
        counts = own @ is_known.astype(np.float32)
        sums = own @ np.where(is_known[:, None], others, 0).astype(np.float32)
        has_any = counts > 0
        rows[new[has_any]] = sums[has_any] / counts[has_any, None]


def new_rows(found: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows an earlier fit did not know, (n,) bool."""
    missing: NDArray[np.bool_] = np.isnan(found[:, 0] if found.ndim > 1 else found)
    return missing
