"""Write the page of all nights after every night, and the metrics for Prometheus whenever they change.

Neither may change how the night ended: errors are logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from tasks.config.settings import Settings
from tasks.errors import in_words
from tasks.reporting.prometheus_file import write_metrics_file
from tasks.storage.artifact_store import write_text
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs

log = logging.getLogger(__name__)


def write_after_night(home: Home) -> None:
    """Write the page of all nights, and the links between pages."""
    _try_to("The page of all nights", lambda: write_index(home))


def write_metrics(home: Home, settings: Settings, run: Run | None = None) -> None:
    """Write the metrics file, if the settings name one.

    Args:
        home: of the nights; its health says how the last one ended.
        settings: of the night.
        run: the record of the newest night; None for the newest record there is.
    """
    path = settings.monitoring.metrics_path(home.path)
    if path is not None:
        _try_to(f"The metrics file {path}", lambda: _write_metrics(path, home, run))


def _write_metrics(path: Path, home: Home, run: Run | None) -> None:
    write_metrics_file(path, home, run or next(iter(Runs(home.runs).all()), None))


def write_index(home: Home) -> Path | None:
    """Write `runs/index.html` and the links between the pages of nights; return its path, None without a night."""
    from tasks.reporting.page.all_nights import INDEX, gather_nights, link_pages  # noqa: PLC0415  (jinja2 is slow)
    from tasks.reporting.page.render import render_index, render_no_later_night  # noqa: PLC0415

    runs = Runs(home.runs)
    found = gather_nights(runs)
    if found is None:
        return None
    write_text(home.runs / INDEX, render_index(found))
    link_pages(runs, render_no_later_night())
    return home.runs / INDEX


def _try_to(what: str, write: Callable[[], object]) -> None:
    try:
        write()
    except Exception as error:
        log.warning("%s could not be written: %s %s", what, in_words(error), getattr(error, "hint", ""))
        log.debug("It happened here:", exc_info=True)
