"""Whole nights: what is published, what runs again, what is held back; through Prefect where the flow decides."""

import json
import re
import shutil
import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from flows import nightly as flow
from models.content.profiles import Content
from models.factors.als import ALS
from models.registry import recommender_class
from tasks.config.settings import ModelsSettings
from tasks.errors import NightError, TransientError, UsageError
from tasks.evaluation.reranking_cost import trade_off
from tasks.monitoring.drift_figures import DISTRIBUTIONS
from tasks.publication.publish import publish_or_hold_back
from tasks.reporting.run_report import read_report
from tasks.run.context import Night
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome, roll_back
from tasks.storage.home import Home, existing_home, open_home
from tasks.storage.run_records import Run, Runs
from tests.flows.conftest import RATERS, USERS, RunNight, run_small_night

LISTS = {
    "recommendations": "user_id, rank, item_id, score, model, model_score, reason_item_id",
    "similar_items": "item_id, rank, similar_item_id, score",
    "fallback_recommendations": "segment, rank, item_id, score",
    "items": "item_id, title, genres",
}


def published(home: Home) -> dict[str, list[tuple]]:
    """Return every row that a reader sees, without run_id."""
    with sqlite3.connect(home.path / "recommendations.db") as con:
        return {
            name: con.execute(f"select {columns} from {name}").fetchall() for name, columns in LISTS.items()
        }


def stages(outcome: Outcome) -> dict[str, bool]:
    """Return the stages of a night → whether the result came from the store."""
    return {f"{s.stage} {s.model}" if s.model else s.stage: s.stored for s in outcome.run.stages}


@pytest.fixture(scope="module")
def prefect_night(
    prefect_server: None, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Home, Outcome]:
    """A home and its first night, run through Prefect. Read only: change a copy of it."""
    home = open_home(str(dataset), tmp_path_factory.mktemp("prefect_night") / "home")
    return home, run_small_night(home, flow=flow.run_flow)


@pytest.fixture(scope="module")
def plain_home(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after its first night, run without Prefect. Read only: change a copy of it."""
    home = open_home(str(dataset), tmp_path_factory.mktemp("plain_night") / "home")
    run_small_night(home, flow=nightly)
    return home


@pytest.fixture
def live_home(plain_home: Home, tmp_path: Path) -> Home:
    """A home of this test's own after its first night."""
    return copied(plain_home, tmp_path / "live")


def copied(home: Home, path: Path) -> Home:
    """Copy a home with its nights and its lists to `path`."""
    return existing_home(Path(shutil.copytree(home.path, path)))


def last_run(home: Home) -> Run:
    """Return the newest run of a home."""
    return Runs(home.runs).all()[0]


def test_the_first_night_publishes_a_full_list_per_user(prefect_night: tuple[Home, Outcome]) -> None:
    home, outcome = prefect_night
    assert (outcome.exit_code, outcome.run.status) == (0, "published")
    lists = published(home)
    users = {row[0] for row in lists["recommendations"]}
    assert len(users) == USERS
    assert len(lists["recommendations"]) == USERS * 20 == outcome.run.rows
    assert {row[0] for row in lists["fallback_recommendations"]} > {"all"}
    described = {item for item, _, genres in lists["items"] if genres}
    assert described <= {row[0] for row in lists["similar_items"]}, "also what nobody liked or touched"
    report = read_report(home)
    judged = {"popularity", "item_knn", "als", "content"}
    assert {row.model for row in report.metrics if row.segment == "all"} == judged
    assert {row.model for row in report.metrics} == {*judged, "fallback", "random"}
    assert report.run.champion in {"popularity", "item_knn", "als"}
    links = {row.model: row for row in report.metrics if (row.metric, row.half) == ("link_hits", "report")}
    assert links.keys() == {"item_knn", "als", "content"}, "popularity has no similar items"
    auc = report.figure("item_knn", "link_auc", None, segment="similar_items")
    assert auc is not None
    assert auc.value > 0.5, "what users like next is more similar to what they liked last than chance"
    gains = {(row.model, row.baseline) for row in report.similar_differences if row.half == "report"}
    assert gains == {("als", "item_knn"), ("content", "item_knn")}
    assert [check for check in report.run.summary.checks if not check.passed] == []
    with sqlite3.connect(home.path / "recommendations.db") as con:
        nights = con.execute("select run_id, status from pipeline_runs").fetchall()
        assert nights == [(outcome.run.run_id, "published")]
        assert con.execute("select count(*) from model_metrics").fetchone()[0] == len(report.metrics)
        recorded = con.execute(
            "select stage, model, stored from stage_times where seconds >= 0 and peak_mb > 0"
        )
        assert recorded.fetchall() == [(s.stage, s.model, s.stored) for s in outcome.run.stages]
        assert {s.stage for s in outcome.run.stages} >= {"land", "fit", "drift", "publish", "report"}
        measures = {name for (name,) in con.execute("select measure from run_drift")}
        assert measures == {"rows_per_day", "new_users", "new_items", *DISTRIBUTIONS}


def test_equal_seeds_publish_equal_lists(prefect_night: tuple[Home, Outcome], plain_home: Home) -> None:
    assert published(prefect_night[0]) == published(plain_home), "Prefect changes no list"


def test_a_second_night_finds_nothing_new_unless_forced(
    prefect_night: tuple[Home, Outcome], run_plain: RunNight, tmp_path: Path
) -> None:
    home, first = copied(prefect_night[0], tmp_path / "home"), prefect_night[1]
    before = published(home)
    again = run_plain(home)
    assert again.run.run_id == first.run.run_id
    assert "Nothing is new" in again.nothing_new
    forced = run_plain(home, force=True)
    assert forced.run.run_id > first.run.run_id
    assert forced.run.status == "published"
    ran = {name for name, stored in stages(forced).items() if not stored}
    assert ran == {"land", "clean", "choose", "drift", "check", "publish", "report"}, (
        "now there is an incumbent"
    )
    assert published(home) == before


def test_new_settings_refit_only_what_they_change(run_plain: RunNight, live_home: Home) -> None:
    changed = stages(run_plain(live_home, "models.als.factors=4"))
    assert not changed["fit als"]
    assert changed["fit item_knn"]
    assert changed["utility"]
    assert changed["evaluate popularity"]


def test_the_nightly_shelf_is_fitted_and_judged(run_plain: RunNight, home: Home) -> None:
    shelf = ModelsSettings().shelf
    outcome = run_plain(home, f"models.shelf={','.join(shelf)}")
    assert outcome.run.failed_models == {}
    assert {row.model for row in read_report(home).metrics} == {*shelf, "content", "fallback", "random"}
    assert outcome.run.champion != "popularity"


def test_a_failed_model_is_reported_and_skipped(
    run: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise FloatingPointError("diverged")

    for model in (ALS, Content):  # the second is a backfill model and not on the shelf
        monkeypatch.setattr(model, "_fit", breaks)
    outcome = run(home)
    assert outcome.run.status == "published"
    assert outcome.run.failed_models == dict.fromkeys(("als", "content"), "FloatingPointError: diverged")
    assert outcome.run.champion in {"popularity", "item_knn"}


def test_a_failed_trade_off_does_not_end_the_night(
    run_plain: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(trade_off, "function", breaks)
    outcome = run_plain(home, "models.shelf=als", "recommend.diversity=0.3")
    assert (outcome.run.status, outcome.run.champion, outcome.run.failed_models) == ("published", "als", {})
    assert outcome.run.summary.trade_off_failed == "MemoryError: too large"
    said = "The stage trade_off failed, and the night goes on without its figures: MemoryError: too large"
    assert said in caplog.messages


def test_nothing_is_published_when_every_model_fails(
    run_plain: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise FloatingPointError("diverged")

    monkeypatch.setattr(ALS, "_fit", breaks)
    with pytest.raises(NightError, match="No model is left: als: FloatingPointError: diverged"):
        run_plain(home, "models.shelf=als")
    run_record = Runs(home.runs).all()[0]
    assert run_record.status == "failed"
    assert "No model is left" in run_record.reason
    with sqlite3.connect(home.path / "recommendations.db") as con:
        assert (
            con.execute("select name from sqlite_master where name like 'recommendations%'").fetchall() == []
        )


@pytest.mark.slow
def test_the_next_best_is_published_when_a_refit_fails(
    run_plain: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = "models.shelf=item_knn,als"
    best = run_plain(home, shelf).run.champion
    assert best is not None
    judged = {row.model for row in read_report(home).metrics if row.segment == "all"}
    assert judged == {"item_knn", "als", "popularity"}, "popularity is judged even off the shelf"
    genuine = recommender_class(best)._fit

    def breaks_on_everything(self, matrix, data, **options) -> None:
        if np.count_nonzero(np.diff(data.seen.indptr)) == RATERS:  # before the cut there are fewer
            raise MemoryError("too large")
        genuine(self, matrix, data, **options)

    monkeypatch.setattr(recommender_class(best), "_fit", breaks_on_everything)
    outcome = run_plain(home, shelf, "utility.signals.tag.weight=3")
    assert outcome.run.status == "published"
    assert outcome.run.failed_models == {best: "MemoryError: too large"}
    assert outcome.run.champion not in (best, "popularity")
    compared = {(row.model, row.baseline) for row in read_report(home).differences if row.half == "select"}
    assert (best, "popularity") in compared
    assert len(published(home)["recommendations"]) == USERS * 20


@pytest.mark.slow
def test_a_failure_after_the_switch_is_not_a_failed_night(
    run: RunNight, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise ConnectionError("no server")

    monkeypatch.setattr(flow, "show_in_prefect", breaks)
    outcome = run(home)
    assert (outcome.exit_code, outcome.run.status) == (0, "published")
    assert "Afterwards, ConnectionError: no server" in outcome.run.reason
    monkeypatch.undo()
    assert "Nothing is new" in run(home).nothing_new


def test_publishing_is_tried_again_through_prefect(
    run: RunNight, live_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, tries = publish_or_hold_back.function, []

    def fails_once(*arguments: object, **named: object) -> object:
        tries.append(arguments)
        if len(tries) == 1:
            raise TransientError("The database is away.")
        return genuine(*arguments, **named)

    monkeypatch.setattr(publish_or_hold_back, "function", fails_once)
    assert run(live_home, force=True).run.status == "published"
    assert len(tries) == 2


def test_times_are_utc_in_any_time_zone(
    run_plain: RunNight, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(dataset, copy)
    with (copy / "ratings.csv").open("a") as file:
        file.write("1,1,5.0,2025-06-01T12:00:00\n")
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        outcome = run_plain(open_home(str(copy), tmp_path / "home"))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert outcome.run.as_of == datetime(2025, 6, 1, 12, 0, 1)


def test_as_of_before_all_data_is_a_usage_error(run_plain: RunNight, home: Home) -> None:
    with pytest.raises(UsageError, match="There is no interaction before 1999") as caught:
        run_plain(home, as_of=datetime(1999, 1, 1))
    assert re.fullmatch(r"The first one is of 20.*: give a later --as-of\.", caught.value.hint)
    [run] = Runs(home.runs).all()
    assert (run.status, [stage.stage for stage in run.stages]) == ("failed", ["land", "clean"])


def test_a_lost_warehouse_is_rebuilt(run_plain: RunNight, live_home: Home) -> None:
    first = last_run(live_home)
    live_home.warehouse.unlink()
    again = run_plain(live_home)
    assert again.run.run_id > first.run_id
    assert stages(again)["fit als"]


def test_a_failed_check_keeps_the_live_lists_and_exits_3(run_plain: RunNight, live_home: Home) -> None:
    home = live_home
    before = published(home)
    outcome = run_plain(home, "recommend.n=19", "check.min_user_coverage=1.0", flow=_with_a_broken_list)
    assert (outcome.exit_code, outcome.run.status) == (3, "check_failed")
    assert outcome.run.reason.startswith("Check ")
    assert published(home) == before
    with sqlite3.connect(home.path / "recommendations.db") as con:
        rows = dict(
            con.execute('select "check", passed from run_checks where run_id = ?', (outcome.run.run_id,))
        )
    assert 0 in rows.values()


def _with_a_broken_list(night: Night) -> None:
    """Run a night whose lists lose every user's first rank between recommend and check."""
    from tasks.recommendation import list_blocks  # noqa: PLC0415

    genuine = list_blocks._list_table
    try:
        list_blocks._list_table = lambda *arguments: genuine(*arguments).slice(1)
        nightly(night)
    finally:
        list_blocks._list_table = genuine


@pytest.mark.slow
def test_an_older_as_of_is_recorded_but_not_switched(run_plain: RunNight, live_home: Home) -> None:
    home, live = live_home, last_run(live_home)
    assert live.as_of is not None
    older = run_plain(home, as_of=live.as_of - timedelta(days=200))
    assert (older.exit_code, older.run.status) == (0, "not_switched")
    assert "newer" in older.run.reason
    with sqlite3.connect(home.path / "recommendations.db") as con:
        assert con.execute("select distinct run_id from recommendations").fetchall() == [(live.run_id,)]
    forced = run_plain(home, as_of=live.as_of - timedelta(days=200), force=True)
    assert forced.run.status == "published"


def test_a_run_rolled_back_by_hand_stays_off(run_plain: RunNight, live_home: Home) -> None:
    from tasks.config.load import load_settings  # noqa: PLC0415

    home, first = live_home, last_run(live_home)
    second = run_plain(home, "recommend.n=10").run
    assert roll_back(home, load_settings(), None) == first.run_id
    again = run_plain(home, "recommend.n=10")
    assert f"run {second.run_id}, which was rolled back by hand" in again.nothing_new
    assert len(published(home)["recommendations"]) == USERS * 20
    assert run_plain(home, "recommend.n=10", force=True).run.status == "published"


@pytest.mark.slow
def test_a_rollback_fences_off_a_running_night(run_plain: RunNight, live_home: Home) -> None:
    from tasks.config.load import load_settings  # noqa: PLC0415

    home, first = live_home, last_run(live_home)
    run_plain(home, "recommend.n=10")

    def meanwhile(night: Night) -> None:
        roll_back(home, load_settings(), None)
        nightly(night)

    outcome = run_plain(home, "recommend.n=7", flow=meanwhile)
    assert (outcome.exit_code, outcome.run.status) == (0, "not_switched")
    with sqlite3.connect(home.path / "recommendations.db") as con:
        assert con.execute("select distinct run_id from recommendations").fetchall() == [(first.run_id,)]


@pytest.mark.slow
def test_new_input_makes_a_new_run(run_plain: RunNight, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shop"
    shutil.copytree(dataset, copy)
    home = open_home(str(copy), tmp_path / "home")
    first = run_plain(home).run
    with (copy / "ratings.csv").open("a") as file:
        file.write("987654321,1,5.0,1767225600\n")
    second = run_plain(home).run
    assert second.run_id > first.run_id
    assert second.as_of > first.as_of
    assert len({row[0] for row in published(home)["recommendations"]}) == 151


def test_artifacts_of_no_kept_run_are_removed(run_plain: RunNight, live_home: Home) -> None:
    home = live_home
    run_plain(home, "publish.keep_runs=1", "models.als.factors=4")
    assert len(list((home.artifacts / "recommend").iterdir())) == 1
    kept = Runs(home.runs).all()[0]
    held = {*kept.artifacts, *kept.borrowed}
    assert {p.relative_to(home.artifacts).as_posix() for p in home.artifacts.glob("*/*")} == held
    record = json.loads((home.runs / str(Runs(home.runs).all()[1].run_id) / "run.json").read_text())
    assert record["status"] == "published"
