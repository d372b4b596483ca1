"""Print what a command found as one JSON document, for other programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tasks.publication.queries import RecordedRun
from tasks.storage.run_records import Run

if TYPE_CHECKING:
    from tasks.reporting.compare_runs import Comparison
    from tasks.reporting.run_report import Report


def print_json(console: Console, found: Any) -> None:
    """Print one JSON document and nothing else. Dataclasses and named tuples become objects, NaN becomes null."""
    text = json.dumps(plain(found), ensure_ascii=False, indent=2, allow_nan=False)
    console.print(text, markup=False, soft_wrap=True, highlight=False)


def plain(value: Any) -> Any:
    """Return a value as JSON can write it: times in ISO 8601, paths as text, NaN and infinity as None."""
    if hasattr(value, "item") and callable(value.item):  # a number of numpy
        value = value.item()
    match value:
        case tuple() if hasattr(value, "_asdict"):
            value = plain(value._asdict())
        case Mapping():
            value = {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            value = [plain(each) for each in value]
        case float() if not math.isfinite(value):
            value = None
        case date():
            value = value.isoformat()
        case Path():
            value = str(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            value = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


def run_document(run: Run) -> dict[str, Any]:
    """Return the record of a night without its settings and the names of its artifacts."""
    left_out = {"settings", "artifacts", "borrowed", "warm_plan", "fingerprint"}
    found = {field.name: getattr(run, field.name) for field in fields(run) if field.name not in left_out}
    ended = run.finished_at
    return found | {"seconds": None if ended is None else (ended - run.started_at).total_seconds()}


def runs_document(runs: Sequence[Run], recorded: Sequence[RecordedRun], *, running: bool) -> list[Any]:
    """Return the nights, newest first, with the state of their lists in the serving database.

    Args:
        runs: the records of the home.
        recorded: the runs that the serving database knows.
        running: a night runs now; if not, one without an end has the status `interrupted`.
    """
    known = {run.run_id: run for run in recorded}
    found = []
    for run in runs:
        lists = known.get(run.run_id)
        brief = {key: value for key, value in run_document(run).items() if key not in ("stages", "summary")}
        if run.status == "running" and not running:
            brief["status"] = "interrupted"
        states = {"live": False, "kept": False, "held_back": False, "bytes": None}
        found.append(brief | {name: getattr(lists, name, absent) for name, absent in states.items()})
    return found


def report_document(report: Report, *, place: str, live: int | None, page: Path) -> dict[str, Any]:
    """Return a night's record and figures, where its lists are, and its page.

    Args:
        report: of the night.
        place: the serving database, without user and password.
        live: the run whose lists are live.
        page: the HTML file.
    """
    figures = {field.name: getattr(report, field.name) for field in fields(report) if field.name != "run"}
    return {
        "run": run_document(report.run),
        "is_live": live == report.run.run_id,
        "lists": place,
        "page": page,
    } | figures


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Return what changed from one night to another."""
    changes = {
        field.name: getattr(found, field.name) for field in fields(found) if field.name not in ("a", "b")
    }
    return {"a": run_document(found.a), "b": run_document(found.b)} | changes
