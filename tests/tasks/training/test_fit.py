"""Fitted models on disk, and the warning about models without training data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.factors.als_block import ALSBlock
from models.interactions import Interactions
from models.registry import recommender_class
from tasks.artifacts import FittedModel, Snapshot, WarmFit
from tasks.training.fit import COLD, fit
from tasks.training.load_model import load_model

LIKES = Interactions.from_positive(sparse.csr_array(np.tril(np.ones((6, 5), np.float32))))
NOTHING = sparse.csr_array((6, 5), dtype=np.float32)


def fitted(
    folder: Path, data: Interactions, name: str, *, blocks: int = 0, warm: WarmFit = COLD, **config: object
) -> FittedModel:
    (folder / "snapshot").mkdir(parents=True)
    (folder / "model").mkdir()
    data.save(folder / "snapshot")
    counts = dict.fromkeys(("n_seen", "n_rating", "n_positive", "n_composite", "n_untouched"), 0)
    snapshot = Snapshot("k", folder / "snapshot", n_users=6, n_items=5, **counts)
    settings = recommender_class(name).config_class(**config)
    return fit(
        snapshot, name, settings, seed=1, blocks=blocks, warm_start=warm, key="m", folder=folder / "model"
    )


def test_load_model_returns_the_fitted_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reference = fitted(tmp_path, LIKES, "item_knn")
    model, users = load_model(reference), np.arange(6)
    again = recommender_class("item_knn")(model.config).fit(LIKES, seed=1)
    np.testing.assert_array_equal(model.score(users), again.score(users))
    assert (reference.key, reference.model, reference.learned) == ("m", "item_knn", True)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "config", "empty", "message"),
    [
        ("mf", {}, "rating", "The model mf has nothing to learn from: it is trained on ratings, and there are none."),
        ("bpr", {}, "positive", "model bpr has nothing to learn from: no interaction counts as positive"),
        ("item_knn", {"matrix": "composite"}, "composite", "model item_knn has nothing to learn from: no interaction"),
        ("item_knn", {"matrix": "composite"}, "rating", ""),
        ("content", {}, "composite", ""),
        ("popularity", {}, "composite", ""),
    ],
)  # fmt: skip
def test_a_model_without_training_data_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, config: dict, empty: str, message: str
) -> None:
    reference = fitted(tmp_path, replace(LIKES, **{empty: NOTHING}), name, **config)
    assert reference.learned == (not message), "reports mark the model by this field"
    logged = [r.getMessage() for r in caplog.records if "nothing to learn" in r.getMessage()]
    assert len(logged) == bool(message)
    assert message in "".join(logged)


def test_a_fit_depends_on_the_source_of_its_model() -> None:
    assert fit.modules({"name": "als"}) == ("tasks.training.fit", "models.factors.als")


def test_a_fit_in_blocks_is_saved_like_one_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, found = [], {}

    def noted(rows: sparse.csr_array, number: int) -> ALSBlock:
        made.append(number)
        return ALSBlock(rows, number)

    monkeypatch.setattr("models.factors.als.ALSBlock", noted)
    for blocks in (0, 3):
        folder = tmp_path / str(blocks)
        folder.mkdir()
        found[blocks] = load_model(fitted(folder, LIKES, "als", blocks=blocks, factors=2, iterations=2))
        assert not list((folder / "model").glob(".blocks-*"))
    np.testing.assert_allclose(found[3].score(np.arange(6)), found[0].score(np.arange(6)), atol=1e-4)
    assert made == [0, 1, 2]


def test_a_fit_in_blocks_runs_where_the_night_is(tmp_path: Path) -> None:
    assert fit.request is not None
    assert fit.request({"blocks": 2}) is None


def test_a_model_that_knows_no_blocks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item_knn cannot be fitted in blocks"):
        fitted(tmp_path, LIKES, "item_knn", blocks=2)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        ({"draws": 10}, "cold: so few ratings are sampled, which begins anew"),
        ({"epochs": 5}, "warm: from yesterday"),
    ],
)
def test_a_model_that_begins_anew_warns_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, config: dict, start: str
) -> None:
    rated = replace(LIKES, rating=sparse.csr_array(np.arange(30, dtype=np.float32).reshape(6, 5) % 5 + 1))
    earlier = fitted(tmp_path / "yesterday", rated, "mf", **config)
    np.savez(tmp_path / "rows.npz", users=np.arange(6), items=np.arange(5))
    warm = WarmFit("m", "warm: from yesterday", earlier.folder, tmp_path)
    found = fitted(tmp_path / "today", rated, "mf", warm=warm, **config)
    assert found.start == start
    same = np.array_equal(load_model(found).user_factors_, load_model(earlier).user_factors_)
    assert same == start.startswith("cold")
    assert not caplog.records
