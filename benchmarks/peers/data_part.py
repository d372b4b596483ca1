"""The data half of a night in pandas: seconds and memory, and the matrices that the models are compared on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.peers.environments import FOLDER, HERE, python_of
from tasks.errors import NightError, UsageError


def by_pandas(source: Path, out: Path, environments: Path = FOLDER) -> dict[str, float | str]:
    """Read, clean and cut the files of a folder with pandas; return what was measured.

    Args:
        source: with ratings.csv and tags.csv.
        out: where the matrices go.
        environments: where pandas is installed.

    Raises:
        UsageError: a file is absent.
        NightError: pandas failed.
    """
    files = [source / "ratings.csv", source / "tags.csv"]
    for file in files:
        if not file.is_file():
            raise UsageError(f"There is no {file}.", "Name a folder that `recs generate` has made.")
    worker = HERE / "workers" / "pandas_worker.py"
    ran = subprocess.run(  # noqa: S603  (our own worker)
        [python_of("pandas", environments), worker, *files, out], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise NightError(
            f"pandas failed: {'killed' if ran.returncode < 0 else ran.stderr.strip().splitlines()[-1]}"
        )
    measured: dict[str, float | str] = json.loads((out / "measured.json").read_text(encoding="utf-8"))
    return measured
