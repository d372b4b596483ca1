"""The cost of diversity and caps is measured on the select half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.baselines.popularity import Popularity
from models.content.profiles import Content
from models.factors.bpr import BPR
from tasks.artifacts import FittedModel, HeldOut, Snapshot, TradeOff
from tasks.config.settings import JudgeSettings, RecommendSettings
from tasks.evaluation.reranking_cost import trade_off
from tasks.preparation.item_statistics import write_item_statistics
from tests.tasks.recommendation.test_rerank import DATA, N_ITEMS, N_USERS


def weighed(folder: Path, **settings: float) -> TradeOff:
    """Hold users 1 to 20 out, the first ten in the select half; some of their unseen items are relevant."""
    for name in ("snapshot", "held_out", "out"):
        (folder / name).mkdir()
    DATA.save(folder / "snapshot")
    fitted = []
    for kind in (BPR, Content, Popularity):
        kind().fit(DATA, seed=1).save(folder / kind.name)
        fitted.append(FittedModel(kind.name, folder / kind.name, kind.name, 0.0, 0.0))
    users = np.arange(1, 21, dtype=np.int32)
    relevant = (DATA.seen.toarray()[users] == 0) & (np.random.default_rng(3).random((20, N_ITEMS)) < 0.2)
    np.savez(folder / "held_out" / "users.npz", user_idx=users, half=np.repeat([0, 1], 10).astype(np.int8))
    sparse.save_npz(folder / "held_out" / "relevant.npz", sparse.csr_array(relevant.astype(np.float32)))
    snapshot = Snapshot("s", folder / "snapshot", N_USERS, N_ITEMS, *[DATA.seen.nnz] * 4, 0)
    write_item_statistics(snapshot, users, seed=1, folder=folder / "held_out")
    return trade_off(
        fitted[0],
        fitted[1:],
        snapshot,
        HeldOut("h", folder / "held_out", 10, 10, 0, 0.0),
        RecommendSettings(**{"n": 10, **settings}),
        JudgeSettings(k=(5, 10), champion_metric="ndcg@10", bootstrap_samples=100),
        seed=1,
        key="k",
        folder=folder / "out",
    )


def test_ndcg_and_diversity_are_compared_at_every_k(tmp_path: Path) -> None:
    found = weighed(tmp_path, diversity=0.8)
    assert (found.model, found.n_users) == ("bpr", 10)
    assert [(f.metric, f.k) for f in found.figures] == [
        ("ndcg", 5), ("ild_features", 5), ("ndcg", 10), ("ild_features", 10),
    ]  # fmt: skip
    for figure in found.figures:
        assert figure.difference == pytest.approx(figure.arranged - figure.as_said)
        assert figure.low <= figure.difference <= figure.high
        assert figure.metric == "ndcg" or figure.low > 0


def test_cap_that_never_binds_costs_nothing(tmp_path: Path) -> None:
    assert all(figure.difference == 0 for figure in weighed(tmp_path, max_per_genre=10).figures)


def test_cap_that_binds_is_compared_with_lists_without_it(tmp_path: Path) -> None:
    assert any(figure.difference for figure in weighed(tmp_path, max_per_genre=1).figures)


def test_lists_shorter_than_k_are_judged_as_they_are(tmp_path: Path) -> None:
    found = weighed(tmp_path, n=5, diversity=0.8)
    assert [figure.k for figure in found.figures] == [5, 5, 10, 10]
