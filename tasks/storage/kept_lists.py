"""Lists of held-out users that an evaluation keeps for ensembles: written block by block, read memory-mapped.

A member of an ensemble lists more items than are judged, and keeps them: with them the ensemble learns and is judged
without asking its members again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.base import TopN
from tasks.artifacts import Evaluation

_NAMES = ("candidate_items", "candidate_scores")  # of the columns and of the files, the fields of `TopN`


def kept_lists(evaluation: Evaluation) -> TopN:
    """Return the lists that a model made when it was judged, (n_users, n), in the order of `HeldOut`."""
    return TopN(*(np.load(evaluation.folder / f"{name}.npy", mmap_mode="r") for name in _NAMES))


def columns_to_keep(lists: TopN) -> dict[str, pa.Array]:
    """Return columns for the table of a block of users, for `keep_lists` to write."""
    return {name: as_lists(array) for name, array in zip(_NAMES, lists, strict=True)}


def keep_lists(blocks: Iterable[pa.Table], n_users: int, folder: Path) -> Iterator[pa.Table]:
    """Write the columns of `columns_to_keep`, and yield the tables without them; tables that have none, as they are.

    Args:
        blocks: the tables of all blocks of users, in their order.
        n_users: number of all of them.
        folder: where to write.
    """
    files: dict[str, NDArray[Any]] = {}
    done = 0
    for table in blocks:
        names = [name for name in _NAMES if name in table.column_names]
        for name in names:
            rows = from_lists(table[name])
            if name not in files:
                files[name] = np.lib.format.open_memmap(
                    folder / f"{name}.npy", "w+", rows.dtype, (n_users, rows.shape[1])
                )
            files[name][done : done + len(rows)] = rows
        done += table.num_rows
        yield table.drop_columns(names)


def as_lists(array: NDArray[Any]) -> pa.FixedSizeListArray:
    """Return an array (n_users, n) as a column of lists of one length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def from_lists(column: pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of lists of one length as an array (n_users, n)."""
    parts = [chunk.flatten().to_numpy().reshape(-1, column.type.list_size) for chunk in column.chunks]
    return np.concatenate(parts)
