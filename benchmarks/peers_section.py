"""Other libraries in the JSON of all measurements: what `benchmarks.peers --json` wrote, as a table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import measure
from benchmarks.machine import machine_facts
from tasks.errors import NightError, UsageError

MODULE = "benchmarks.peers"
SECONDS_A_MODEL = 900
LIMIT_S = 8 * 3600
_COLUMNS = {
    "kind": "",
    "library": "",
    "version": "",
    "model": "",
    "settings": "",
    "fit_s": ".1f",
    "list_s": ".1f",
    "peak_mb": ".0f",
    "recall": ".4f",
    "ndcg": ".4f",
    "note": "",
}
"""Columns of the table: names of figures in a model's row, and how they are written."""


def measure_peers(data: Path, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Compare all libraries on a data set; return the section of the JSON.

    Args:
        data: a folder that `recs generate` made.
        machine: its facts.

    Raises:
        NightError: the comparison failed as a whole.
    """
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        file = Path(where) / "peers.json"
        words = ["--folder", str(data), "--seconds", str(SECONDS_A_MODEL), "--json", str(file)]
        measurement = measure(MODULE, words, limit_s=LIMIT_S, needs_figures=False)
        if measurement.error:
            raise NightError(f"{MODULE} failed: {measurement.error}")
        report = json.loads(file.read_text(encoding="utf-8"))
    ours = measure("benchmarks.common_stages", ["--folder", str(data)], limit_s=SECONDS_A_MODEL)
    about = (
        f"Data: {data.name}. Models that train by epochs stop after {SECONDS_A_MODEL / 6:.0f} s; their notes say how "
        "many fitted in."
    )
    return peers_section(report | {"ours": ours.figures}, machine, about)


def read_peers(file: Path) -> dict[str, Any]:
    """Return the section of the JSON from a file that `benchmarks.peers --json` wrote on this machine.

    Raises:
        UsageError: there is no such file, or it is another one.
    """
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        about = f"Measured before: time, commit and load are of the moment when {file.name} was read."
        return peers_section(report, machine_facts(), about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} is no report of the peers ({type(error).__name__}: {error}).",
            f"Write one with: python -m {MODULE} --folder FOLDER --json {file.name}",
        ) from error


def renewed(kept: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section in which the rows of new measurements replace those of the same models; the others stay.

    Args:
        kept: the section so far; None without one.
        new: of the libraries that were measured now.
    """
    if kept is None or kept["columns"] != new["columns"]:
        return dict(new)
    found = {_named(row): row for row in new["rows"]}
    libraries = ", ".join(dict.fromkeys(row[1] for row in new["rows"]))
    machine = new["machine"]
    again = f"Measured again: {libraries}, {machine['began']}, commit {machine['commit']}, load {machine['load']}."
    rows = [found.pop(_named(row), row) for row in kept["rows"]]
    return {**kept, "rows": [*rows, *found.values()], "notes": [*kept["notes"], again]}


def _named(row: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return kind, library and model."""
    return row[0], row[1], row[3]


def peers_section(report: Mapping[str, Any], machine: Mapping[str, Any], about: str) -> dict[str, Any]:
    """Return machine, columns, rows and notes.

    Args:
        report: `models`, a row of figures each, whose `fault` says why there are none; `pandas` and `ours`, figures of
            the part of a night before its fits, if they were measured.
        machine: its facts.
        about: a sentence on the data.
    """
    rows = [[_cell(row.get(name), form) for name, form in _COLUMNS.items()] for row in report["models"]]
    for row, cells in zip(report["models"], rows, strict=True):
        if row.get("fault"):
            cells[-1] = "; ".join(word for word in (row["fault"], row.get("note")) if word)
    notes = [about, "Rows of the kind data: from the files to the matrices; their seconds stand under fit_s."]
    rows = [*_data_rows(report), *rows]
    return {"machine": dict(machine), "columns": list(_COLUMNS), "rows": rows, "notes": notes}


def _data_rows(report: Mapping[str, Any]) -> Iterator[list[str | None]]:
    """Yield a row of ours and one of pandas for the part of a night before its fits, of those that were measured."""
    found = []
    if ours := report.get("ours"):
        found.append(
            {
                "library": "ours",
                "settings": "land, clean, matrices; keeps what came and what was refused",
                "fit_s": ours["land_s"] + ours["clean_s"] + ours["utility_s"],
                "peak_mb": max(ours["land_mb"], ours["clean_mb"], ours["utility_mb"]),
            }
        )
    if pandas := report.get("pandas"):
        found.append(
            {
                "library": "pandas",
                "version": pandas["version"],
                "settings": "read, clean, matrices, all in memory",
                "fit_s": pandas["total_s"],
                "peak_mb": pandas["peak_mb"],
            }
        )
    for row in found:
        yield [_cell(({"kind": "data"} | row).get(name), form) for name, form in _COLUMNS.items()]


def _cell(value: Any, form: str) -> str | None:
    return None if value is None else format(value, form) if form else str(value)
