"""`<home>/tuned.toml`: the settings that `recs tune` found better than the defaults, and what speaks for them.

`tasks/configure.py` puts them between the defaults and `pipeline.toml`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.registry import RECOMMENDERS, config_class
from tasks.errors import UsageError
from tasks.setting_faults import explain
from tasks.store import write_text

_HEADER = """\
# Written by `recs tune`. A night of this home takes [models.*] between the defaults and pipeline.toml: what you write
# there wins. Delete a model's tables, or the file, to go back to the defaults; models.tuned = false leaves them out.
"""


@dataclass(frozen=True)
class Evidence:
    """What speaks for tuned settings: the metric's mean over the select half of an earlier window.

    `difference` is tuned less default, paired over those users, with its bootstrap interval. The settings are the best
    of many on these very users, so it is flattered; the night judges them anew.
    """

    metric: str
    score: float
    default: float
    difference: float
    low: float
    high: float
    users: int
    trials: int
    seed: int
    window: str
    data: str
    date: str


@dataclass(frozen=True)
class Tuned:
    """One model's settings and what speaks for them."""

    settings: Mapping[str, Any]
    evidence: Evidence


def read_tuned(path: Path) -> dict[str, Tuned]:
    """Model → what was found for it; nothing if there is no file.

    Raises:
        UsageError: it is damaged, or holds what no model takes (any more).
    """
    try:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        found = {
            name: Tuned(settings, Evidence(**file["evidence"][name]))
            for name, settings in file.get("models", {}).items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read ({error}).", _REMEDY) from None
    for name, tuned in found.items():
        if name not in RECOMMENDERS:
            raise UsageError(f"{path} speaks of a model {name!r}, which is not there.", _REMEDY)
        try:
            config_class(name).model_validate(tuned.settings)
        except ValidationError as error:
            fault, _ = explain(error, config_class(name), ("models", name))
            raise UsageError(f"{path} does not fit the models of today. {fault}", _REMEDY) from None
    return found


_REMEDY = "Delete it, or that model's tables in it, and run `recs tune` again."


def write_tuned(path: Path, found: Mapping[str, Tuned]) -> None:
    """Write the file, whole or not at all; without anything found there is none."""
    if not found:
        path.unlink(missing_ok=True)
        return
    lines = [_HEADER]
    for name, tuned in sorted(found.items()):
        lines += [f"[models.{name}]", *_entries(tuned.settings), ""]
        lines += [f"[evidence.{name}]", *_entries(asdict(tuned.evidence)), ""]
    write_text(path, "\n".join(lines))


def _entries(table: Mapping[str, Any]) -> list[str]:
    """TOML lines of numbers, truths and texts, which JSON writes the same way."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
