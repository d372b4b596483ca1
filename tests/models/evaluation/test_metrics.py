from types import SimpleNamespace

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG
from scipy import sparse

from models.evaluation import metrics
from models.evaluation.metrics import METRICS, RANKING_METRICS, RankingMetric, list_metrics, ranking_metrics
from models.ranking.topk import Selector
from tests.examples import examples

JUDGES = {"ndcg": nDCG, "recall": R, "precision": P, "map": AP, "mrr": RR, "hit_rate": Success}


def relevance(rows: list[list[int]], n_items: int) -> sparse.csr_array:
    dense = np.zeros((len(rows), n_items), np.float32)
    for row, items in enumerate(rows):
        dense[row, items] = 1
    return sparse.csr_array(dense)


def test_metrics_of_a_worked_example():
    lists = np.array([[7, 3, 5, 1]], np.int32)
    found = ranking_metrics(lists, relevance([[3, 1, 0]], 9), [2, 4])
    ideal = 1 + 1 / np.log2(3)
    assert found["ndcg@2"][0] == pytest.approx((1 / np.log2(3)) / ideal)
    assert found["ndcg@4"][0] == pytest.approx((1 / np.log2(3) + 1 / np.log2(5)) / (ideal + 1 / 2))
    assert found["recall@2"][0] == pytest.approx(1 / 3)
    assert found["recall_min@2"][0] == pytest.approx(1 / 2)
    assert found["precision@4"][0] == pytest.approx(2 / 4)
    assert found["map@4"][0] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert found["mrr@4"][0] == pytest.approx(1 / 2)
    assert found["hit_rate@2"][0] == 1


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(1, 8),
    n_items=st.integers(1, 40),
    k=st.integers(1, 25),
    tied=st.booleans(),
)
def test_metrics_agree_with_ir_measures(seed, n_rows, n_items, k, tied):
    """ir_measures gets ranks as scores, because it breaks ties by document name."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (n_rows, n_items)) if tied else rng.standard_normal((n_rows, n_items))
    scores = np.where(rng.random(scores.shape) < 0.1, np.nan, scores).astype(np.float32)
    selector = Selector(np.arange(n_rows), 25, rng.permutation(n_items).astype(np.int32))
    selector.select(0, scores)
    items = selector.top.items
    relevant = rng.random((n_rows, n_items)) < 0.2
    relevant[:, rng.integers(n_items)] = True
    found = ranking_metrics(items, sparse.csr_array(relevant), [k])

    qrels = [ir_measures.Qrel(str(row), str(item), 1) for row, item in zip(*relevant.nonzero(), strict=True)]
    run = [
        ir_measures.ScoredDoc(str(row), str(item), -float(rank))
        for row in range(n_rows)
        for rank, item in enumerate(items[row])
        if item >= 0
    ]
    measures = {measure @ k: f"{name}@{k}" for name, measure in JUDGES.items()}
    oracle = {(m.query_id, measures[m.measure]): m.value for m in ir_measures.iter_calc(measures, qrels, run)}
    for name in measures.values():
        expected = [oracle.get((str(row), name), 0.0) for row in range(n_rows)]
        np.testing.assert_allclose(found[name], expected, atol=1e-6, err_msg=name)
    n_relevant = relevant.sum(axis=1)
    np.testing.assert_allclose(
        found[f"recall_min@{k}"], found[f"recall@{k}"] * n_relevant / np.minimum(n_relevant, k)
    )


def test_a_perfect_list_scores_one_and_a_bad_one_zero():
    relevant = relevance([[0, 1, 2], [0, 1, 2]], 6)
    found = ranking_metrics(np.array([[2, 0, 1], [3, 4, 5]]), relevant, [3])
    for metric in RANKING_METRICS:
        assert found[f"{metric.name}@3"].tolist() == [1.0, 0.0], metric.name


def test_padding_is_never_a_hit():
    found = ranking_metrics(np.array([[1, -1, -1], [-1, -1, -1]]), relevance([[1, 2], [0, 3]], 4), [3])
    assert found["recall@3"].tolist() == [0.5, 0.0]
    assert found["precision@3"] == pytest.approx([1 / 3, 0])


def test_a_row_without_relevant_items_is_not_judged():
    found = ranking_metrics(np.array([[0, 1], [0, 1]]), relevance([[], [1]], 2), [1, 2])
    assert set(found) == {f"{metric.name}@{k}" for metric in RANKING_METRICS for k in (1, 2)}
    for values in found.values():
        assert np.isnan(values).tolist() == [True, False]


def test_lists_shorter_than_k_count_as_padded():
    relevant = relevance([[0, 1]], 3)
    short = ranking_metrics(np.array([[0]]), relevant, [10])
    padded = ranking_metrics(np.array([[0] + [-1] * 9]), relevant, [10])
    assert {k: v.tolist() for k, v in short.items()} == {k: v.tolist() for k, v in padded.items()}


def test_mismatched_inputs_are_refused():
    with pytest.raises(ValueError, match="2 lists cannot be judged by 1 rows"):
        ranking_metrics(np.zeros((2, 3), np.int32), relevance([[0]], 4), [3])
    with pytest.raises(ValueError, match="at least 1"):
        ranking_metrics(np.zeros((1, 3), np.int32), relevance([[0]], 4), [0])


def test_the_order_of_relevant_items_and_lengths_is_irrelevant():
    lists = np.array([[4, 0, 2], [1, 3, 2]])
    ordered = relevance([[0, 2, 4], [1]], 5)
    turned = sparse.csr_array((ordered.data, np.array([4, 0, 2, 1]), ordered.indptr), shape=ordered.shape)
    expected = ranking_metrics(lists, ordered, [1, 3])
    found = ranking_metrics(lists, turned, [3, 1])
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in expected.items()
    }


def test_new_ranking_metric_needs_only_its_entry(monkeypatch):
    """Rank-biased precision with persistence .5 (Moffat & Zobel 2008), from the ranks of the hits."""
    rbp = RankingMetric(
        name="rbp",
        title="RBP",
        definition="half the sum over hits of .5^(rank − 1)",
        meaning="The share of looks that find a hit, if every second reader goes on after each item.",
        formula=lambda hits: hits.is_hit @ 0.5 ** np.arange(1, hits.is_hit.shape[1] + 1),
    )
    monkeypatch.setattr(metrics, "RANKING_METRICS", (*RANKING_METRICS, rbp))
    found = ranking_metrics(np.array([[7, 3, 5, 1]]), relevance([[3, 1, 0]], 9), [2, 4])
    assert (found["rbp@2"][0], found["rbp@4"][0]) == (1 / 4, 1 / 4 + 1 / 16)


def test_diversity_is_by_features_and_by_taste():
    """Two items of the same genre that no user likes both."""
    items = SimpleNamespace(
        popularity=np.array([0.5, 0.5]),
        feature_vectors=sparse.csr_array(np.ones((2, 1), np.float32)),
        taste_vectors=np.eye(2, dtype=np.float32),
    )
    found = list_metrics(np.array([[0, 1]], np.int32), items, [2])
    assert (found["ild_features@2"][0], found["ild_vectors@2"][0]) == (0, 1)


def test_entries_have_distinct_names_and_short_columns():
    entries = (
        *metrics.RANKING_METRICS, *metrics.LIST_METRICS, *metrics.EXPOSURE_METRICS, *metrics.HISTORY_RATIOS,
        *metrics.RATING_METRICS, *metrics.PAIR_METRICS,
    )  # fmt: skip
    assert len(METRICS) == len(entries)
    assert all(len(metric.column) <= 10 and metric.meaning.endswith(".") for metric in entries)
    assert {ratio.above for ratio in metrics.HISTORY_RATIOS} <= {each.name for each in metrics.LIST_METRICS}
