"""Sizes of the parts of a home: for `recs doctor`, and for the simulated month."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tasks.storage.home import Home

_NAMES = {
    "raw": "input",
    "warehouse.duckdb": "warehouse",
    "warehouse.duckdb.wal": "warehouse",
    "recommendations.db": "lists",
    "recommendations.db-wal": "lists",
    "recommendations.db-shm": "lists",
    "artifacts": "artifacts",
    "runs": "pages and records",
    "prefect": "Prefect",
    "replays": "replays",
    "tuning": "tuning",
    "mlflow.db": "tracking",
    "mlflow-artifacts": "tracking",
    "wandb": "tracking",
}
"""File or folder of a home → the part of it in reports; all others are `other`."""
DATA = ("input", "warehouse", "lists", "artifacts")
"""The parts that grow with the data."""


def disk_use(home: Home) -> dict[str, int]:
    """Return the bytes of each part of a home, the greatest first. A part that is absent has no entry.

    Files that vanish meanwhile, as a running night's do, count nothing.
    """
    sizes: Counter[str] = Counter()
    for entry in home.path.iterdir():
        part = _NAMES.get(entry.name, "other")
        sizes[part] += sum(map(_bytes, entry.rglob("*"))) if entry.is_dir() else _bytes(entry)
    if not home.artifacts.is_relative_to(home.path):
        sizes["artifacts"] += sum(map(_bytes, home.artifacts.rglob("*")))
    return {part: size for part, size in sizes.most_common() if size}


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() and not path.is_symlink() else 0
    except FileNotFoundError:
        return 0
