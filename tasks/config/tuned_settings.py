"""`<home>/tuned.toml`: the settings that `recs tune` found better than the defaults, and what speaks for them.

`tasks/config/load.py` puts them between the defaults and `pipeline.toml`, unless they are `unfit` for the night.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from models.registry import RECOMMENDERS, config_class
from tasks.config.messages import explain
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.storage.artifact_store import write_text

Value = str | int | float | bool

_HEADER = """\
# Written by `recs tune`. A night of this home takes [models.*] between the defaults and pipeline.toml: what you write
# there wins. Delete a model's tables, or the file, to go back to the defaults; models.tuned = false leaves them out.
# [evidence.*.night] is how the night is judged that they were tuned for: one that is judged otherwise leaves them out.
"""
_JUDGING: dict[str, Any] = {
    "run": {"seed"},
    "split": True,
    "utility": {"relevant_rating", "positive_tags", "positive_events"},
}
"""The settings that decide which users and actions are held out, in which half, and what counts as liking."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for tuned settings: the metric's mean over the select half of an earlier window.

    `difference` is tuned less default, paired over those users, with its bootstrap interval. The settings are the best
    of many on these very users, so it is flattered; the night judges them anew.

    Attributes:
        as_of: the end of the data (exclusive, UTC) whose newest part was held out as the night's.
        night: how that night is judged, see `judging`.
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
    as_of: datetime | None = None
    night: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Tuned:
    """One model's settings and what speaks for them."""

    settings: Mapping[str, Any]
    evidence: Evidence


@dataclass(frozen=True)
class TunedFile:
    """What `tuned.toml` holds: `found`, model by model, and why some are `stale`, of no use to the code of today."""

    found: Mapping[str, Tuned]
    stale: Mapping[str, str]


def judging(settings: Settings) -> dict[str, Value]:
    """The settings, by name, that decide by what actions of which users a night is judged."""
    return dict(_flat(settings.model_dump(mode="json", include=_JUDGING)))


def unfit(evidence: Evidence, settings: Settings, as_of: datetime | None = None) -> str:
    """Why a night is left without tuned settings, a sentence without its dot; nothing if it may take them.

    They were chosen on what lies before the cutoffs of one night, and by half of its users. A later night of the same
    kind has later cutoffs; one that is cut or halved in another way, or an earlier one, may hold out just that.

    Args:
        evidence: what speaks for them.
        settings: the night's.
        as_of: what was asked for; None for just after the newest interaction.
    """
    if evidence.as_of is None or not evidence.night:
        return "it is not known for what night they were tuned"
    now, then = judging(settings), evidence.night
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if changed:
        words = ", ".join(f"{name} is {_said(now, name)} and was {_said(then, name)}" for name in changed)
        return f"{words} when they were tuned, so that they may have seen what this night is judged on"
    if as_of is not None and as_of < evidence.as_of:
        return (
            f"they were tuned on data up to {evidence.as_of}, so that they may have seen what a night as of {as_of} "
            "is judged on"
        )
    return ""


def _said(settings: Mapping[str, Value], name: str) -> str:
    return json.dumps(settings[name], ensure_ascii=False) if name in settings else "unset"


def _flat(table: Mapping[str, Any], *above: str) -> Iterator[tuple[str, Value]]:
    """`{'split': {'method': 'auto'}}` → `('split.method', 'auto')`."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, *above, name)
        else:
            yield ".".join((*above, name)), value


def read_tuned(path: Path) -> TunedFile:
    """What was found, model by model; nothing if there is no file.

    Raises:
        UsageError: it is not valid TOML, or cannot be read at all.
    """
    try:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return TunedFile({}, {})
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}).", "Delete it, and run `recs tune` again."
        ) from None
    found, stale = {}, {}
    for name, settings in _table(file, "models").items():
        try:
            found[name] = _tuned(name, settings, _table(_table(file, "evidence"), name))
        except ValueError as error:
            stale[name] = str(error)
    return TunedFile(found, stale)


def _table(file: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = file.get(name)
    return found if isinstance(found, dict) else {}


def _tuned(name: str, settings: Any, evidence: Mapping[str, Any]) -> Tuned:
    """One model's tables, checked against the code of today.

    Raises:
        ValueError: the message says, without a dot at its end, what no longer fits.
    """
    if name not in RECOMMENDERS:
        raise ValueError("there is no such model")
    try:
        config_class(name).model_validate(settings)
    except ValidationError as error:
        fault, _ = explain(error, config_class(name), ("models", name))
        raise ValueError(fault.removesuffix(".")) from None
    try:
        return Tuned(settings, TypeAdapter(Evidence).validate_python(evidence))
    except ValidationError:
        raise ValueError(f"[evidence.{name}] is missing or damaged") from None


def write_tuned(path: Path, found: Mapping[str, Tuned]) -> None:
    """Write the file, whole or not at all; without anything found there is none."""
    if not found:
        path.unlink(missing_ok=True)
        return
    lines = [_HEADER]
    for name, tuned in sorted(found.items()):
        evidence = asdict(tuned.evidence)
        night = evidence.pop("night")
        lines += [f"[models.{name}]", *_entries(tuned.settings), ""]
        lines += [f"[evidence.{name}]", *_entries(evidence), ""]
        lines += [f"[evidence.{name}.night]", *_entries(night), ""] if night else []
    write_text(path, "\n".join(lines))


def _entries(table: Mapping[str, Any]) -> list[str]:
    """TOML lines: numbers, truths and texts, which JSON writes the same way, and moments. There is no line for None."""
    return [
        f"{key if key.isidentifier() else json.dumps(key)} = "
        f"{value.isoformat() if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)}"
        for key, value in table.items()
        if value is not None
    ]
