"""Read and write `<home>/tuned.toml`: settings that `recs tune` found better than the defaults, with the evidence.

`tasks/config/load.py` puts them between the defaults and `pipeline.toml`, unless there is a `reason_to_ignore` them.
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
# Written by `recs tune`. Nights of this home use [models.*] in place of the defaults; pipeline.toml overrides both.
# Delete a model's tables, or the file, to go back to the defaults; models.tuned = false ignores them.
# [evidence.*.night] has the settings of evaluation that they were tuned for: nights with other ones ignore them.
"""
_EVALUATION: dict[str, Any] = {
    "run": {"seed"},
    "split": True,
    "utility": {"relevant_rating", "positive_tags", "positive_events"},
}
"""The settings that decide which interactions of which users are held out, in which half, and which are positive."""


@dataclass(frozen=True)
class Evidence:
    """The evidence for tuned settings: the metric's mean over users of an earlier window who did not guide the search.

    Nights evaluate the settings again.

    Attributes:
        metric: its name, such as `ndcg@10`.
        score, default: the mean with the tuned settings, and with the defaults.
        difference: `score` less `default`, paired over the users.
        low, high: its bootstrap interval.
        users, trials: how many were compared.
        seed: of the search.
        window: the split of the earlier window, in words.
        data: the key of the clean data.
        date: of the search, ISO 8601.
        as_of: the end of the data (exclusive, UTC) whose newest part was held out as the night's.
        night: the evaluation settings of that night, see `evaluation_settings`.
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
    """One model's tuned settings and the evidence for them."""

    settings: Mapping[str, Any]
    evidence: Evidence


@dataclass(frozen=True)
class TunedFile:
    """The content of `tuned.toml`.

    Attributes:
        found: model → its tuned settings.
        stale: model → why this version of the code cannot use its settings.
    """

    found: Mapping[str, Tuned]
    stale: Mapping[str, str]


def evaluation_settings(settings: Settings) -> dict[str, Value]:
    """Return the settings, by name, that decide which interactions of which users a night is evaluated on."""
    return dict(_flat(settings.model_dump(mode="json", include=_EVALUATION)))


def reason_to_ignore(evidence: Evidence, settings: Settings, as_of: datetime | None = None) -> str:
    """Return the reason why a night must ignore tuned settings, a sentence without its dot; empty if they apply.

    They were chosen on data before the cutoffs of one night, by half of its users. A later night of the same kind has
    later cutoffs; a night that is split or halved in another way, or an earlier one, may hold out that very data.

    Args:
        evidence: for the tuned settings.
        settings: the night's.
        as_of: the requested end of the data; None for just after the newest interaction.
    """
    if evidence.as_of is None or not evidence.night:
        return "it is not known for what night they were tuned"
    now, then = evaluation_settings(settings), evidence.night
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if changed:
        changes = ", ".join(f"{name} is {_value(now, name)} and was {_value(then, name)}" for name in changed)
        return f"{changes} when they were tuned, so that they may have seen what this night is judged on"
    if as_of is not None and as_of < evidence.as_of:
        return (
            f"they were tuned on data up to {evidence.as_of}, so that they may have seen what a night as of {as_of} "
            "is judged on"
        )
    return ""


def _value(settings: Mapping[str, Value], name: str) -> str:
    return json.dumps(settings[name], ensure_ascii=False) if name in settings else "unset"


def _flat(table: Mapping[str, Any], *above: str) -> Iterator[tuple[str, Value]]:
    """`{'split': {'method': 'auto'}}` → `('split.method', 'auto')`."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, *above, name)
        else:
            yield ".".join((*above, name)), value


def read_tuned(path: Path) -> TunedFile:
    """Return the content of the file; nothing if there is no file.

    Raises:
        UsageError: the file is not valid TOML, or cannot be read.
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
    """Return one model's tables, validated by its config.

    Raises:
        ValueError: they are not valid; the message has no dot at its end.
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
    """Write the file, whole or not at all; remove it if `found` is empty."""
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
    """TOML lines of numbers, booleans and strings, which JSON writes the same way, and times. None gets no line."""
    return [
        f"{key if key.isidentifier() else json.dumps(key)} = "
        f"{value.isoformat() if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)}"
        for key, value in table.items()
        if value is not None
    ]
