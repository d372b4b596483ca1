"""The JSON of all measurements, docs/benchmarks.json: a section for each command that measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.generated import ROOT
from tasks.errors import NightError
from tasks.storage.artifact_store import write_json

RESULTS = ROOT / "docs" / "benchmarks.json"
SECTIONS = ("bench", "growth-quick", "bench-full", "growth", "peers")


def read_results(path: Path) -> dict[str, Any]:
    """Return all sections; those that were never measured are absent.

    Raises:
        NightError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NightError(
            f"{path} is damaged ({error}).", "Restore it from git, or remove it and measure again."
        ) from error
    return results


def write_section(path: Path, section: str, content: Any) -> dict[str, Any]:
    """Replace one section; return all of them.

    Args:
        path: of the file, made if absent.
        section: one of `SECTIONS`.
        content: its new content.
    """
    found = read_results(path) | {section: content}
    results = {name: found[name] for name in SECTIONS if name in found}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, results)
    return results
