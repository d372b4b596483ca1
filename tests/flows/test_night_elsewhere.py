"""Nights whose artifacts lie in a shared folder, and then at an address, from which the home is filled again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.errors import UsageError
from tasks.reporting.run_artifacts import find_artifacts
from tasks.run.dag import nightly
from tasks.storage.home import Home, open_home
from tests.flows.conftest import run_small_night

QUICK = ("models.shelf=popularity,als", "publish.keep_runs=1")


def names(folder: Path) -> set[str]:
    return {path.parent.relative_to(folder).as_posix() for path in folder.glob("*/*/manifest.json")}


def test_nights_go_on_where_their_artifacts_lie(dataset: Path, tmp_path: Path) -> None:
    home, places = open_home(str(dataset), tmp_path / "home"), [tmp_path / "shared", tmp_path / "bucket"]
    places[0].mkdir()
    first = run_small_night(home, *QUICK, f"engine.artifacts={places[0]}", flow=nightly)
    [folder] = places[0].iterdir()
    assert (first.exit_code, names(folder)) == (0, {*first.run.artifacts})
    assert not list((home.path / "artifacts").glob("*/*"))
    address = f"engine.artifacts=file://{places[1]}"
    same = run_small_night(home, *QUICK, address, flow=nightly)
    assert same.nothing_new, "where results lie changes no list"
    assert not folder.exists()
    [bucket] = places[1].iterdir()
    assert names(bucket) == names(home.artifacts) == {*first.run.artifacts}
    shutil.rmtree(home.path / "artifacts")
    second = run_small_night(home, *QUICK, address, flow=nightly, force=True)
    assert {time.stage for time in second.run.stages if time.stored} >= {"fit", "evaluate", "recommend"}
    assert find_artifacts(home.artifact_store, second.run).lists is not None
    third = run_small_night(home, *QUICK, address, "recommend.n=7", flow=nightly)
    assert names(bucket) == names(home.artifacts)
    assert [name for name in names(bucket) if name.startswith("recommend/")] == [
        name for name in third.run.artifacts if name.startswith("recommend/")
    ]


def test_a_night_without_its_artifacts_does_not_begin(dataset: Path, tmp_path: Path) -> None:
    home: Home = open_home(str(dataset), tmp_path / "home")
    with pytest.raises(UsageError, match="shared, does not exist"):
        run_small_night(home, *QUICK, f"engine.artifacts={tmp_path}/shared", flow=nightly)
    assert not list(home.runs.iterdir())
    assert not home.warehouse.exists()
