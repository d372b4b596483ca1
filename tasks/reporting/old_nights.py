"""Remove what takes most space of nights long ago: their pages, and their metrics of slices.

What later nights and commands read of them stays: `run.json`, `outcomes.json`, `trial_users.parquet`, and in
`metrics.json` the metrics over all users.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path

from tasks.evaluation.metric_rows import FILE
from tasks.publication.targets.schema import ALL_USERS
from tasks.reporting.page.all_nights import INDEX, NEXT, PAGE
from tasks.storage.artifact_store import write_json, write_text
from tasks.storage.run_records import Runs

_HALF_WRITTEN = ".*.partial"
"""Files that a killed night has left (`write_text`)."""
log = logging.getLogger(__name__)


def remove_old_pages(runs: Runs, kept: Collection[int]) -> list[int]:
    """Remove the pages and the metrics of slices of all nights but some; return the nights that lost a page.

    A failure is only logged: the next night tries again.

    Args:
        runs: the records of a home.
        kept: ids of the runs that keep everything.
    """
    try:
        return _remove_old_pages(runs, kept)
    except OSError as error:
        log.warning("Pages of old nights stay in %s: %s.", runs.root, error.strerror)
        return []


def _remove_old_pages(runs: Runs, kept: Collection[int]) -> list[int]:
    removed = []
    for folder in sorted(runs.root.glob("[0-9]*")):
        if int(folder.name) in kept:
            continue
        _keep_only_all_users(folder / FILE)
        for path in (folder / NEXT, *folder.glob(_HALF_WRITTEN)):
            path.unlink(missing_ok=True)
        if (folder / PAGE).is_file():
            (folder / PAGE).unlink()
            removed.append(int(folder.name))
    if removed:
        _lead_links_to_index(runs, removed)
    return removed


def _keep_only_all_users(path: Path) -> None:
    """Leave the rows over all users in a `metrics.json`, if it has others."""
    try:
        figures = json.loads(path.read_bytes())
    except FileNotFoundError:
        return
    except ValueError as error:  # damaged: whoever asks for this night's figures is told so
        log.debug("%s cannot be read: %s", path, error)
        return
    rows = figures.get("metrics", [])
    overall = [row for row in rows if row["segment"] == ALL_USERS]
    if len(overall) < len(rows):
        write_json(path, figures | {"metrics": overall})


def _lead_links_to_index(runs: Runs, removed: Collection[int]) -> None:
    """Let links from pages that stay to removed ones lead to the list of all nights instead."""
    for path in runs.root.glob(f"[0-9]*/{PAGE}"):
        text = path.read_text(encoding="utf-8")
        mended = text
        for run_id in removed:
            mended = mended.replace(f'href="../{run_id}/{PAGE}"', f'href="../{INDEX}"')
        if mended != text:
            write_text(path, mended)
