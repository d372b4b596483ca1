"""Whole nights on data of other kinds: without times, and after a night under a wrong clock."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from tasks.storage.home import open_home
from tasks.storage.run_records import Runs


@pytest.fixture
def without_times(tmp_path: Path, dataset: Path) -> Path:
    """Return a folder with the small data set's ratings, and no times."""
    folder = tmp_path / "untimed"
    folder.mkdir()
    ratings = pd.read_csv(dataset / "ratings.csv").drop(columns="timestamp")
    ratings.to_csv(folder / "ratings.csv", index=False)
    return folder


@pytest.mark.slow
def test_data_without_times_are_judged_and_published(tmp_path, without_times, run_plain):
    home = open_home(str(without_times), tmp_path / "home")
    timeless = "data.ratings.timestamp="
    first = run_plain(home, timeless, "models.shelf=popularity,item_knn")
    assert first.run.status == "published"
    assert first.run.summary.split_why.startswith("random: ")
    assert first.run.summary.split_why.endswith("drawn at random; the ratings have no times")
    assert set(first.run.summary.decision.means) == {"popularity", "item_knn"}
    assert "Nothing is new" in run_plain(home, timeless, "models.shelf=popularity,item_knn").nothing_new
    with (without_times / "ratings.csv").open("a") as file:
        file.write("1,1,5\n")
    second = run_plain(home, timeless, "models.shelf=popularity,item_knn")
    assert second.run.status == "published"
    assert second.run.as_of > first.run.as_of


def test_a_night_under_a_wrong_clock_blocks_no_later_one(home, run_plain, caplog):
    first = run_plain(home, "models.shelf=popularity")
    wrong = Runs(home.runs).find(first.run.run_id)
    wrong.as_of = wrong.data_until = datetime(2099, 1, 1)
    Runs(home.runs).save(wrong)
    later = run_plain(home, "models.shelf=popularity", "recommend.n=19")
    assert (later.run.status, later.live) == ("published", later.run.run_id)
    assert sum("made under a wrong clock" in record.getMessage() for record in caplog.records) == 1
