"""Tables in docs/ that are generated from the code: models and their settings, metrics, checks.

`make docs` (`python -m tests.docs_tables --write`) updates the pages; tests/test_docs.py fails while one is stale.
Each table stands between two comments, `<!-- generated: NAME … -->` and `<!-- end: NAME -->`; the text outside them is
written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from models.base import Config
from models.evaluation.metrics import (
    EXPOSURE_METRICS,
    HISTORY_RATIOS,
    LIST_METRICS,
    PAIR_METRICS,
    RANKING_METRICS,
    RATING_METRICS,
    Metric,
)
from models.registry import RECOMMENDERS, config_class, recommender_class
from tasks.config.settings import CheckSettings, Settings
from tasks.validation.checks import CHECKS

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "make docs"

SHARED = set(Config.model_fields)
"""Settings that every model has: the page describes them once, by hand."""

_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


def models_table() -> str:
    """Return one row for each model: what it is, with its source, and what it is trained on."""
    shelf = Settings().models.shelf
    rows = [
        "| name | method | in plain words | trained on | on the shelf by default |",
        "|---|---|---|---|---|",
    ]
    for name in RECOMMENDERS:
        model = recommender_class(name)
        method = summary(model.__module__)
        shelved = "yes" if name in shelf else ""
        rows.append(f"| [`{name}`](#{name}) | {method} | {model.in_words} | {model.matrix} | {shelved} |")
    return "\n".join(rows)


def settings_tables() -> str:
    """Return a heading and a table of hyperparameters for each model that has any."""
    parts = []
    for name in RECOMMENDERS:
        fields = {key: field for key, field in config_class(name).model_fields.items() if key not in SHARED}
        if not fields:
            parts.append(f"### `{name}`\n\nNo settings of its own.")
            continue
        rows = ["| setting | default | values | meaning |", "|---|---|---|---|"]
        for key, field in fields.items():
            meaning = (field.description or "").replace("|", "\\|")
            rows.append(f"| `{key}` | {default(field)} | {values(field)} | {meaning} |")
        parts.append(f"### `{name}`\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def summary(module: str) -> str:
    """Return the first sentence of a module's docstring, without its full stop."""
    paragraph = " ".join((import_module(module).__doc__ or "").split("\n\n")[0].split())
    return paragraph.removesuffix(".")


def default(field: FieldInfo) -> str:
    """Return a setting's default as TOML writes it; empty where the data decides."""
    if field.default is None:
        return ""
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(value)}`"


def values(field: FieldInfo) -> str:
    """Return the values that a setting takes: choices, true or false, or a range of numbers."""
    kinds = _kinds(field.annotation)
    choices = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if bool in kinds:
        return "`true`, `false`"
    limits = _limits(field)
    return f"a list of numbers, each {limits}" if get_origin(field.annotation) is tuple else limits


def _kinds(annotation: Any) -> list[Any]:
    """Return the members of a union without None, else the annotation alone."""
    if get_origin(annotation) in (Union, UnionType):
        return [kind for kind in get_args(annotation) if kind is not NoneType]
    return [annotation]


def _limits(field: FieldInfo) -> str:
    """Return the range of a number in mathematical notation, such as `0 < x ≤ 10`."""
    metadata = [*field.metadata]
    for part in get_args(field.annotation):  # of a list, each element has the limits
        metadata += [limit for kind in getattr(part, "__metadata__", ()) for limit in kind.metadata]
    low = high = ""
    for limit in metadata:
        if isinstance(limit, Ge | Gt):
            low = f"{_number(limit.ge)} ≤ " if isinstance(limit, Ge) else f"{_number(limit.gt)} < "
        if isinstance(limit, Le | Lt):
            high = f" ≤ {_number(limit.le)}" if isinstance(limit, Le) else f" < {_number(limit.lt)}"
    return f"{low}x{high}"


def _number(value: Any) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


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
    "models.md": {"models": models_table, "settings": settings_tables},
    "judging.md": {
        "metrics of users": lambda: metrics_table("per user", (*RANKING_METRICS, *LIST_METRICS)),
        "metrics of halves": lambda: metrics_table(
            "of one half", (*EXPOSURE_METRICS, *HISTORY_RATIOS, *RATING_METRICS)
        ),
        "metrics of similar items": lambda: metrics_table("per pair", PAIR_METRICS),
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
    parser = argparse.ArgumentParser(
        description="Generate the tables of models, metrics and checks in docs/."
    )
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
