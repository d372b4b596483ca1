"""Figures of judged lists: against the metrics of the evaluation, by model, by segment and by variant."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from models.evaluation.metrics import ranking_metrics
from tasks.config.settings import JudgeSettings, UtilitySettings
from tasks.outcomes.judged_lists import SEGMENTS, Hits, JudgedLists, Window, read_histories
from tasks.outcomes.outcome_rows import OutcomeRow, outcome_rows, per_user_metrics, score_lists
from tests.tasks.logs import Log, day, make_clean_tables
from tests.tasks.outcomes.small_lists import write_small_lists

JUDGE = JudgeSettings(k=(2, 5), champion_metric="ndcg@5", bootstrap_samples=200)
WINDOW = Window(day(50), day(100))
NEW, HEAVY, COLD = (SEGMENTS.index(name) for name in ("new", "heavy", "cold"))


def judged_lists(hits, n_positives, n_rows, *, segment=None, variant=None, n_listed=None) -> JudgedLists:
    """Judged lists; `hits` are (user row, rank, model), models als (0) and popularity (1)."""
    n = len(n_positives)
    user, rank, model = (
        np.array(column, np.int64) for column in (zip(*hits, strict=True) if hits else ([], [], []))
    )
    return JudgedLists(
        window=WINDOW,
        user_ids=pa.array(range(n), pa.int64()),
        segment=np.array(segment or [NEW] * n, np.int8),
        variant=np.array(variant or [-1] * n, np.int8),
        n_positives=np.array(n_positives, np.int64),
        models=("als", "popularity"),
        n_rows=np.array(n_rows, np.int64),
        hits=Hits(user, rank, model),
        n_listed=n_listed or {None: n},
    )  # fmt: skip


def value(rows, metric, k=None, *, model="all", segment="all", variant=None) -> OutcomeRow:
    wanted = (variant, model, segment, metric, k)
    [found] = [row for row in rows if (row.variant, row.model, row.segment, row.metric, row.k) == wanted]
    return found


def test_metrics_are_those_of_the_evaluation():
    """Random lists and random likes, against `ranking_metrics`."""
    rng = np.random.default_rng(3)
    n_users, n_items, n = 40, 30, 12
    lists = np.array([rng.permutation(n_items)[:n] for _ in range(n_users)], np.int32)
    likes = rng.random((n_users, n_items)) < 0.2
    likes[:, 0] = True
    expected = ranking_metrics(lists, sparse.csr_array(likes), (2, 5))
    hit = likes[np.arange(n_users)[:, None], lists]
    user, place = np.nonzero(hit)
    hits = list(zip(user, place + 1, np.zeros(len(user)), strict=True))
    found = per_user_metrics(judged_lists(hits, likes.sum(axis=1), np.full((n_users, 2), 6)), (2, 5))
    assert found
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], err_msg=name)


def test_figures_by_hand():
    judged = judged_lists(
        [(0, 1, 0), (0, 3, 1), (1, 5, 1)], [4, 1, 2], [[2, 3], [2, 3], [5, 0]], n_listed={None: 10}
    )
    rows = outcome_rows(judged, JUDGE, seed=1)
    assert value(rows, "hit_rate", 2).value == pytest.approx(1 / 3)
    assert value(rows, "hit_rate", 5).value == pytest.approx(2 / 3)
    assert value(rows, "recall", 5).value == pytest.approx((2 / 4 + 1) / 3)
    assert value(rows, "consumed").value == pytest.approx(3 / 15)
    assert value(rows, "found").value == pytest.approx(3 / 7)
    assert value(rows, "acted").value == pytest.approx(3 / 10)
    assert (value(rows, "acted").n_users, value(rows, "ndcg", 5).n_users) == (10, 3)
    assert value(rows, "ndcg", 5).n_interactions == 7


def test_models_share_the_hits_and_have_their_own_rows():
    judged = judged_lists([(0, 1, 0), (0, 3, 1), (1, 5, 1)], [4, 1, 2], [[2, 3], [2, 3], [5, 0]])
    rows = outcome_rows(judged, JUDGE, seed=1)
    for metric, k in (("recall", 5), ("ndcg", 5), ("recall", 2), ("found", None)):
        parts = [value(rows, metric, k, model=model).value for model in judged.models]
        assert sum(parts) == pytest.approx(value(rows, metric, k).value), metric
    assert value(rows, "consumed", model="als").value == pytest.approx(1 / 9)
    assert value(rows, "consumed", model="popularity").value == pytest.approx(2 / 6)
    assert value(rows, "consumed", model="popularity").n_users == 2


def test_segments_and_cold_users_stand_apart():
    judged = judged_lists(
        [(0, 1, 0), (2, 1, 0)], [1, 1, 1], [[5, 0]] * 3, segment=[NEW, HEAVY, COLD], n_listed={None: 2}
    )
    rows = outcome_rows(judged, JUDGE, seed=1)
    found = {
        segment: value(rows, "hit_rate", 2, segment=segment).value
        for segment in ("all", "new", "heavy", "cold")
    }
    assert found == {"all": 0.5, "new": 1, "heavy": 0, "cold": 1}
    assert not [row for row in rows if row.segment == "light"]


def test_variants_have_rows_of_their_own():
    judged = judged_lists(
        [(0, 1, 0)], [1, 1], [[5, 0]] * 2, variant=[1, 0], n_listed={None: 9, "control": 6, "trial": 3}
    )
    rows = outcome_rows(judged, JUDGE, seed=1)
    assert value(rows, "hit_rate", 2, variant="trial").value == 1
    assert value(rows, "hit_rate", 2, variant="control").value == 0
    assert value(rows, "hit_rate", 2).value == 0.5
    assert value(rows, "acted", variant="trial").value == pytest.approx(1 / 3)


def test_intervals_hold_the_value_and_narrow_with_users():
    def interval(n):
        hits = [(user, 1, 0) for user in range(0, n, 2)]
        rows = outcome_rows(judged_lists(hits, [1] * n, [[5, 0]] * n), JUDGE, seed=1)
        row = value(rows, "hit_rate", 2)
        assert row.ci_low < 0.5 < row.ci_high
        return row.ci_high - row.ci_low

    assert interval(400) < 0.5 * interval(40)


def test_lists_are_scored_from_the_warehouse(con, tmp_path):
    """Whole way: clean tables and Parquet files in, rows out; nobody acted gives only the share who acted."""
    make_clean_tables(con, Log(ratings=[(1, 10, 5, 60), (1, 99, 5, 60), (3, 8, 5, 60)]))
    lists = write_small_lists(tmp_path / "lists", {1: [(10, "als")], 2: [(11, "als")]}, [7, 8])
    read_histories(con, day(100))
    rows = score_lists(con, lists, day(50), day(100), UtilitySettings(), JUDGE, seed=1)
    assert value(rows, "recall", 2).value == 0.5
    assert value(rows, "hit_rate", 2, segment="cold").value == 1
    assert value(rows, "acted").value == 0.5
    later = score_lists(con, lists, day(70), day(100), UtilitySettings(), JUDGE, seed=1)
    assert [(row.metric, row.value, row.n_users) for row in later] == [("acted", 0, 2)]
