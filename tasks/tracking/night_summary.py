"""Gathers what is sent to a tracker of a night, from its record and its figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from tasks.config.settings import Settings
from tasks.evaluation.metric_rows import FILE, MetricRow, read_metrics
from tasks.reporting.run_report import PAGE
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs, StageTime
from tasks.tracking.tracker import TrackedFit, TrackedNight

_ARTIFACTS = ("run.json", FILE, PAGE)
_NOT_IN_NAMES = re.compile(r"[^\w. :/-]")
"""Characters that MLflow takes in no name: figures have the same names in every tracker."""


def summarise(home: Home, settings: Settings, run: Run) -> TrackedNight:
    """Return what is sent to a tracker of a night.

    Args:
        home: of the night.
        settings: of the night.
        run: its record, closed.
    """
    folder = Runs(home.runs).folder(run.run_id)
    rows = read_metrics(folder).metrics
    tags = {
        "dataset": run.dataset,
        "home_id": home.home_id,
        "status": run.status,
        "live": str(run.switched).lower(),
        "champion": run.champion or "",
        "as_of": "" if run.as_of is None else run.as_of.isoformat(),
        "reason": run.reason,
    }
    return TrackedNight(
        experiment=experiment_name(home),
        folder=home.path.resolve(),
        name=str(run.run_id),
        failed=run.status == "failed",
        started_at=run.started_at,
        finished_at=run.finished_at or datetime.now(UTC).replace(tzinfo=None),
        parameters=_night_parameters(run.settings),
        metrics=_night_metrics(run, rows),
        tags={name: text for name, text in tags.items() if text},
        artifacts=tuple(folder.resolve() / name for name in _ARTIFACTS if (folder / name).is_file()),
        fits=tuple(_fit(model, settings, run, rows) for model in _models(run)),
    )


def experiment_name(home: Home) -> str:
    """Return the name of a home's experiment: two homes of one data set have two."""
    return f"nightly-recs {home.dataset} {home.home_id[:8]}"


def _models(run: Run) -> list[str]:
    """Return the models that were fitted or failed, in the order of the night, each once."""
    fitted = [stage.model for stage in run.stages if stage.stage == "fit" and stage.model is not None]
    return list(dict.fromkeys([*fitted, *run.failed_models]))


def _fit(model: str, settings: Settings, run: Run, rows: tuple[MetricRow, ...]) -> TrackedFit:
    config = settings.ensembles.get(model) or settings.models.config(model)
    before, after = _fits(model, run.stages)
    tags = {"night": str(run.run_id), "model": model}
    metrics = _figures(rows, model)
    for name, stage in (("fit", before), ("refit", after)):
        if stage is not None:
            tags[name] = "from the artifact store" if stage.stored else "fitted"
            metrics |= (
                {f"{name}_peak_mb": stage.peak_mb, f"{name}_seconds": stage.seconds}
                if not stage.stored
                else {}
            )
    if model == run.champion:
        tags["champion"] = "true"
    if model in run.failed_models:
        tags["reason"] = run.failed_models[model]
    return TrackedFit(
        model=model,
        failed=model in run.failed_models,
        seconds=sum(stage.seconds for stage in (before, after) if stage is not None and not stage.stored),
        parameters={name: _text(value) for name, value in config.model_dump(mode="json").items()},
        metrics=_finite(metrics),
        tags=tags,
    )


def _fits(model: str, stages: list[StageTime]) -> tuple[StageTime | None, StageTime | None]:
    """Return a model's fit on the training part, and that on everything, which follows the choice of the champion."""
    names = [stage.stage for stage in stages]
    chosen = names.index("choose") if "choose" in names else len(names)
    before, after = (
        [stage for stage in part if (stage.stage, stage.model) == ("fit", model)]
        for part in (stages[:chosen], stages[chosen:])
    )
    return (before[-1] if before else None), (after[-1] if after else None)


def _night_parameters(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings by dotted names; the models' own are those of their fits."""
    models = {
        name: value for name, value in settings.get("models", {}).items() if not isinstance(value, dict)
    }
    return {name: _text(value) for name, value in _leaves({**settings, "models": models})}


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield _in_name(f"{above}{name}"), value


def _night_metrics(run: Run, rows: tuple[MetricRow, ...]) -> dict[str, float]:
    """Return the champion's figures, the size of the night, and the value of every check."""
    found: dict[str, float | None] = dict(_figures(rows, run.champion)) if run.champion else {}
    found["rows"] = run.rows
    if run.finished_at is not None:
        found["seconds"] = (run.finished_at - run.started_at).total_seconds()
    for count in run.summary.intake:
        found |= {f"input/{count.source}": count.clean, f"quarantined/{count.source}": count.quarantined}
    found |= {f"check/{result.check}": result.value for result in run.summary.checks}
    return _finite(found)


def _figures(rows: tuple[MetricRow, ...], model: str) -> dict[str, float]:
    """Return a model's figures with their intervals, such as `ndcg_at_10`, `ndcg_at_10.low` and `ndcg_at_10.high`.

    Those of the report half have the plain names, those of the select half begin with `select/`. Figures of single
    slices of users are left out: there are hundreds, and the artifact `metrics.json` has them.
    """
    found: dict[str, float | None] = {}
    for row in rows:
        if (row.model, row.segment) != (model, "all"):
            continue
        half = "" if row.half == "report" else f"{row.half}/"
        name = _in_name(f"{half}{row.metric}{'' if row.k is None else f'_at_{row.k}'}")
        found |= {name: row.value, f"{name}.low": row.ci_low, f"{name}.high": row.ci_high}
    return _finite(found)


def _in_name(text: str) -> str:
    return _NOT_IN_NAMES.sub("_", text)


def _finite(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None and isfinite(value)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
