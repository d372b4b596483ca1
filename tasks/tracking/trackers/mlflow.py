"""MLflow: an experiment of each home, a run of each night, and nested runs of its models.

Works with `mlflow-skinny`. A SQLite file needs no server; its artifacts lie beside it, in a folder named after it.
Relative paths are those of the home.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from tasks.tracking.tracker import Tracker

_PARAMETERS_AT_ONCE, _METRICS_AT_ONCE = 100, 1000  # MLflow's limits of one batch
_LONGEST_PARAMETER, _LONGEST_TAG = 6000, 5000
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Variables of MLflow that the user's own win over: nothing is sent elsewhere, and a dead server is given up soon."""


class MLflow(Tracker):
    """Runs in an MLflow store or on an MLflow server."""

    title: ClassVar[str] = "MLflow"
    schemes: ClassVar[tuple[str, ...]] = ("sqlite", "postgresql", "mysql", "http", "https")
    package: ClassVar[str] = "mlflow"
    extra: ClassVar[str] = "mlflow"

    def __init__(self, uri: str, experiment: str, folder: Path) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415

        uri, artifacts = _located(uri, folder)
        self._client: Any = MlflowClient(uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment: str = (
            found.experiment_id
            if found is not None
            else self._client.create_experiment(experiment, artifact_location=artifacts)
        )
        self._running: list[str] = []

    def start(self, name: str, tags: Mapping[str, str], started_at: datetime) -> None:
        """Create a run, nested in the one that is running."""
        given = {key: text[:_LONGEST_TAG] for key, text in tags.items()}
        given |= {"mlflow.source.name": "nightly-recs"}
        if self._running:
            given |= {"mlflow.parentRunId": self._running[-1]}
        run = self._client.create_run(
            self._experiment, start_time=_milliseconds(started_at), tags=given, run_name=name
        )
        self._running.append(run.info.run_id)

    def parameters(self, values: Mapping[str, str]) -> None:
        """Record parameters, as many at once as MLflow takes."""
        from mlflow.entities import Param  # noqa: PLC0415

        given = [Param(name, text[:_LONGEST_PARAMETER]) for name, text in values.items()]
        for part in _parts(given, _PARAMETERS_AT_ONCE):
            self._client.log_batch(self._running[-1], params=part)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Record figures, as many at once as MLflow takes."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now = _milliseconds(datetime.now(UTC))
        given = [Metric(name, value, now, 0) for name, value in values.items()]
        for part in _parts(given, _METRICS_AT_ONCE):
            self._client.log_batch(self._running[-1], metrics=part)

    def artifact(self, file: Path) -> None:
        """Upload or copy a file."""
        self._client.log_artifact(self._running[-1], str(file))

    def end(self, ended_at: datetime, *, failed: bool) -> None:
        """End the run with its status."""
        run_id = self._running.pop()
        self._client.set_terminated(run_id, "FAILED" if failed else "FINISHED", _milliseconds(ended_at))


def _located(uri: str, folder: Path) -> tuple[str, str | None]:
    """Return the address with the path of a SQLite file made absolute, and where a database's artifacts go.

    Args:
        uri: the address.
        folder: of the home.

    Returns:
        The address; the folder of the artifacts, or None for a server, which decides itself.
    """
    scheme, _, rest = uri.partition("://")
    if scheme.lower().startswith("http"):
        return uri, None
    if not scheme.lower().startswith("sqlite"):
        return uri, (folder / "mlflow-artifacts").as_uri()
    written, question, options = rest.removeprefix("/").partition("?")
    path = folder / Path(written).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"{scheme.lower()}:///{path}{question}{options}", path.with_name(f"{path.stem}-artifacts").as_uri()


def _milliseconds(time: datetime) -> int:
    return int(time.replace(tzinfo=UTC).timestamp() * 1000)


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
