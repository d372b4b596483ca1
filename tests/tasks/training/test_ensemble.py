"""The blend is learned without the report half, and its weights and member folders survive refit and moving."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import FittedModel, HeldOut, LearnedBlend, Snapshot
from tasks.config.settings import BlendSettings
from tasks.training.ensemble import learn_blend, refit_blend
from tasks.training.load_model import load_model
from tests.models.contract import N_ITEMS, N_USERS, small_world
from tests.models.ensemble.test_cross_fitting import USERS, relevant_of_taste

SETTINGS = BlendSettings(folds=3, regularization=2.0)
HALF = (np.arange(len(USERS)) % 3 == 0).astype(np.int8)


def fitted_models(folder: Path, data: Interactions) -> list[FittedModel]:
    """Three models fitted on `data`, side by side in `folder`."""
    models: list[Recommender] = [ItemKNN(), ALS(ALSConfig(factors=4, iterations=3)), Popularity()]
    for model in models:
        model.fit(data, seed=1).save(folder / model.name)
    return [FittedModel(model.name, folder / model.name, model.name, 0.0, 0.0) for model in models]


def snapshot(folder: Path, data: Interactions) -> Snapshot:
    folder.mkdir(parents=True)
    data.save(folder)
    return Snapshot("s", folder, N_USERS, N_ITEMS, 0, 0, 0, 0, 0)


def held_out(folder: Path, relevant: sparse.csr_array, half: np.ndarray = HALF) -> HeldOut:
    folder.mkdir(parents=True)
    np.savez(folder / "users.npz", user_idx=USERS.astype(np.int32), half=half)
    sparse.save_npz(folder / "relevant.npz", relevant)
    return HeldOut("h", folder, int((half == 0).sum()), int(half.sum()), 0, 0.0)


def learned(folder: Path, relevant: sparse.csr_array, half: np.ndarray = HALF) -> LearnedBlend:
    data, place = small_world(), folder / "fit" / "blend"
    place.mkdir(parents=True)
    return learn_blend(
        fitted_models(folder / "fit", data), snapshot(folder / "snapshot", data),
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
    refitted = refit_blend(
        judged, members, snapshot(tmp_path / "everything", more), seed=4, key="r", folder=place
    )
    (tmp_path / "night").rename(tmp_path / "moved")
    blend = load_model(FittedModel("r", tmp_path / "moved" / "blend", refitted.model, 0.0, 0.0))
    assert blend.config.weights == load_model(judged.fitted).config.weights
    assert (blend.fold_ == -1).all()
    assert judged.members == tuple(blend.config.members) == ("item_knn", "als", "popularity")
    lists = blend.recommend(np.arange(N_USERS), 10, exclude=more.seen).items
    assert (lists[USERS] >= 0).any(axis=1).all()


@pytest.mark.parametrize("n_select", [0, 1])
def test_too_few_users_give_no_blend_but_a_reason(tmp_path: Path, n_select: int) -> None:
    half = (np.arange(len(USERS)) >= n_select).astype(np.int8)
    none = learned(tmp_path, relevant_of_taste(), half)
    assert none.members == ()
    assert none.note.startswith("none: a blend needs 30 users of the select half")
    assert json.loads((none.folder / "learned.json").read_text()) == {
        "why_not": none.note.removeprefix("none: ")
    }


def test_members_are_the_shelf_and_content_unless_set() -> None:
    shelf = ("popularity", "als")
    assert BlendSettings().members_of(shelf) == ("popularity", "als", "content")
    assert BlendSettings(members=("als", "ease")).members_of(shelf) == ("als", "ease")
    assert BlendSettings(members=("als",)).members_of(shelf) == (), "one model makes no blend"
    assert BlendSettings(enabled=False).members_of(shelf) == ()
    with pytest.raises(ValueError, match="no model 'blend'"):
        BlendSettings(members=("als", "blend"))
