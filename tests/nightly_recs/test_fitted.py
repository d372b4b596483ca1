"""Models fitted in a notebook: lists in the data's ids, and comparisons with intervals."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nightly_recs as nr
from models.base import Recommender
from models.baselines.popularity import Popularity


@pytest.fixture(scope="module")
def data() -> nr.Interactions:
    """Users of even number like even items."""
    rng = np.random.default_rng(0)
    rows = [
        (user, item)
        for user in range(60)
        for item in range(30)
        if rng.random() < (0.5 if (user + item) % 2 == 0 else 0.03)
    ]
    frame = pd.DataFrame(rows, columns=["user", "item"])
    frame["title"] = "Item " + frame["item"].astype(str)
    return nr.Interactions.from_frame(frame.assign(user="u" + frame["user"].astype(str)), title="title")


def test_lists_have_the_ids_of_the_data(data: nr.Interactions) -> None:
    model = nr.fit("item_knn", data, k=10)
    found = model.recommend(["u3", "u8"], n=5)
    assert list(found.columns) == ["user", "rank", "item", "title", "score"]
    assert list(found["user"].unique()) == ["u3", "u8"]
    assert (found["title"] == "Item " + found["item"].astype(str)).all()
    seen = {tuple(pair) for pair in data.likes().itertuples(index=False)}
    assert not any((user, item) in seen for user, item in zip(found["user"], found["item"], strict=True))
    own = model.recommender.recommend(data.user_ids.get_indexer(["u3"]), 5, exclude=data.matrices.seen)
    assert list(found.loc[found["user"] == "u3", "item"]) == list(data.item_ids[own.items[0]])
    assert len(model.recommend(n=1)) == 60
    assert set(model.similar([4], 3)["item"] % 2) == {0}


def test_unknown_ids_are_named(data: nr.Interactions) -> None:
    model = nr.fit("popularity", data)
    with pytest.raises(KeyError, match="there is no user 'u99' in the data"):
        model.recommend(["u1", "u99"])
    with pytest.raises(KeyError, match="there is no item 77"):
        model.similar([77])


def test_the_better_model_is_first_with_its_lead(data: nr.Interactions) -> None:
    training, later = data.split(0.3, seed=1)
    models = [nr.fit("popularity", training), nr.fit("item_knn", training), nr.fit(Popularity(), training)]
    table = nr.compare(models, later, k=5)
    assert table.index[0] == "item_knn"
    assert table.iloc[0]["difference"] == 0
    assert (table.iloc[1:]["difference_high"] < 0).all()
    assert ((table["low"] <= table["ndcg@5"]) & (table["ndcg@5"] <= table["high"])).all()
    same = table.loc["popularity"].drop(columns="fit_s")
    assert same.iloc[0].equals(same.iloc[1]), "a recommender of one's own is judged like a named one"


def test_all_unseen_items_are_ranked(data: nr.Interactions) -> None:
    """The means are those of a plain ranking of all items that the user had not met."""
    training, later = data.split(0.3, seed=1)
    model = nr.fit("item_knn", training)
    seen, wanted = (part.matrices.positive.toarray() > 0 for part in (training, later))
    users = np.flatnonzero(seen.any(axis=1) & wanted.any(axis=1))
    scores = np.nan_to_num(model.recommender.score(users), nan=-np.inf)
    scores[seen[users]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    hits = np.take_along_axis(wanted[users], best, axis=1).sum(axis=1)
    table = nr.compare([model], later, k=5)
    assert table.iloc[0]["recall@5"] == pytest.approx((hits / wanted[users].sum(axis=1)).mean(), abs=0.01)
    assert table.iloc[0]["users"] == len(users)


def test_what_cannot_be_compared_is_refused(data: nr.Interactions) -> None:
    training, later = data.split(0.3, seed=1)
    other = nr.Interactions.from_frame(pd.DataFrame({"user": ["a", "b"], "item": [1, 2]}))
    with pytest.raises(ValueError, match="there is no model"):
        nr.compare([], later)
    with pytest.raises(ValueError, match="fitted on other users or items"):
        nr.compare([nr.fit("popularity", other)], later)
    with pytest.raises(ValueError, match="no metric 'acc': ndcg, recall"):
        nr.compare([nr.fit("popularity", training)], later, metric="acc")


def test_wrong_models_and_settings_are_refused(data: nr.Interactions) -> None:
    with pytest.raises(ValueError, match="no model 'elas'"):
        nr.fit("elas", data)
    with pytest.raises(ValueError, match="factrs"):
        nr.fit("als", data, factrs=3)
    own: Recommender = Popularity()
    with pytest.raises(ValueError, match="give the settings of an own model to its class"):
        nr.fit(own, data, factors=3)


def test_reprs_tell_what_is_there(data: nr.Interactions) -> None:
    assert repr(data).startswith("Interactions of 60 users and 30 items: ")
    assert repr(nr.fit("popularity", data)).startswith("popularity fitted on Interactions of 60 users")


def test_the_command_starts_without_pandas() -> None:
    program = (
        "import sys, nightly_recs as nr; assert 'fit' in dir(nr); import flows.cli.app;"
        " print(sorted({'pandas', 'nightly_recs.home'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'frame'"):
        _ = nr.frame
