"""The summary of a night for trackers: figures, settings, fits from the store, failed models."""

import json
import math

import pytest

from tasks.artifacts import CheckResult, SourceCounts
from tasks.config.load import load_settings
from tasks.storage.home import Home, make_home
from tasks.storage.run_records import Runs, RunSummary, StageTime
from tasks.tracking.night_summary import summarise
from tests.tasks.reporting.nights import keep, night, row

SETTINGS = load_settings(None, ("models.als.factors=8",))


@pytest.fixture
def home(tmp_path) -> Home:
    return make_home(tmp_path / "home", "demo")


def fitted(model: str, *, stored: bool = False, seconds: float = 2.0) -> StageTime:
    return StageTime("fit", model, seconds, 800.0, stored, "")


CHOOSE = StageTime("choose", None, 0.1, 800.0, False, "")


def test_a_night_has_its_status_figures_and_files(home):
    summary = RunSummary(
        intake=(SourceCounts("ratings", 12, 10, 0, 2, {}),),
        checks=(CheckResult("overlap", 0.5, 0.1, True), CheckResult("lost_users", None, 0.1, True)),
    )
    run = night(summary=summary, switched=True, settings={"run": {"seed": 1}, "judge": {"k": [10, 20]},
                "models": {"shelf": ["als"], "als": {"factors": 8}}})  # fmt: skip
    keep(
        Runs(home.runs),
        run,
        [row("als", 0.25), row("als", 0.3, half="select"), row("als", 0.2, segment="few")],
    )
    found = summarise(home, SETTINGS, run)
    assert found.experiment == f"nightly-recs demo {home.home_id[:8]}"
    assert (found.name, found.failed) == ("20261121050000", False)
    assert found.tags["status"] == "published"
    assert (found.tags["live"], found.tags["champion"]) == ("true", "als")
    assert found.parameters == {"run.seed": "1", "judge.k": "[10, 20]", "models.shelf": '["als"]'}
    assert found.metrics == pytest.approx({
        "ndcg_at_10": 0.25, "ndcg_at_10.low": 0.23, "ndcg_at_10.high": 0.27,
        "select/ndcg_at_10": 0.3, "select/ndcg_at_10.low": 0.28, "select/ndcg_at_10.high": 0.32,
        "rows": 20, "seconds": 18, "input/ratings": 10, "quarantined/ratings": 2, "check/overlap": 0.5,
    })  # fmt: skip
    assert [file.name for file in found.artifacts] == ["run.json", "metrics.json"]


def test_fits_from_the_store_are_flagged_and_have_no_time(home):
    run = night(stages=[fitted("als", stored=True, seconds=0.2), CHOOSE, fitted("als", seconds=3.0)])
    keep(Runs(home.runs), run, [row("als", 0.25)])
    (fit,) = summarise(home, SETTINGS, run).fits
    assert fit.tags == {
        "night": "20261121050000", "model": "als", "fit": "from the artifact store", "refit": "fitted",
        "champion": "true",
    }  # fmt: skip
    assert fit.metrics["refit_seconds"] == 3.0
    assert "fit_seconds" not in fit.metrics
    assert fit.metrics["ndcg_at_10"] == 0.25
    assert fit.seconds == 3.0


def test_parameters_of_a_fit_are_its_hyperparameters(home):
    fits = summarise(home, SETTINGS, night(stages=[fitted("als"), fitted("blend")])).fits
    assert [fit.model for fit in fits] == ["als", "blend"]
    assert (fits[0].parameters["factors"], fits[0].parameters["matrix"]) == ("8", "null")
    assert fits[1].parameters["method"] == "auto"


def test_a_model_that_failed_is_told_with_its_reason(home):
    run = night(failed_models={"bpr": "bpr diverged"}, stages=[fitted("als")])
    als, bpr = summarise(home, SETTINGS, run).fits
    assert (als.failed, bpr.failed, bpr.tags["reason"]) == (False, True, "bpr diverged")


def test_a_night_that_failed_early_is_told_without_figures(home):
    run = night(
        status="failed", reason="stage clean: it broke", champion=None, rows=None, as_of=None, stages=[]
    )
    found = summarise(home, SETTINGS, run)
    assert (found.failed, found.fits, found.artifacts) == (True, (), ())
    assert found.metrics == {"seconds": 18.0}


def test_a_night_held_back_has_not_failed(home):
    found = summarise(home, SETTINGS, night(status="check_failed"))
    assert (found.failed, found.tags["status"]) == (False, "check_failed")


def test_figures_that_are_not_finite_are_left_out(home):
    run = night()
    keep(Runs(home.runs), run, [row("als", 0.25, ci_low=None, ci_high=None)])
    path = Runs(home.runs).folder(run.run_id) / "metrics.json"
    figures = json.loads(path.read_text())
    figures["metrics"].append({**figures["metrics"][0], "metric": "mrr", "value": math.nan})
    path.write_text(json.dumps(figures))
    found = summarise(home, SETTINGS, run).fits[0].metrics
    assert {name for name in found if "_at_" in name} == {"ndcg_at_10"}


def test_names_hold_only_characters_that_every_tracker_takes(home):
    run = night(settings={"utility": {"positive_events": {"page view (€)": 1}}})
    assert summarise(home, SETTINGS, run).parameters == {"utility.positive_events.page view ___": "1"}
