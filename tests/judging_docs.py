"""Tables of docs/judging.md and docs/night.md that are generated from the metrics' and the checks' entries.

`python -m tests.judging_docs --write` updates the pages; tests/test_judging_docs.py fails while one is stale. Each
table stands between two comments, `<!-- generated: NAME … -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from models.evaluation.metrics import (
    EXPOSURE_METRICS,
    HISTORY_RATIOS,
    LIST_METRICS,
    RANKING_METRICS,
    RATING_METRICS,
    Metric,
)
from tasks.config.settings import CheckSettings
from tasks.validation.checks import CHECKS

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "python -m tests.judging_docs --write"
_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


def metrics_table(header: str, metrics: Sequence[Metric]) -> str:
    """Return one row for each metric: name, formula, meaning, and the direction that is better."""
    rows = [f"| metric | {header} | it says | better |", "|---|---|---|---|"]
    for metric in metrics:
        arrow = _ARROWS[metric.better]
        rows.append(f"| `{metric.name}` | {metric.definition} | {metric.meaning} | {arrow} |")
    return "\n".join(rows)


def checks_table() -> str:
    """Return one row for each check: what it measures, its limit with the default, and what to do when it fails."""
    rows = ["| check | what it sees | limit | what to do |", "|---|---|---|---|"]
    for check in CHECKS:
        meaning = f"{check.meaning}; {check.note}" if check.note else check.meaning
        limit = check.limit_of(CheckSettings())
        shown = "off" if limit is None else f"{check.bound} {limit:g}"
        if check.setting:
            shown += f" (`check.{check.setting}` = {getattr(CheckSettings(), check.setting):g})"
        rows.append(f"| `{check.name}` | {meaning} | {shown} | {check.advice} |")
    return "\n".join(rows)


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "judging.md": {
        "metrics of users": lambda: metrics_table("per user", (*RANKING_METRICS, *LIST_METRICS)),
        "metrics of halves": lambda: metrics_table(
            "of one half", (*EXPOSURE_METRICS, *HISTORY_RATIOS, *RATING_METRICS)
        ),
    },
    "night.md": {"checks": checks_table},
}
"""The tables of each page, by name."""


def updated(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """Return a page with its generated tables renewed.

    Raises:
        ValueError: the page lacks the comments of a table.
    """
    for name, table in tables.items():
        block = re.compile(rf"(?s)(<!-- generated: {name} [^>]*-->\n).*?(<!-- end: {name} -->)")
        if len(block.findall(text)) != 1:
            raise ValueError(f"the page needs the comments `generated: {name}` and `end: {name}` once each")
        text = block.sub(lambda found, table=table: f"{found[1]}\n{table()}\n\n{found[2]}", text)
    return text


def main(arguments: list[str] | None = None) -> int:
    """Check the pages, or write them with `--write`; return 1 if one is stale and was not written."""
    parser = argparse.ArgumentParser(description="Generate the tables of metrics and checks in the docs.")
    parser.add_argument("--write", action="store_true", help="write the pages instead of only checking them")
    write, status = parser.parse_args(arguments).write, 0
    for page, tables in PAGES.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        new = updated(text, tables)
        if write:
            (DOCS / page).write_text(new, encoding="utf-8")
        elif new != text:
            sys.stderr.write(f"docs/{page} is stale: run {COMMAND}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
