"""After every night the page of all nights, the links between pages and the metrics file are written."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.config.monitoring_settings import MonitoringSettings
from tasks.config.settings import Settings
from tasks.reporting import after_night
from tasks.reporting.after_night import write_after_night, write_index, write_metrics
from tasks.reporting.page.all_nights import gather_nights, page_before
from tasks.reporting.page.render import render
from tasks.storage.home import Home, make_home
from tasks.storage.run_records import Quality, Run, Runs, RunSummary
from tests.tasks.reporting.nights import BEGAN, keep, night, row
from tests.tasks.reporting.page.read_page import ReadPage
from tests.tasks.reporting.page.test_render import HOSTILE, empty


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "tiny")


def add(home: Home, run_id: int, *, page: bool = True, **fields: object) -> Run:
    """Keep a night that took `run_id` minutes."""
    started = BEGAN + timedelta(days=run_id)
    run = night(run_id, **({"finished_at": started + timedelta(minutes=run_id)} | fields))
    run.started_at = started
    Runs(home.runs).save(run)
    if page:
        (home.runs / str(run_id) / "report.html").write_text("page")
    return run


def hrefs(text: str) -> list[str | None]:
    return [about["href"] for tag, about in ReadPage(text).tags if tag == "a"]


def test_index_lists_all_nights_with_links_and_curves(home: Home) -> None:
    add(home, 1, summary=RunSummary(quality=Quality("ndcg@10", 0.2)))
    add(home, 2, status="check_failed", reason=HOSTILE, summary=RunSummary(quality=Quality("ndcg@10", 0.4)))
    add(home, 3, status="failed", champion=None, rows=None, page=False)
    path = write_index(home)
    assert path == home.runs / "index.html"
    text = path.read_text(encoding="utf-8")
    page = ReadPage(text)
    assert hrefs(text) == ["2/report.html", "1/report.html"], "newest first; run 3 has no page"
    assert [about["id"] for tag, about in page.tags if tag == "tr" and "id" in about] == [
        "run-3",
        "run-2",
        "run-1",
    ]
    assert HOSTILE[:30] in page.text
    assert "Held back" in page.text
    assert "Quality: NDCG@10" in page.text
    assert "Duration in seconds" in page.text, "the longest took 3 minutes"
    assert "script" not in [tag for tag, _ in page.tags]


def test_curves_have_each_night_in_its_place(home: Home) -> None:
    for run_id, quality in ((1, 0.2), (2, None), (3, 0.4), (9, 0.1)):
        add(home, run_id, summary=RunSummary(quality=Quality("ndcg@10", quality) if quality else None))
    found = gather_nights(Runs(home.runs))
    assert found is not None
    quality, duration = found.curves
    assert [(x, run_id, value) for x, _, run_id, _, value in quality.dots] == [
        (0, 1, 0.2), (66.67, 3, 0.4), (100, 9, 0.1),
    ]  # fmt: skip
    assert [y for _, y, *_ in quality.dots] == [50, 0, 75], "from the top of an axis from 0 to .4"
    assert duration.name == "Duration in minutes"
    assert [value for *_, value in duration.dots] == [1, 2, 3, 9]


def test_quality_of_earlier_versions_comes_from_their_figures(home: Home) -> None:
    keep(Runs(home.runs), night(5), [row("als", 0.25), row("als", 0.5, half="select"), row("bpr", 0.3)])
    found = gather_nights(Runs(home.runs))
    assert found is not None
    assert [(one.metric, one.quality) for one in found.nights] == [("NDCG@10", 0.25)]
    assert found.curves == (), "one night is no curve"


def test_pages_link_to_the_night_before_and_after(home: Home) -> None:
    first, second = add(home, 1), add(home, 2)
    add(home, 3, page=False)
    runs = Runs(home.runs)
    assert page_before(runs, first) is None
    assert page_before(runs, night(4)) == 2, "run 3 has no page"
    assert hrefs(render(empty(run=second, before=1)))[:3] == [
        "../1/report.html",
        "next.html",
        "../index.html",
    ]
    assert hrefs(render(empty(run=first)))[:2] == ["next.html", "../index.html"]
    write_index(home)
    assert hrefs((home.runs / "1/next.html").read_text()) == ["../2/report.html"]
    newest = home.runs / "2/next.html"
    assert hrefs(newest.read_text()) == ["report.html", "../index.html"]
    assert not (home.runs / "3/next.html").exists()
    add(home, 4)
    write_index(home)
    assert hrefs(newest.read_text()) == ["../4/report.html"], "it leads on once there is a later page"
    assert 'content="0; url=../4/report.html"' in newest.read_text()


def test_nights_without_a_page_are_listed_without_links(home: Home) -> None:
    add(home, 7, page=False)
    text = (write_index(home) or home.path).read_text(encoding="utf-8")
    assert 'id="run-7"' in text
    assert not any(link and "report.html" in link for link in hrefs(text))
    assert not list(home.runs.glob("*/next.html"))


def test_home_without_nights_has_no_index(home: Home) -> None:
    assert write_index(home) is None
    assert not (home.runs / "index.html").exists()


def test_neither_error_changes_the_night(
    home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add(home, 1)
    settings = Settings(monitoring=MonitoringSettings(metrics_file=str(home.path / "gone" / "recs.prom")))

    def fails(_: Home) -> None:
        raise OSError("no space")

    with caplog.at_level(logging.WARNING):
        write_after_night(home)
        write_metrics(home, settings, run)
        assert (home.runs / "index.html").exists()
        monkeypatch.setattr(after_night, "write_index", fails)
        write_after_night(home)
    assert "does not exist. Make it, or correct monitoring.metrics_file." in caplog.text
    assert "The page of all nights could not be written: OSError: no space" in caplog.text
