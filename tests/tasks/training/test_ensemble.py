"""Ensembles are learned without the report half, and their weights and member folders survive refit and moving."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.ensemble.two_stage import TwoStage
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from models.registry import ENSEMBLES
from tasks.artifacts import FittedModel, HeldOut, LearnedEnsemble, Snapshot
from tasks.config.settings import BlendSettings, RankingSettings, Settings
from tasks.training.ensemble import learn_ensemble, refit_ensemble
from tasks.training.load_model import load_model
from tests.models.contract import N_ITEMS, N_USERS, small_world
from tests.models.ensemble.test_cross_fitting import USERS, relevant_of_taste
from tests.models.ensemble.test_two_stage import dated
from tests.models.retrieval.test_two_tower import with_features

SETTINGS = BlendSettings(folds=3, regularization=2.0)
RANKING = RankingSettings(retriever="popularity", folds=3, regularization=2.0)
HALF = (np.arange(len(USERS)) % 3 == 0).astype(np.int8)


def fitted_models(folder: Path, data: Interactions) -> list[FittedModel]:
    """Three models fitted on `data`, side by side in `folder`."""
    models: list[Recommender] = [ItemKNN(), ALS(ALSConfig(factors=4, iterations=3)), Popularity()]
    return [saved(model, folder, data) for model in models]


def saved(model: Recommender, folder: Path, data: Interactions) -> FittedModel:
    """Fit a model on `data` and save it in `folder`."""
    model.fit(data, seed=1).save(folder / model.name)
    return FittedModel(model.name, folder / model.name, model.name, 0.0, 0.0)


def snapshot(folder: Path, data: Interactions) -> Snapshot:
    folder.mkdir(parents=True)
    data.save(folder)
    return Snapshot("s", folder, N_USERS, N_ITEMS, 0, 0, 0, 0, 0)


def held_out(folder: Path, relevant: sparse.csr_array, half: np.ndarray = HALF) -> HeldOut:
    folder.mkdir(parents=True)
    np.savez(folder / "users.npz", user_idx=USERS.astype(np.int32), half=half)
    sparse.save_npz(folder / "relevant.npz", relevant)
    return HeldOut("h", folder, int((half == 0).sum()), int(half.sum()), 0, 0.0)


def learned(folder: Path, relevant: sparse.csr_array, half: np.ndarray = HALF) -> LearnedEnsemble:
    data, place = small_world(), folder / "fit" / "blend"
    place.mkdir(parents=True)
    return learn_ensemble(
        "blend", fitted_models(folder / "fit", data), snapshot(folder / "snapshot", data),
        held_out(folder / "held", relevant, half), SETTINGS, "ndcg@10", seed=4, key="k", folder=place,
    )  # fmt: skip


def shuffled(relevant: sparse.csr_array, rows: np.ndarray) -> sparse.csr_array:
    """Return other held-out positives for some of the users."""
    changed = relevant.tolil()
    changed[rows] = relevant.tolil()[rows][:, ::-1]
    return sparse.csr_array(changed)


def test_the_report_half_has_no_influence(tmp_path: Path) -> None:
    relevant = relevant_of_taste()
    one = learned(tmp_path / "a", relevant)
    two = learned(tmp_path / "b", shuffled(relevant, np.flatnonzero(HALF == 1)))
    for name in ("model.json", "learned.json"):
        assert (one.folder / name).read_text() == (two.folder / name).read_text()
    assert one.note == two.note
    with np.load(one.folder / "arrays.npz") as ours, np.load(two.folder / "arrays.npz") as theirs:
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours.files)
    other = learned(tmp_path / "c", shuffled(relevant, np.flatnonzero(HALF == 0)))
    assert (one.folder / "model.json").read_text() != (other.folder / "model.json").read_text()


def test_only_the_select_half_is_ranked_out_of_fold(tmp_path: Path) -> None:
    blend = load_model(learned(tmp_path, relevant_of_taste()).fitted)
    assert (blend.fold_[USERS[HALF == 0]] >= 0).all()
    assert (np.delete(blend.fold_, USERS[HALF == 0]) == -1).all()


def test_the_refit_keeps_weights_and_ranks_all_users(tmp_path: Path) -> None:
    judged = learned(tmp_path, relevant_of_taste())
    more = small_world(seed=5)
    place = tmp_path / "night" / "blend"
    place.mkdir(parents=True)
    members = fitted_models(tmp_path / "night", more)
    refitted = refit_ensemble(
        judged, members, snapshot(tmp_path / "everything", more), seed=4, key="r", folder=place
    )
    (tmp_path / "night").rename(tmp_path / "moved")
    blend = load_model(FittedModel("r", tmp_path / "moved" / "blend", refitted.model, 0.0, 0.0))
    assert blend.config.weights == load_model(judged.fitted).config.weights
    assert (blend.fold_ == -1).all()
    assert judged.members == tuple(blend.config.members) == ("item_knn", "als", "popularity")
    lists = blend.recommend(np.arange(N_USERS), 10, exclude=more.seen).items
    assert (lists[USERS] >= 0).any(axis=1).all()


def described_world(seed: int = 0) -> Interactions:
    """Return `small_world` with features of items and with times."""
    return dated(with_features(small_world(seed)))


def something_for_all() -> sparse.csr_array:
    """Return the positives of `relevant_of_taste`, and one for each user without any, since such are never judged."""
    relevant = relevant_of_taste().toarray()
    rows = np.flatnonzero(~relevant.any(axis=1))
    relevant[rows, USERS[rows] % 2] = 1
    return sparse.csr_array(relevant)


def learned_two_stage(folder: Path, half: np.ndarray = HALF) -> LearnedEnsemble:
    """Learn to rank anew what popularity retrieves."""
    data, place = described_world(), folder / "fit" / "two_stage"
    place.mkdir(parents=True)
    return learn_ensemble(
        "two_stage", [saved(Popularity(), folder / "fit", data)], snapshot(folder / "snapshot", data),
        held_out(folder / "held", something_for_all(), half), RANKING, "ndcg@10", seed=4, key="k", folder=place,
    )  # fmt: skip


def test_two_stages_are_learned_of_a_single_member(tmp_path: Path) -> None:
    """The features of items hold the users' taste, which popularity does not know."""
    found = learned_two_stage(tmp_path)
    assert (found.model, found.members) == ("two_stage", ("popularity",))
    assert found.note.startswith("ranker, learned from ")
    assert (found.fitted.model, found.fitted.key, found.fitted.folder) == ("two_stage", "k", found.folder)
    about = json.loads((found.folder / "learned.json").read_text())
    assert (about["metric"], about["method"]) == ("ndcg@10", "ranker")
    assert about["scores"]["ranker"] > 1.3 * about["scores"]["scores"]
    model = load_model(found.fitted)
    assert isinstance(model, TwoStage)
    assert model.config.weights["near latest profile"] > 0


def test_refitted_two_stages_keep_the_weights(tmp_path: Path) -> None:
    judged = learned_two_stage(tmp_path)
    more = described_world(seed=5)
    place = tmp_path / "night" / "two_stage"
    place.mkdir(parents=True)
    members = [saved(Popularity(), tmp_path / "night", more)]
    everything = snapshot(tmp_path / "everything", more)
    refitted = refit_ensemble(judged, members, everything, seed=4, key="r", folder=place)
    assert (refitted.model, refitted.key) == ("two_stage", "r")
    model, before = load_model(refitted), load_model(judged.fitted)
    assert isinstance(model, TwoStage)
    assert model.config.weights == before.config.weights
    assert (model.fold_ == -1).all()
    assert (model.week_ != before.week_).nnz > 0, "the context is that of the other data"
    lists = model.recommend(np.arange(N_USERS), 10, exclude=more.seen).items
    assert (lists[USERS] >= 0).any(axis=1).all()


@pytest.mark.parametrize("call", ["learn", "refit"])
def test_stages_of_an_ensemble_read_its_own_source(tmp_path: Path, call: str) -> None:
    """So that a changed class makes the stored results of that ensemble stale, and the stage bears its name."""
    everything, members = Snapshot("s", tmp_path, 1, 1, 0, 0, 0, 0, 0), ()
    held, settings = HeldOut("h", tmp_path, 1, 1, 0, 0.0), BlendSettings()
    for name, module in (("blend", "models.ensemble.blend"), ("two_stage", "models.ensemble.two_stage")):
        judged = LearnedEnsemble("k", tmp_path, name, (), "", 0.0, 0.0)
        asked = (
            learn_ensemble.call(name, members, everything, held, settings, "ndcg@10", seed=1)
            if call == "learn"
            else refit_ensemble.call(judged, members, everything, seed=1)
        )
        assert asked.label == f"fit-{name}"
        assert asked.stage.modules(asked.arguments()) == ("tasks.training.ensemble", module)


def test_only_ensembles_can_be_learned(tmp_path: Path) -> None:
    data = small_world()
    with pytest.raises(ValueError, match="als is no ensemble"):
        learn_ensemble(
            "als", fitted_models(tmp_path / "fit", data), snapshot(tmp_path / "snapshot", data),
            held_out(tmp_path / "held", relevant_of_taste()), SETTINGS, "ndcg@10", seed=4, key="k", folder=tmp_path,
        )  # fmt: skip


@pytest.mark.parametrize("n_select", [0, 1])
def test_too_few_users_give_no_blend_but_a_reason(tmp_path: Path, n_select: int) -> None:
    half = (np.arange(len(USERS)) >= n_select).astype(np.int8)
    none = learned(tmp_path, relevant_of_taste(), half)
    assert none.members == ()
    assert none.note.startswith("none: blend needs 30 users of the select half")
    assert json.loads((none.folder / "learned.json").read_text()) == {
        "why_not": none.note.removeprefix("none: ")
    }


@pytest.mark.parametrize("n_select", [0, 1])
def test_too_few_users_give_no_two_stages(tmp_path: Path, n_select: int) -> None:
    half = (np.arange(len(USERS)) >= n_select).astype(np.int8)
    none = learned_two_stage(tmp_path, half)
    assert (none.model, none.members) == ("two_stage", ())
    assert "needs 30 users of the select half" in none.note
    assert not (none.folder / "model.json").exists()


def test_members_are_the_shelf_and_content_unless_set() -> None:
    shelf = ("popularity", "als")
    assert BlendSettings().members_of(shelf) == ("popularity", "als", "content")
    assert BlendSettings(members=("als", "ease")).members_of(shelf) == ("als", "ease")
    assert BlendSettings(members=("als",)).members_of(shelf) == (), "one model makes no blend"
    assert BlendSettings(enabled=False).members_of(shelf) == ()
    with pytest.raises(ValueError, match="no model 'blend'"):
        BlendSettings(members=("als", "blend"))


def test_the_retriever_is_two_tower_or_the_model_that_is_named() -> None:
    shelf = ("popularity", "two_tower", "als")
    assert RankingSettings().members_of(shelf) == ("two_tower",)
    assert RankingSettings(retriever="als").members_of(shelf) == ("als",)
    assert RankingSettings(retriever="ease").members_of(shelf) == ("ease",), "off the shelf, too"
    assert RankingSettings(enabled=False).members_of(shelf) == ()
    assert RankingSettings().members_of(("als",)) == ()
    for wrong in ("two_towers", "blend", "two_stage"):
        with pytest.raises(ValueError, match=f"no model '{wrong}'"):
            RankingSettings(retriever=wrong)


def test_settings_name_every_ensemble_once() -> None:
    settings = Settings(ranking=RankingSettings(folds=7), blend=BlendSettings(folds=9))
    assert {name: options.folds for name, options in settings.ensembles.items()} == {
        "two_stage": 7,
        "blend": 9,
    }
    assert {*settings.ensembles} == {*ENSEMBLES}
