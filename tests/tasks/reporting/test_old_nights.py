"""Nights long ago lose their page and most figures; what others read of them stays."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from tasks.evaluation.metric_rows import read_metrics
from tasks.reporting.after_night import write_index
from tasks.reporting.old_nights import remove_old_pages
from tasks.storage.artifact_store import write_json
from tasks.storage.home import Home, make_home
from tasks.storage.run_records import Runs
from tests.tasks.reporting.nights import keep, night, row

LINK = '<a href="../{}/report.html" rel="prev">'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with four nights of one metric over all users and one of a slice; each page links to the one before."""
    home = make_home(tmp_path / "home", "tiny")
    runs = Runs(home.runs)
    for run_id in range(1, 5):
        keep(runs, night(run_id), [row("als", 0.25), row("als", 0.5, segment="heavy")])
        folder = runs.folder(run_id)
        (folder / "report.html").write_text(f"{LINK.format(run_id - 1)} and {LINK.format(run_id + 8)}")
        write_json(folder / "outcomes.json", [{"run_id": run_id - back, "value": 0.5} for back in (1, 2)])
        (folder / ".run.json.partial").write_text("pa")
    write_index(home)
    return home


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_old_nights_keep_their_records_only(home: Home) -> None:
    runs = Runs(home.runs)
    assert remove_old_pages(runs, {2, 4}) == [3, 1]
    assert names(home.runs / "1") == ["metrics.json", "outcomes.json", "run.json"]
    assert [kept.segment for kept in read_metrics(home.runs / "1").metrics] == ["all"]
    assert len(read_metrics(home.runs / "2").metrics) == 2
    assert names(home.runs / "4")[1:] == [
        "metrics.json",
        "next.html",
        "outcomes.json",
        "report.html",
        "run.json",
    ]
    assert [run.run_id for run in runs.all()] == [4, 3, 2, 1]


def test_outcomes_stay_of_lists_that_no_later_night_judged(home: Home) -> None:
    remove_old_pages(Runs(home.runs), {2, 4})
    kept = {
        folder.name: [row["run_id"] for row in json.loads((folder / "outcomes.json").read_bytes())]
        for folder in home.runs.glob("[0-9]")
    }
    assert kept == {"1": [-1], "2": [1, 0], "3": [1], "4": [3, 2]}, (
        "night 4 judged 2 again, and night 2, which judged 0, is kept"
    )


def test_links_to_removed_pages_lead_to_all_nights(home: Home) -> None:
    remove_old_pages(Runs(home.runs), {3, 4})
    write_index(home)
    assert (
        home.runs / "3/report.html"
    ).read_text() == f'<a href="../index.html" rel="prev"> and {LINK.format(11)}'
    assert (home.runs / "4/report.html").read_text() == f"{LINK.format(3)} and {LINK.format(12)}"
    index = (home.runs / "index.html").read_text(encoding="utf-8")
    assert ["2/report.html" in index, "3/report.html" in index] == [False, True]


def test_what_has_no_page_any_more_is_not_written_again(home: Home) -> None:
    remove_old_pages(Runs(home.runs), {4})
    before = (home.runs / "1/metrics.json").stat().st_mtime_ns
    assert remove_old_pages(Runs(home.runs), {4}) == []
    assert (home.runs / "1/metrics.json").stat().st_mtime_ns == before


def test_damaged_figures_and_failures_do_not_stop_the_night(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home.runs / "1/metrics.json").write_text("{")
    (home.runs / "2/metrics.json").unlink()
    (home.runs / "3/outcomes.json").unlink()
    shutil.copytree(home.runs / "3", home.runs / "3.bak")
    (home.runs / "20261130000000 (copy)").mkdir()
    assert remove_old_pages(Runs(home.runs), {4}) == [3, 2, 1]

    (home.runs / "2/metrics.json").write_text('{"metrics": [{"segmen": "all"}]}')
    with caplog.at_level(logging.WARNING):
        assert remove_old_pages(Runs(home.runs), set()) == []
    assert "Pages of old nights stay" in caplog.text
    assert "segment" in caplog.text
    caplog.clear()

    def fails(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", fails)
    with caplog.at_level(logging.WARNING):
        assert remove_old_pages(Runs(home.runs), set()) == []
    assert "Pages of old nights stay" in caplog.text
    assert "Permission denied" in caplog.text
    assert (home.runs / "3.bak/metrics.json").is_file()
