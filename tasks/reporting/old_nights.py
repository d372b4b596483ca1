"""Remove what takes most space of nights long ago: their pages, and figures that few need.

What later nights and commands read of them stays: `run.json`, `trial_users.parquet`, in `metrics.json` the metrics over
all users, in `outcomes.json` those of lists that no later night has judged again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tasks.errors import in_words
from tasks.evaluation.metric_rows import FILE as METRICS
from tasks.outcomes.outcomes import FILE as OUTCOMES
from tasks.publication.targets.schema import ALL_USERS
from tasks.reporting.page.all_nights import INDEX, NEXT, PAGE
from tasks.storage.artifact_store import write_text
from tasks.storage.run_records import Runs

_HALF_WRITTEN = ".*.partial"
"""Files that a killed night has left (`write_text`)."""
log = logging.getLogger(__name__)


def remove_old_pages(runs: Runs, kept: Collection[int]) -> list[int]:
    """Remove the pages and most figures of all nights but some; return the nights that lost a page.

    A failure is only logged: the next night tries again.

    Args:
        runs: the records of a home.
        kept: ids of the runs that keep everything.
    """
    try:
        return _remove_old_pages(runs, kept)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # also a damaged file of figures
        log.warning("Pages of old nights stay in %s: %s", runs.root, in_words(error))
        return []


def _remove_old_pages(runs: Runs, kept: Collection[int]) -> list[int]:
    removed = []
    judged_later: set[int] = set()
    for run_id in (run.run_id for run in runs.all()):
        folder = runs.folder(run_id)
        outcomes = _read(folder / OUTCOMES) or []
        if run_id not in kept:
            figures = _read(folder / METRICS) or {}
            rows = figures.get("metrics", [])
            overall = [row for row in rows if row["segment"] == ALL_USERS]
            _replace(folder / METRICS, figures | {"metrics": overall}, len(rows) - len(overall))
            last = [row for row in outcomes if row["run_id"] not in judged_later]
            _replace(folder / OUTCOMES, last, len(outcomes) - len(last))
            for path in (folder / NEXT, *folder.glob(_HALF_WRITTEN)):
                path.unlink(missing_ok=True)
            if (folder / PAGE).is_file():
                (folder / PAGE).unlink()
                removed.append(run_id)
        judged_later |= {row["run_id"] for row in outcomes}
    if removed:
        _lead_links_to_index(runs, removed)
    return removed


def _read(path: Path) -> Any:
    """Return the contents of a JSON file; None without one, or with a damaged one, of which its readers are told."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.debug("%s cannot be read: %s", path, error)
        return None


def _replace(path: Path, value: Any, n_removed: int) -> None:
    """Write a JSON file anew, without white space, if rows go."""
    if n_removed:
        write_text(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _lead_links_to_index(runs: Runs, removed: Collection[int]) -> None:
    """Let links from pages that stay to removed ones lead to the list of all nights instead."""
    for path in runs.root.glob(f"[0-9]*/{PAGE}"):
        text = path.read_text(encoding="utf-8")
        mended = text
        for run_id in removed:
            mended = mended.replace(f'href="../{run_id}/{PAGE}"', f'href="../{INDEX}"')
        if mended != text:
            write_text(path, mended)
