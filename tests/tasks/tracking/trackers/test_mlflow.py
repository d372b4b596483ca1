"""The MLflow tracker on a SQLite store, read back by MLflow's own client."""

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.tracking.tracker import send
from tasks.tracking.trackers import mlflow as module
from tasks.tracking.trackers.mlflow import MLflow
from tests.tasks.tracking.recorded import fit_of, night_of


@pytest.fixture
def mlflow(monkeypatch, tmp_path):
    """Return MLflow itself, which sends nothing to its makers; a test without it is skipped."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    return pytest.importorskip("mlflow", reason="MLflow is an extra: pip install 'nightly-recs[mlflow]'")


def runs_of(mlflow, folder: Path, experiment: str):
    """Return MLflow's client, the experiment, and its runs by name."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    return client, found, {run.info.run_name: run for run in client.search_runs([found.experiment_id])}


def test_a_night_is_a_run_with_nested_runs_of_its_models(mlflow, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PARAMETERS_AT_ONCE", 3)
    night = night_of(
        tmp_path,
        fit_of("als"),
        fit_of("bpr", failed=True, metrics={}, parameters={}),
        parameters={f"p{number}": "x" * 7000 for number in range(10)},
        metrics={f"m/{number}": number / 2 for number in range(20)},
    )
    for each in (replace(night, name="the night before", fits=()), night):
        send(each, MLflow("sqlite:///mlflow.db", night.experiment, tmp_path))
    client, experiment, runs = runs_of(mlflow, tmp_path, night.experiment)
    assert runs.keys() == {"the night before", night.name, "als", "bpr"}
    parent, als, bpr = runs[night.name], runs["als"], runs["bpr"]
    assert parent.info.status == als.info.status == "FINISHED"
    assert bpr.info.status == "FAILED"
    assert als.data.params == {"factors": "64"}
    assert als.data.metrics == {"ndcg_at_10": 0.25}
    assert als.data.tags["fit"] == "fitted"
    assert als.info.end_time - als.info.start_time == 2000
    assert {run.data.tags["mlflow.parentRunId"] for run in (als, bpr)} == {parent.info.run_id}
    assert (len(parent.data.params), len(parent.data.params["p0"])) == (10, 6000)
    assert parent.data.metrics["m/3"] == 1.5
    assert parent.data.tags["status"] == "published"
    assert parent.info.end_time - parent.info.start_time == 60_000
    assert [file.path for file in client.list_artifacts(parent.info.run_id)] == ["run.json"]
    assert experiment.artifact_location == (tmp_path / "mlflow-artifacts").as_uri()
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("uri", "database", "artifacts"),
    [
        ("sqlite:///mlflow.db", "sqlite:////home/x/mlflow.db", "file:///home/x/mlflow-artifacts"),
        ("SQLite:///a/b.db?timeout=5", "sqlite:////home/x/a/b.db?timeout=5", "file:///home/x/a/b-artifacts"),
        ("http://host:5000", "http://host:5000", None),
        ("postgresql://host/db", "postgresql://host/db", "file:///home/x/mlflow-artifacts"),
    ],
)
def test_relative_paths_are_those_of_the_home(monkeypatch, uri, database, artifacts):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: None)
    assert module._located(uri, Path("/home/x")) == (database, artifacts)


def test_an_absolute_path_stays(tmp_path):
    found = module._located(f"sqlite:///{tmp_path}/new/m.db", Path("/home/x"))
    assert found == (f"sqlite:///{tmp_path}/new/m.db", f"file://{tmp_path}/new/m-artifacts")
