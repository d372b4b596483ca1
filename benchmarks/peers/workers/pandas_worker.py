"""The part of a night before the fits, in pandas: read, clean, cut in time, build the matrices.

`pandas_worker.py RATINGS TAGS OUT` reads both files with Arrow's reader, keeps the last rating of each pair of user and
item, cuts at the time before which 9 of 10 ratings lie, and writes the matrices of both parts into OUT.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

LIKED = 3.5


def main() -> None:
    """Read, clean, split, write; measure."""
    ratings_file, tags_file, out = map(Path, sys.argv[1:4])
    began = time.perf_counter()
    ratings = pd.read_csv(ratings_file, engine="pyarrow", dtype_backend="pyarrow")
    tags = pd.read_csv(tags_file, engine="pyarrow", dtype_backend="pyarrow")
    read = time.perf_counter()
    ratings = ratings[ratings["rating"].between(0.5, 5.0)].dropna()
    ratings = ratings.sort_values("timestamp", kind="stable").drop_duplicates(
        ["userId", "movieId"], keep="last"
    )
    tags = tags.dropna().drop_duplicates(["userId", "movieId", "tag"])
    cleaned = time.perf_counter()
    user, users = pd.factorize(ratings["userId"], sort=True)
    item, items = pd.factorize(ratings["movieId"], sort=True)
    value = ratings["rating"].to_numpy(np.float32)
    late = ratings["timestamp"].to_numpy(np.int64) >= ratings["timestamp"].quantile(0.9)
    shape = (len(users), len(items))
    out.mkdir(parents=True, exist_ok=True)
    for name, part in {
        "rating": ~late,
        "positive": ~late & (value >= LIKED),
        "held_out": late & (value >= LIKED),
        "all": np.full(len(value), True),
    }.items():
        matrix = sparse.csr_array((value[part], (user[part], item[part])), shape)
        sparse.save_npz(out / f"{name}.npz", matrix, compressed=False)
    ended = time.perf_counter()
    measured = {
        "read_s": read - began, "clean_s": cleaned - read, "matrices_s": ended - cleaned, "total_s": ended - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "version": pd.__version__,
        "ratings": len(ratings), "tags": len(tags),
    }  # fmt: skip
    (out / "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
