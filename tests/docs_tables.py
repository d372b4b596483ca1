"""Tables of docs/models.md that are generated from the models themselves: registry, docstrings and configs.

`python -m tests.docs_tables --write` (or `make docs`) updates the page; tests/test_docs.py fails while it is stale.
Each table stands between two comments, `<!-- generated: NAME … -->` and `<!-- end: NAME -->`; the text outside them is
written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from models.base import Config
from models.registry import RECOMMENDERS, config_class, recommender_class
from tasks.config.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
COMMAND = "python -m tests.docs_tables --write"

SHARED = set(Config.model_fields)
"""Settings that every model has: the page describes them once, by hand."""


def updated(text: str) -> str:
    """Return the page with every generated table renewed.

    Raises:
        ValueError: the page lacks the comments of a table.
    """
    for name, table in (("models", models_table()), ("settings", settings_tables())):
        block = re.compile(rf"(?s)(<!-- generated: {name} [^>]*-->\n).*?(<!-- end: {name} -->)")
        if len(block.findall(text)) != 1:
            raise ValueError(
                f"{PAGE.name} needs the comments `generated: {name}` and `end: {name}` once each"
            )
        text = block.sub(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", text)
    return text


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


def main(arguments: list[str] | None = None) -> int:
    """Check the page, or write it with `--write`; return 1 if it is out of date and was not written."""
    parser = argparse.ArgumentParser(description="Generate the tables of docs/models.md from the models.")
    parser.add_argument("--write", action="store_true", help="write the page instead of only checking it")
    write = parser.parse_args(arguments).write
    text = PAGE.read_text(encoding="utf-8")
    new = updated(text)
    if write:
        PAGE.write_text(new, encoding="utf-8")
    elif new != text:
        sys.stderr.write(f"{PAGE.name} is out of date: run {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
