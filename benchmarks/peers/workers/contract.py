"""The files that a library is given and those that it returns; needs numpy and scipy only.

A worker is a program `worker.py FOLDER MODEL OUT N SEED`. It reads FOLDER/train.npz, a (n_users, n_items) CSR matrix of
ones, and FOLDER/users.npy, the rows to list for. It writes OUT/lists.npy, (n, N) int32 without the users' training
items, −1 for no item, and OUT/measured.json.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse

Fit = Callable[[sparse.csr_matrix, str, int], Callable[[np.ndarray, int], np.ndarray]]
"""(train, model, seed) → a function (users, n) → lists."""


def serve(library: str, fit: Fit) -> None:
    """Fit the model that the command line names, list for its users, and write both results.

    Args:
        library: the name of its distribution, for the version.
        fit: fits a model and returns what makes its lists.
    """
    folder, model, out, n, seed = sys.argv[1:6]
    train = sparse.csr_matrix(sparse.load_npz(Path(folder) / "train.npz"))
    users = np.load(Path(folder) / "users.npy")
    started = time.perf_counter()
    recommend = fit(train, model, int(seed))
    fitted = time.perf_counter()
    lists = np.asarray(recommend(users, int(n)), np.int32)
    ended = time.perf_counter()
    note = getattr(recommend, "note", "")
    write(
        Path(out), lists, fit_s=fitted - started, list_s=ended - fitted, version=version(library), note=note
    )


def write(out: Path, lists: np.ndarray, **measured: float | str) -> None:
    """Write the lists and what was measured, with the peak memory of this process and its children in MB."""
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "lists.npy", lists)
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    measured["peak_mb"] = round(max(peaks) / 1024, 1)
    (out / "measured.json").write_text(json.dumps(measured))
