"""Panels are made from the figures that there are: unknown metrics show, missing ones are left out."""

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts import Challenge, Decision
from tasks.evaluation.metric_rows import SegmentDifferenceRow, SegmentRow
from tasks.reporting.page.metric_panels import (
    challenge_panel,
    champion_metric,
    counterpart_panels,
    history,
    metric_panels,
    new_item_panel,
    new_user_panels,
    new_user_panels_by_side_data,
    similar_difference_panels,
    similar_panels,
    slice_panels,
)
from tasks.storage.run_records import Runs, RunSummary
from tests.tasks.reporting.nights import keep, night, row


def test_champion_metric_comes_first_and_unknown_ones_show() -> None:
    rows = [
        row("als", 0.2, metric="half_life_utility", k=20, ci_low=None, ci_high=None),
        row("als", 0.9, metric="rmse", k=None),
        row("als", 0.3),
        row("als", 0.5, half="select"),
    ]
    panels = metric_panels(night(), rows)
    assert [panel.name for panel in panels] == ["NDCG@10", "Half life utility@20", "RMSE"]
    assert panels[0].rows[0].value == 0.3, "never the select half"
    assert panels[1].rows[0].low is None


@pytest.mark.parametrize(("metric", "best"), [("ndcg", "als"), ("rmse", "mf")])
def test_best_model_comes_first_in_either_direction(metric: str, best: str) -> None:
    rows = [row("mf", 0.1, metric=metric), row("als", 0.4, metric=metric)]
    panel = metric_panels(night(), rows)[0]
    assert panel.rows[0].model == best
    assert ("Less is better" in panel.meaning) == (metric == "rmse")


def test_slices_show_champion_popularity_and_best_model() -> None:
    models = ["bpr", "als", "mf", "popularity"]
    rows = [row(model, 0.4 - 0.1 * place) for place, model in enumerate(models)]
    rows += [row(model, 0.8 - 0.1 * place, segment="heavy") for place, model in enumerate(models)]
    rows += [row("fallback", 0.1, segment="cold")]
    about = [SegmentRow(segment="heavy", of="users", n=9, least=100, greatest=1200)]
    everybody, heavy, cold = slice_panels(night(), rows, about)
    assert (heavy.name, heavy.meaning) == ("Heavy users", "100 to 1,200 items met · 40 users judged")
    assert [one.model for one in heavy.rows] == ["bpr", "als", "popularity"]
    assert [one.model for one in cold.rows] == ["fallback"]
    assert everybody.scale == heavy.scale == cold.scale


def test_no_slice_panels_without_slices() -> None:
    assert slice_panels(night(), [row("als", 0.3)], []) == ()


def test_cold_starts_have_panels_of_their_own() -> None:
    rows = [row("als", 0.3)]
    rows += [row(model, value, segment="new_users_2") for model, value in (("bpr", 0.1), ("als", 0.2))]
    rows += [row("als", 0.9, segment="new_users_2", half="select"), row("als", 0.4, segment="new_users_5")]
    rows += [row("random", 0.05, segment="new_items"), row("content", 0.2, segment="new_items")]
    about = [SegmentRow(segment="new_items", of="items", n=1234, least=0, greatest=0)]
    assert slice_panels(night(), rows, about) == ()
    two, five = new_user_panels(night(), rows)
    assert (two.name, two.meaning, two.scale) == ("After 2 likes", "40 users judged", five.scale)
    assert [(one.model, one.value) for one in two.rows] == [("als", 0.2), ("bpr", 0.1)]
    items = new_item_panel(night(), rows, about)
    assert items is not None
    assert items.meaning == "1,234 items · 40 users judged"
    assert [one.model for one in items.rows] == ["content", "random"]
    assert new_user_panels(night(), rows[:1]) == ()
    assert new_item_panel(night(), rows[:1], about) is None


def test_new_users_known_by_side_data_have_panels() -> None:
    rows = [row("als", 0.3)]
    rows += [
        row(model, value, segment="new_users_0")
        for model, value in (("popularity", 0.1), ("social_gcn", 0.2))
    ]
    rows.append(row("social_gcn", 0.9, segment="new_users_0", half="select"))
    gain = SegmentDifferenceRow(
        model="social_gcn", baseline="popularity", metric="ndcg@10", half="report", segment="new_users_0",
        n_users=40, mean=0.1, low=0.05, high=0.15, detectable=0.1,
    )  # fmt: skip
    gains = [gain, replace(gain, baseline="lightgcn", segment="all", mean=0.7)]
    figures, against = new_user_panels_by_side_data(night(), rows, gains)
    assert (figures.name, figures.meaning) == ("Nothing given", "40 users judged")
    assert [(one.model, one.value) for one in figures.rows] == [("social_gcn", 0.2), ("popularity", 0.1)]
    assert against.name == "NDCG@10 against popularity"
    assert [(one.model, one.value) for one in against.rows] == [("social_gcn", 0.1)]
    assert slice_panels(night(), rows, []) == ()
    assert counterpart_panels([gain]) == ()
    [few] = new_user_panels_by_side_data(
        night(), [row("als", 0.4, segment="new_users_0", n_users=9)], [replace(gain, n_users=9)]
    )
    assert (few.meaning, few.rows) == ("9 users, too few for figures", ())
    assert new_user_panels_by_side_data(night(), rows[:1], gains) == ()


def test_similar_items_have_panels_of_their_own() -> None:
    rows = [
        row(model, value, segment="similar_items", metric=metric, k=k)
        for model, value in (("als", 0.1), ("item_knn", 0.2))
        for metric, k in (("link_hits", 10), ("link_mrr", None), ("link_auc", None))
    ]
    rows += [replace(each, half="select", value=0.9) for each in rows]
    rows.append(row("als", 0.4, segment="similar_cold_items", metric="link_hits", n_users=9))
    rows.append(row("als", 0.4, segment="similar_cold_items", metric="link_mrr", k=None))
    panels = similar_panels(rows)
    assert [panel.name for panel in panels] == [
        "Similar pairs found@10", "Similar pairs: MRR", "Similar pairs: AUC", "Similar pairs found@10, rare items only",
    ]  # fmt: skip
    assert [(one.model, one.value) for one in panels[1].rows] == [("item_knn", 0.2), ("als", 0.1)]
    assert panels[0].meaning.endswith("the last one liked before. 40 users judged.")
    assert (panels[3].rows, panels[3].meaning) == (
        (),
        "Items that fewer than 5 users had liked. 9 users, too few for figures.",
    )
    assert similar_panels([row("als", 0.3)]) == ()
    assert [panel.name for panel in metric_panels(night(), [row("als", 0.3), *rows])] == ["NDCG@10"]
    assert slice_panels(night(), [row("als", 0.3), *rows], []) == ()


def test_differences_of_similar_items_of_all_and_rare_ones() -> None:
    gain = SegmentDifferenceRow(
        model="als", baseline="item_knn", metric="link_hits@10", half="report", segment="similar_items",
        n_users=40, mean=0.1, low=0.05, high=0.15, detectable=0.1,
    )  # fmt: skip
    rare = replace(gain, segment="similar_cold_items", mean=0.6)
    found = similar_difference_panels([rare, replace(gain, half="select", mean=0.7), gain])
    assert [(panel.name, [one.value for one in panel.rows]) for panel in found] == [
        ("Similar pairs found@10 against item_knn", [0.1]),
        ("Similar pairs found@10 against item_knn, rare items only", [0.6]),
    ]
    assert len(similar_difference_panels([gain, replace(rare, n_users=9)])) == 1
    assert similar_difference_panels([]) == ()


def test_side_data_have_a_panel_for_each_model() -> None:
    gain = SegmentDifferenceRow(
        model="kgcn", baseline="lightgcn", metric="ndcg@10", half="report", segment="all",
        n_users=40, mean=0.1, low=0.05, high=0.15, detectable=0.1,
    )  # fmt: skip
    social = replace(gain, model="social_gcn", mean=0.4, high=0.9)
    others = [replace(gain, half="select", mean=0.7), replace(gain, segment="head", n_users=9)]
    found = counterpart_panels([gain, *others, social, replace(gain, segment="tail", mean=0.2)])
    assert [(panel.name, [(one.model, one.value) for one in panel.rows]) for panel in found] == [
        ("NDCG@10 of kgcn against lightgcn", [("all items", 0.1), ("rare", 0.2)]),
        ("NDCG@10 of social_gcn against lightgcn", [("all items", 0.4)]),
    ]
    assert found[0].scale == found[1].scale
    assert counterpart_panels(others) == ()


def test_history_needs_two_judged_nights(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first, failed, last = (night(20261121050000 + n) for n in range(3))
    keep(runs, first, [row("als", 0.2), row("bpr", 0.1)])
    assert history(runs, first) is None
    failed.champion, failed.status = None, "failed"
    runs.save(failed)
    keep(runs, last, [row("als", 0.3)])
    keep(runs, night(20261121050009), [row("als", 0.9)])
    found = history(runs, last)
    assert found is not None
    assert [one.run_id for one in found.nights] == [first.run_id, failed.run_id, last.run_id]
    assert [(n, figure.value) for n, figure in found.of_champions()] == [(0, 0.2), (2, 0.3)]
    assert found.models == ("als", "bpr")


def test_record_without_a_champion_metric_uses_the_first(tmp_path: Path) -> None:
    old = night(settings={})
    assert champion_metric(old, [row("als", 0.3, metric="recall", k=20)]) == ("recall", 20)
    assert champion_metric(old, []) == ("ndcg", 10)
    assert challenge_panel(old) is None


def test_challenge_panel_needs_an_incumbent() -> None:
    won = Challenge("bpr", mean=0.01, low=0.005, high=0.02, wins=1)
    decision = Decision("als", "als", "ndcg@10", 40, 0.002, 2, (won,), {})
    found = challenge_panel(night(summary=RunSummary(decision=decision)))
    assert found is not None
    assert (found.incumbent, found.wins) == ("als", (("bpr", 1),))
    assert found.panel.rows[0].low == 0.005
    assert (found.n_users, found.min_users) == (40, 0)
    few = challenge_panel(night(summary=RunSummary(decision=replace(decision, min_users=50))))
    assert few is not None
    assert few.min_users == 50
    assert challenge_panel(night(summary=RunSummary(decision=replace(decision, challenges=())))) is None
