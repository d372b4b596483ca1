"""Figures are read by what is there: new metrics and slices show by themselves, missing ones are left out."""

from pathlib import Path

import pytest

from tasks.reporting.page import metric_panels as figures
from tasks.storage.run_records import Runs
from tests.tasks.reporting.nights import keep, night, row


def test_the_champion_metric_comes_first_and_new_metrics_follow_by_name() -> None:
    rows = [
        row("als", 0.2, metric="half_life_utility", k=20, ci_low=None, ci_high=None),
        row("als", 0.9, metric="rmse", k=None),
        row("als", 0.3),
        row("als", 0.5, half="select"),
    ]
    panels = figures.metric_panels(night(), rows)
    assert [panel.name for panel in panels] == ["NDCG@10", "Half life utility@20", "RMSE"]
    assert panels[0].rows[0].value == 0.3, "never the select half"
    assert panels[1].rows[0].low is None


@pytest.mark.parametrize(("metric", "best"), [("ndcg", "als"), ("rmse", "mf")])
def test_the_best_model_comes_first_whichever_way_is_better(metric: str, best: str) -> None:
    rows = [row("mf", 0.1, metric=metric), row("als", 0.4, metric=metric)]
    panel = figures.metric_panels(night(), rows)[0]
    assert panel.rows[0].model == best
    assert ("Less is better" in panel.meaning) == (metric == "rmse")


def test_slices_show_the_champion_popularity_and_the_best_on_one_scale() -> None:
    models = ["bpr", "als", "mf", "popularity"]
    rows = [row(model, 0.4 - 0.1 * place) for place, model in enumerate(models)]
    rows += [row(model, 0.8 - 0.1 * place, segment="heavy") for place, model in enumerate(models)]
    rows += [row("fallback", 0.1, segment="cold")]
    about = [{"segment": "heavy", "of": "users", "n": 9, "least": 100, "greatest": 1200}]
    everybody, heavy, cold = figures.slice_panels(night(), rows, about)
    assert (heavy.name, heavy.meaning) == ("Heavy users", "100 to 1,200 items met · 40 users judged")
    assert [one.model for one in heavy.rows] == ["bpr", "als", "popularity"]
    assert [one.model for one in cold.rows] == ["fallback"]
    assert everybody.scale == heavy.scale == cold.scale


def test_one_slice_alone_is_no_section() -> None:
    assert figures.slice_panels(night(), [row("als", 0.3)], []) == ()


def test_a_line_needs_two_nights_and_ends_with_the_nights_own(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first, failed, last = (night(20261121050000 + n) for n in range(3))
    keep(runs, first, [row("als", 0.2), row("bpr", 0.1)])
    assert figures.history(runs, first) is None
    failed.champion, failed.status = None, "failed"
    runs.save(failed)
    keep(runs, last, [row("als", 0.3)])
    keep(runs, night(20261121050009), [row("als", 0.9)])
    found = figures.history(runs, last)
    assert found is not None
    assert [one.run_id for one in found.nights] == [first.run_id, failed.run_id, last.run_id]
    assert [(n, figure.value) for n, figure in found.of_champions()] == [(0, 0.2), (2, 0.3)]
    assert found.models == ("als", "bpr")


def test_a_record_of_an_older_version_names_the_metric_it_has(tmp_path: Path) -> None:
    old = night(settings={})
    assert figures.champion_metric(old, [row("als", 0.3, metric="recall", k=20)]) == ("recall", 20)
    assert figures.champion_metric(old, []) == ("ndcg", 10)
    assert figures.challenge(old) is None


def test_the_decision_is_shown_where_somebody_had_to_be_beaten() -> None:
    decision = {
        "incumbent": "als", "metric": "ndcg@10", "n_users": 40, "least": 0.002, "wins_needed": 2,
        "challenges": [{"model": "bpr", "mean": 0.01, "low": 0.005, "high": 0.02, "wins": 1}],
    }  # fmt: skip
    found = figures.challenge(night(summary={"decision": decision}))
    assert found is not None
    assert (found.incumbent, found.wins) == ("als", (("bpr", 1),))
    assert found.panel.rows[0].low == 0.005
    assert (found.n_users, found.min_users) == (40, 0)
    few = figures.challenge(night(summary={"decision": decision | {"min_users": 50}}))
    assert few is not None
    assert few.min_users == 50
    assert figures.challenge(night(summary={"decision": decision | {"challenges": []}})) is None
