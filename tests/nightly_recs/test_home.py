"""A home as frames, and a model of one's own judged beside the night's."""

import numpy as np
import pandas as pd
import pytest

import nightly_recs as nr
from models.baselines.popularity import Popularity
from tasks.errors import UsageError
from tasks.storage.home import Home
from tasks.storage.run_records import Runs


def test_a_night_is_told_in_frames(judged_home: Home) -> None:
    (run,) = Runs(judged_home.runs).all()
    opened = nr.open_home(judged_home.path)
    assert opened.run_id == run.run_id
    assert opened.runs.loc[opened.run_id, "champion"] == run.champion
    assert {"model", "metric", "value", "ci_low"} <= set(opened.metrics.columns)
    assert set(opened.held_out["half"]) == {"select", "report"}
    lists = opened.recommendations()
    assert (len(lists), lists["rank"].min(), lists["title"].notna().all()) == (run.rows, 1, True)
    assert set(opened.recommendations([1])["user"]) == {1}
    training = opened.interactions()
    later = opened.held_out.merge(training.likes(), on=["user", "item"])
    assert later.empty, "what is held out is not in the training part"
    assert "which judged popularity, item_knn, als" in repr(opened)


def test_lists_of_a_model_have_titles(judged_home: Home) -> None:
    opened = nr.open_home(judged_home.path)
    assert {"als", "item_knn"} <= set(opened.models["model"])
    found = opened.recommend("als", [1, 2], n=3)
    assert list(found["user"]) == [1, 1, 1, 2, 2, 2]
    assert found["title"].notna().all()
    with pytest.raises(UsageError, match="has no ease fitted on training"):
        opened.model("ease")


def test_an_own_model_is_judged_beside_the_night(judged_home: Home) -> None:
    class Mine(Popularity):
        name = "mine"

    opened = nr.open_home(judged_home.path)
    table = opened.judge(Mine())
    assert table.index[0] == "mine (tried)"
    pd.testing.assert_series_equal(
        table.loc["mine (tried)", ["ndcg@10", "recall@10"]],
        table.loc["popularity", ["ndcg@10", "recall@10"]],
        check_names=False,
    )
    assert table.loc["popularity", "lead"] == 0
    fitted = nr.fit("als", opened.interactions(), factors=8, iterations=3)
    assert np.isclose(opened.judge(fitted).loc["als", "lead_low"], opened.judge("als").loc["als", "lead_low"])
